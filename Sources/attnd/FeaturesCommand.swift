import ArgumentParser
import AudioInput
import FeatureExtraction
import ModelFile

/// Recordings -> feature rows as .npy files.
struct FeaturesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Write the feature rows of recordings as NumPy arrays.",
    discussion: """
      Each recording becomes DIR/NAME.npy: float32, [rows, bins], a row for each hop of the model's \
      front end, before its mean and scale are applied. They are the rows that the model sees, so \
      what is trained on them agrees with what runs later, bit for bit.

        attnd features --out rows/ *.wav
        find corpus -name '*.flac' | attnd features --root corpus --out rows/ -
        python3 -c "import numpy; print(numpy.load('rows/hello.npy').shape)"

      Ends with 65 when a recording could not be read to its end; the others are written.
      """)

  enum CompressionChoice: String, CaseIterable, ExpressibleByArgument {
    case linear, log
  }

  @OptionGroup var input: InputFiles
  @OptionGroup var model: ModelOptions

  @Option(
    help: ArgumentHelp("Folder to write to; made when missing.", valueName: "dir"),
    completion: .directory)
  var out = "."

  @Option(
    help: ArgumentHelp(
      "Keep the folders of each recording below this one, so that equal names do not collide.",
      valueName: "dir"),
    completion: .directory)
  var root: String?

  @Option(
    help: ArgumentHelp(
      "What becomes of a mel energy: linear (as it is) or log (natural, Kaldi's floor) "
        + "(default: what the model does).", valueName: "kind"))
  var compression: CompressionChoice?

  @Option(
    help: ArgumentHelp("Mel bins, the length of a row (default: the model's).", valueName: "n"))
  var bins: Int?

  func run() async throws {
    let settings = try model.resolve(jobs: input.jobs)
    let frontEnd = try chosenFrontEnd(settings.loadModel().frontEnd)
    let recordings = try input.paths().map { path in (path, try target(of: path)) }
    try refuseCollisions(recordings)

    let channels = settings.channels
    var progress = ProgressBar(total: recordings.count, unit: "recordings")
    var failed = 0
    try await inOrder(
      recordings, jobs: settings.jobs,
      work: { path, target in
        Swift.Result { try writeRows(of: path, to: target, frontEnd: frontEnd, channels: channels) }
      },
      finished: { progress.advance() },
      emit: { result in
        guard case .failure(let error) = result else { return }
        progress.clear()
        // What cannot be written for one recording cannot be written for the others.
        if error is Failure || error is BrokenPipe { throw error }
        failed += 1
        StandardError.write("attnd: \(error)\n")
      })
    progress.clear()
    try endOfBatch(failed: failed, of: recordings.count, "recordings")
  }

  /// The model's front end with what the options say otherwise.
  private func chosenFrontEnd(_ modelled: FrontEnd) throws -> FrontEnd {
    var frontEnd = modelled
    if let bins { frontEnd.bins = bins }
    switch compression {
    case .linear: frontEnd.compression = .linear
    case .log: frontEnd.compression = .log(floor: 0x1p-23)
    case nil: break
    }
    try frontEnd.validate()
    return frontEnd
  }

  /// Where a recording's rows go: its name without extension, below its folders if asked.
  private func target(of path: String) throws -> String {
    var name = path
    if let root {
      let prefix = root.hasSuffix("/") ? root : root + "/"
      guard path.hasPrefix(prefix) else {
        throw Failure(.noInput, "\(path): does not lie below --root \(root)")
      }
      name = String(path.dropFirst(prefix.count))
    } else if let slash = path.lastIndex(of: "/") {
      name = String(path[path.index(after: slash)...])
    }
    let file = name.split(separator: "/").last ?? ""
    if let dot = file.lastIndex(of: "."), dot > file.startIndex {
      name = String(name.dropLast(file.distance(from: dot, to: file.endIndex)))
    }
    return "\(out)/\(name).npy"
  }

  private func refuseCollisions(_ recordings: [(path: String, target: String)]) throws {
    var owners: [String: String] = [:]
    for (path, target) in recordings {
      if let other = owners.updateValue(path, forKey: target) {
        throw Failure(
          .cannotCreate,
          "\(other) and \(path) would both be written to \(target); give --root to keep folders")
      }
    }
  }
}

/// Reads one recording whole and writes its rows.
private func writeRows(
  of path: String, to target: String, frontEnd: FrontEnd, channels: ChannelSelection
) throws {
  let source = try SoundFile(path: path, sampleRate: frontEnd.sampleRate, channels: channels)
  var extractor = try FeatureExtractor(frontEnd)
  var values: [Float] = []
  let append: (Span<Float>) -> Void = { row in
    for i in row.indices { values.append(row[i]) }
  }
  let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 16_384)
  defer { buffer.deallocate() }
  while true {
    let block = try source.read(into: buffer)
    guard block.count > 0 else { break }
    extractor.push(UnsafeBufferPointer(rebasing: buffer[..<block.count]).span, append)
  }
  extractor.finish(append)
  try writeFile(target, NumPyFile.bytes(values, columns: frontEnd.rowLength))
}
