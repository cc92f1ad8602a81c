import ArgumentParser
import AttentionSocket
import AudioInput
import ModelFile
import StreamingAttention

/// Recordings -> detections as JSON Lines.
struct BatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch",
    abstract: "Find the keywords in recordings; JSON Lines on standard output.",
    discussion: """
      Each detection is an object on a line of its own, in the order of the files and of time:

        {"file":"hello.wav","keyword":"computer","score":0.97,"start":1.2,"end":1.77,"time":1.86}

      time is when it was decided, start and end are where the word lies, all in seconds from the
      start of the file. With --frames each step of the network is a line too, with the posterior
      of every keyword and the focus: how many seconds before time the attention looks (expected,
      spread, peak).

        attnd batch *.wav > found.jsonl
        find . -name '*.flac' | attnd batch --threshold 0.3 -
        attnd batch --frames talk.ogg | jq 'select(.posterior.computer > 0.5)'

      A file that cannot be read is one line on standard error; the others go on, and the command
      ends with 65.
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup var listening: ListeningOptions

  @Flag(help: "Print an object for each step of the network, too.")
  var frames = false

  func run() async throws {
    let settings = try listening.resolve()
    let model = try settings.loadModel()
    let paths = input.paths()
    let work = FileWork(
      model: model, threshold: settings.threshold, channels: settings.channels, frames: frames)
    var progress = ProgressBar(total: paths.count, unit: "files")
    var failed = 0
    try await inOrder(
      paths, jobs: input.jobs ?? settings.jobs, work: { work.run($0) },
      finished: { progress.advance() },
      emit: { result in
        if !result.lines.isEmpty || result.failure != nil { progress.clear() }
        try StandardOutput.write(result.lines)
        guard let failure = result.failure else { return }
        failed += 1
        StandardError.write("attnd: \(failure)\n")
      })
    progress.clear()
    if failed > 0 { throw Failure(.badData, "\(failed) of \(paths.count) files failed") }
  }
}

/// What is done with each file of a batch, on any thread.
private struct FileWork: Sendable {
  let model: ModelFile
  let threshold: Float?
  let channels: ChannelSelection
  let frames: Bool

  struct Result: Sendable {
    /// JSON Lines; what was found before a failure is in it.
    var lines: [UInt8] = []
    var failure: String?
  }

  func run(_ path: String) -> Result {
    var result = Result()
    do {
      let rate = model.frontEnd.sampleRate
      let source = try SoundFile(path: path, sampleRate: rate, channels: channels)
      var pipeline = try Pipeline(model, threshold: threshold)
      var lines = ResultLines(file: path, model: model)
      defer { result.lines = lines.bytes }
      while true {
        let goesOn = try pipeline.advance(
          reading: source,
          frame: { frame, stream in if frames { lines.add(frame, stream) } },
          detection: { lines.add($0) })
        guard goesOn else { break }
      }
    } catch {
      result.failure = "\(error)"
    }
    return result
  }
}

/// The lines of one file, times in seconds.
private struct ResultLines {
  private(set) var bytes: [UInt8] = []
  private let file: String
  private let names: [String]
  private let heads: Bool
  private let rate: Double
  private let stepSeconds: Float

  init(file: String, model: ModelFile) {
    self.file = file
    names = model.keywords.map(\.name)
    let architecture = model.parameters.architecture
    heads = architecture.heads == .keyword
    rate = Double(model.frontEnd.sampleRate)
    stepSeconds = Float(model.frontEnd.hop * architecture.stride) / Float(rate)
  }

  mutating func add(_ detection: StreamingAttention.Detection) {
    line { json in
      json.field("file", file)
      json.field("keyword", names[detection.keyword])
      json.field("score", detection.score)
      json.field("start", Double(detection.start) / rate)
      json.field("end", Double(detection.end) / rate)
      json.field("time", Double(detection.position) / rate)
    }
  }

  mutating func add(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    // Closures may not capture a borrowed stream: read it first.
    var posteriors: [Float] = []
    for i in names.indices { posteriors.append(stream.posterior(i)) }
    var focuses: [StreamingAttention.Focus] = []
    for i in 0..<(heads ? names.count : 1) { focuses.append(stream.focus(head: i)) }
    line { json in
      json.field("file", file)
      json.field("time", Double(frame.position) / rate)
      json.field("level", frame.level)
      json.field("posterior") { json in
        for (name, value) in zip(names, posteriors) { json.field(name, value) }
      }
      json.field("focus") { json in
        guard heads else { return write(focuses[0], &json) }
        for (name, focus) in zip(names, focuses) {
          json.field(name) { write(focus, &$0) }
        }
      }
    }
  }

  private func write(_ focus: StreamingAttention.Focus, _ json: inout JSONWriter) {
    json.field("expected", focus.expected * stepSeconds)
    json.field("spread", focus.spread * stepSeconds)
    json.field("peak", focus.peak * stepSeconds)
  }

  private mutating func line(_ fields: (inout JSONWriter) -> Void) {
    var json = JSONWriter()
    json.object(fields)
    bytes.append(contentsOf: json.finish().readableBytesView)
    bytes.append(UInt8(ascii: "\n"))
  }
}
