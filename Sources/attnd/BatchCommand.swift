import ArgumentParser
import AudioInput
import JSONText
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

      time is when it was decided, start and end are where the word lies, all in seconds from the \
      start of the file. With --frames each step of the network is a line too, with the posterior \
      of every keyword and the focus: how many seconds before time the attention looks (expected, \
      spread, peak).

        attnd batch *.wav > found.jsonl
        find . -name '*.flac' | attnd batch --threshold 0.3 -
        attnd batch --frames talk.ogg | jq 'select(.posterior.computer > 0.5)'

      A file that cannot be read is one line on standard error; the others go on, and the command \
      ends with 65.
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup var listening: ListeningOptions

  @Flag(help: "Print an object for each step of the network, too.")
  var frames = false

  func run() async throws {
    let settings = try listening.resolve(jobs: input.jobs)
    let model = try settings.loadModel()
    let paths = input.paths()
    let work = FileWork(
      model: model, threshold: settings.threshold, channels: settings.channels, frames: frames)
    var progress = ProgressBar(total: paths.count, unit: "files")
    var failed = 0
    try await inOrder(
      paths, jobs: settings.jobs, work: { work.run($0) },
      finished: { progress.advance() },
      emit: { result in
        if !result.lines.isEmpty || result.failure != nil { progress.clear() }
        try StandardOutput.write(result.lines)
        guard let failure = result.failure else { return }
        failed += 1
        StandardError.write("attnd: \(failure)\n")
      })
    progress.clear()
    try endOfBatch(failed: failed, of: paths.count, "files")
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
      let rate = model.sampleRate
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
  private let terms: ResultTerms

  init(file: String, model: ModelFile) { terms = ResultTerms(file: file, model: model) }

  mutating func add(_ detection: StreamingAttention.Detection) {
    let terms = terms
    add { terms.write(detection, &$0) }
  }

  mutating func add(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    let terms = terms
    add { terms.write(frame, stream, &$0) }
  }

  private mutating func add(_ line: (inout JSONWriter) -> Void) {
    var json = JSONWriter()
    line(&json)
    bytes.append(contentsOf: json.bytes)
    bytes.append(UInt8(ascii: "\n"))
  }
}

/// What a result of one file is called: from the pipeline's terms to those of the lines.
private struct ResultTerms {
  private let file: String
  private let names: [String]
  private let hasKeywordHeads: Bool
  private let rate: Double
  private let stepSeconds: Float

  init(file: String, model: ModelFile) {
    self.file = file
    names = model.keywords.map(\.name)
    hasKeywordHeads = model.architecture.heads == .keyword
    rate = Double(model.sampleRate)
    stepSeconds = Float(model.stepSeconds)
  }

  func write(_ detection: StreamingAttention.Detection, _ json: inout JSONWriter) {
    json.object { json in
      json.field("file", file)
      json.field("keyword", names[detection.keyword])
      json.field("score", detection.score)
      json.field("start", Double(detection.start) / rate)
      json.field("end", Double(detection.end) / rate)
      json.field("time", Double(detection.position) / rate)
    }
  }

  func write(
    _ frame: Pipeline.Frame, _ stream: borrowing AttentionStream, _ json: inout JSONWriter
  ) {
    json.object { json in
      json.field("file", file)
      json.field("time", Double(frame.position) / rate)
      json.field("level", frame.level)
      json.field("posterior") { json in
        for (i, name) in names.enumerated() { json.field(name, stream.posterior(i)) }
      }
      json.field("focus") { json in
        guard hasKeywordHeads else { return write(stream.focus(head: 0), &json) }
        for (i, name) in names.enumerated() {
          json.field(name) { write(stream.focus(head: i), &$0) }
        }
      }
    }
  }

  private func write(_ focus: StreamingAttention.Focus, _ json: inout JSONWriter) {
    json.field("expected", focus.expected * stepSeconds)
    json.field("spread", focus.spread * stepSeconds)
    json.field("peak", focus.peak * stepSeconds)
  }
}
