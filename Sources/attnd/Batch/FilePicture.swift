import FeatureExtraction
import ModelFile
import StreamingAttention

/// The picture of one file of a batch, recorded while the file is worked on and drawn at its end.
struct FilePicture {
  private let path: String
  private let target: PictureTarget
  private var record: AttentionRecord

  /// - Parameters:
  ///   - path: The file.
  ///   - model: What is listened for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - target: Where the picture goes.
  init(of path: String, _ model: ModelFile, threshold: Float?, to target: PictureTarget) {
    self.path = path
    self.target = target
    record = AttentionRecord(model, threshold: threshold)
  }

  mutating func add(row: Span<Float>) { record.add(row: row) }

  mutating func add(stepOf stream: borrowing AttentionStream) { record.add(stepOf: stream) }

  mutating func add(_ detection: StreamingAttention.Detection) {
    record.add(
      AttentionRecord.Mark(
        keyword: detection.keyword, score: detection.score, start: detection.start,
        end: detection.end, position: detection.position))
  }

  /// Draws what was recorded, and says so where there is nothing to draw.
  ///
  /// - Throws: `Failure` when the picture cannot be written.
  func draw() throws {
    guard record.pool.rows > 0 else {
      return StandardError.write("attnd: \(path): has no picture: it has no row to draw\n")
    }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let bytes = try target.write(AttentionPlot(title: name, record: record).drawing)
    if !bytes.isEmpty { try StandardOutput.write(bytes) }
  }
}

extension AttentionRecord {
  /// Begins a sequence that a model listens to.
  ///
  /// - Parameters:
  ///   - model: The model, whose mean and scale are taken off rows of sound again.
  ///   - threshold: In place of every keyword's own; nil for those.
  package init(_ model: ModelFile, threshold: Float?) {
    let architecture = model.architecture
    let rows: Rows
    let isUndone: Bool
    switch model.input {
    case .sound(let frontEnd):
      rows = .sound(frontEnd)
      // A running normalisation that starts from them has them applied in itself.
      isUndone = frontEnd.running?.start != .model
    case .rows(let sequence):
      rows = .values(length: sequence.length, perSecond: sequence.perSecond)
      // Elements may be of any unit: only as the network sees them are they alike.
      isUndone = false
    }
    self.init(
      rows,
      keywords: model.keywords.map { Keyword(name: $0.name, threshold: threshold ?? $0.threshold) },
      heads: architecture.heads == .keyword ? .keyword : .shared(architecture.headCount),
      window: architecture.window, rowsPerStep: architecture.rowsPerStep)
    if isUndone { undo(mean: model.mean, scale: model.scale) }
  }

  /// Takes the step that a stream has just taken.
  package mutating func add(stepOf stream: borrowing AttentionStream) {
    begin(stepAt: stream.position, span: stream.span)
    for keyword in keywords.indices {
      add(
        posterior: stream.posterior(keyword), smoothed: stream.smoothedPosterior(keyword),
        of: keyword)
    }
    for head in 0..<weights.series { stream.withWeights(head: head) { add(weights: $0, of: head) } }
  }
}
