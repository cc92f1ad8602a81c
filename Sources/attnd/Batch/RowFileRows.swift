import FeatureExtraction
import ModelFile

/// Files of rows, given to the network as its front end would give them.
///
/// Rows are those of `attnd features`, or of whatever made the rows that a model without a front end
/// was trained on: here the model's mean and scale are applied. A reset rule has no say: it needs
/// sound.
final class RowFileRows: RowSource {
  /// Elements of a block of rows, about.
  private static let blockElements = 1 << 14

  private let tensor: String?
  private let mean: [Float]
  private let scale: [Float]
  /// Whether they are applied: not to rows whose running normalisation began with them.
  private let appliesMean: Bool
  private let rowsAtOnce: Int
  private let input: ModelFile.Input
  private var file: RowFile?
  private var rows = 0

  init(_ model: ModelFile, tensor: String?) {
    self.tensor = tensor
    mean = model.mean
    scale = model.scale
    input = model.input
    switch model.input {
    case .sound(let frontEnd): appliesMean = frontEnd.running?.start != .model
    case .rows: appliesMean = true
    }
    rowsAtOnce = max(8, Self.blockElements / max(1, model.mean.count))
  }

  func open(_ path: String) throws {
    file = nil
    rows = 0
    file = try RowFile(path, columns: mean.count, tensor: tensor)
  }

  func read(_ body: (Span<Float>, SoundRows.Origin) -> Void) throws -> Bool {
    guard let file else { return false }
    return try file.read(rowsAtOnce) { row in
      if appliesMean {
        for i in row.indices { row[i] = (row[i] - mean[i]) * scale[i] }
      }
      body(row.span, SoundRows.Origin(position: input.endPosition(ofRow: rows)))
      rows += 1
    }
  }

  func close() { file = nil }

  var seconds: Double {
    rows == 0 ? 0 : Double(input.endPosition(ofRow: rows - 1)) / Double(input.sampleRate)
  }
}
