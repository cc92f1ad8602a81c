import ArgumentParser
import AudioInput
import FeatureExtraction
import ModelFile

/// Recordings -> feature rows, as arrays or lines, and pictures of them.
struct FeaturesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Write the feature rows of recordings, or draw them.",
    discussion: """
      Each recording becomes DIR/NAME.npy: float32, [rows, elements], a row for each hop. Without \
      options they are the rows that the model sees, before its mean and scale are applied, so \
      what is trained on them agrees with what runs later, bit for bit.

        attnd features --out rows/ *.wav
        python3 -c "import numpy; print(numpy.load('rows/hello.npy').shape)"
        find corpus -name '*.flac' | attnd features --root corpus --out rows/ -
        attnd features --front-end librosa-logmel --bins 64 --hop 320 hello.wav
        attnd features --format jsonl --out - hello.wav | jq .values[0]
        attnd features --plot hello.png hello.wav
        attnd features --front-end power --plot pictures/ --plot-format svg *.wav

      As JSON Lines each row is an object on a line of its own: file, row (from 0), time (the end \
      of its frame, seconds), sample (the same in samples), values. With --out - arrays stand one \
      after another, in the order of the recordings, as numpy.load reads them from one file.

      Pictures show time to the right and frequency (or coefficients) upwards. A pixel column is a \
      hop; long recordings are drawn with the mean of several hops in each.

      Ends with 65 when a recording could not be read to its end; the others are written.
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup(title: "Output") var output: FeatureOutput
  @OptionGroup var model: ModelOptions
  @OptionGroup var frontEnd: FrontEndOptions

  func run() async throws {
    if model.model != nil, frontEnd.base != .model {
      throw Failure(
        .validationFailure,
        "--model and --front-end \(frontEnd.base.rawValue) exclude one another: a recording's rows "
          + "have one front end")
    }
    let settings = try model.resolve(jobs: input.jobs)
    let chosen = try frontEnd.resolve { try settings.loadModel() }
    let recordings = try output.plan(input.paths())
    let work = FeatureWork(
      readers: FeatureReaders(chosen), frontEnd: chosen.frontEnd, channels: settings.channels,
      format: output.format)

    var progress = ProgressBar(total: recordings.count, unit: "recordings")
    var failed = 0
    try await inOrder(
      recordings, jobs: settings.jobs,
      work: { recording in Swift.Result { try work.run(recording) } },
      finished: { progress.advance() },
      emit: { result in
        switch result {
        case .success(let bytes): try StandardOutput.write(bytes)
        // What cannot be written for one recording cannot be written for the others.
        case .failure(let error) where error is Failure || error is BrokenPipe:
          progress.clear()
          throw error
        case .failure(let error):
          progress.clear()
          failed += 1
          StandardError.write("attnd: \(error)\n")
        }
      })
    progress.clear()
    try endOfBatch(failed: failed, of: recordings.count, "recordings")
  }
}

/// What is done with each recording, on any thread.
private struct FeatureWork: Sendable {
  let readers: FeatureReaders
  let frontEnd: FrontEnd
  let channels: ChannelSelection
  let format: RowFormat

  /// Writes a recording's rows and draws them, as its plan says.
  ///
  /// - Returns: What is to go to standard output.
  func run(_ recording: FeatureOutput.Recording) throws -> [UInt8] {
    var writer = try recording.rows.map { target in
      RowWriter(
        format, frontEnd, of: recording.path, to: try target.path.map { try OutputFile($0) })
    }
    var pool = recording.picture.map { _ in FeaturePlot.pool(for: frontEnd) }
    try readers.withReader { reader in
      try reader.read(
        recording.path, channels: channels,
        begin: { writer?.reserve(rows: $0) },
        row: { row in
          writer?.add(row)
          pool?.add(row)
        },
        afterBlock: { try writer?.relieve() })
    }
    var bytes = try writer?.finish() ?? []
    if let picture = recording.picture, let pool {
      bytes += try draw(pool, recording.path, to: picture)
    }
    return bytes
  }

  /// Draws a recording.
  ///
  /// - Returns: What is to go to standard output.
  private func draw(
    _ pool: PooledRows, _ path: String, to picture: PictureTarget
  ) throws -> [UInt8] {
    guard pool.rows > 0 else {
      throw NothingToDraw(path: path, frameLength: frontEnd.frameLength)
    }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return try picture.write(
      FeaturePlot(title: name, frontEnd: frontEnd, rows: pool).drawing)
  }
}

/// A recording that is shorter than a frame.
private struct NothingToDraw: Error, CustomStringConvertible {
  let path: String
  let frameLength: Int

  var description: String {
    "\(path): has no row to draw: it is shorter than a frame of \(frameLength) samples"
  }
}
