import FeatureExtraction
import JSONText
import ModelFile
import StreamingAttention

/// What `attnd batch` prints.
package struct ResultContent: OptionSet, Sendable {
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// A line for each step of the network.
  package static let frames = ResultContent(rawValue: 1)
  /// In it the weights over the window.
  package static let weights = ResultContent(rawValue: 2)
  /// A line when a file has ended.
  package static let ends = ResultContent(rawValue: 4)
  /// Every peak of a posterior in place of the detections.
  package static let candidates = ResultContent(rawValue: 8)
}

/// The lines of one file on their way to the output.
struct ResultLines: FileObserver {
  private let file: Int
  private let terms: ResultTerms
  private let output: OrderedOutput
  private var bytes: [UInt8] = []
  private var steps = 0
  /// Detections, or candidates in their place.
  private var found = 0
  private var picture: FilePicture?
  /// Where candidates are wanted.
  private var peaks: CandidatePeaks?

  init(file: Int, terms: ResultTerms, picture: FilePicture?, output: OrderedOutput) {
    self.picture = picture
    peaks = terms.candidatePeaks
    self.file = file
    self.terms = terms
    self.output = output
  }

  var gathered: Int { bytes.count }

  mutating func row(_ row: Span<Float>, _ origin: SoundRows.Origin) { picture?.add(row: row) }

  mutating func step(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    steps += 1
    picture?.add(stepOf: stream)
    var candidates: [Candidate] = []
    peaks?.step(stream) { candidates.append($0) }
    for candidate in candidates { add(candidate) }
    guard terms.content.contains(.frames) else { return }
    var json = JSONWriter()
    terms.write(frame, stream, &json)
    add(json)
  }

  mutating func detection(_ detection: StreamingAttention.Detection) {
    guard peaks == nil else { return }
    found += 1
    picture?.add(detection)
    var json = JSONWriter()
    terms.write(detection, &json)
    add(json)
  }

  mutating func relieve() throws -> Bool { try output.offer(&bytes, of: file) }

  /// Hands on the last lines, when the picture is there: a file that is complete has its own.
  consuming func end(seconds: Double, failure: String?) throws {
    try picture?.draw()
    var candidates: [Candidate] = []
    peaks?.end { candidates.append($0) }
    for candidate in candidates { add(candidate) }
    if terms.content.contains(.ends) {
      var json = JSONWriter()
      terms.writeEnd(
        seconds: seconds, steps: steps, found: found, failure: failure, &json)
      add(json)
    }
    try output.end(file, lines: bytes, failure: failure)
  }

  private mutating func add(_ candidate: Candidate) {
    found += 1
    var json = JSONWriter()
    terms.write(candidate, &json)
    add(json)
  }

  private mutating func add(_ json: JSONWriter) {
    bytes.append(contentsOf: json.bytes)
    bytes.append(UInt8(ascii: "\n"))
  }
}

/// What the results of one file are called: from the pipeline's terms to those of the lines.
struct ResultTerms {
  let content: ResultContent
  private let file: String
  private let settings: String
  private let names: [String]
  private let heads: Int
  private let hasKeywordHeads: Bool
  private let rate: Double
  private let stepSeconds: Float
  /// Finds candidates in a file from its first step on; nil where detections are wanted.
  let candidatePeaks: CandidatePeaks?

  /// - Parameters:
  ///   - file: The file's name.
  ///   - model: What is listened for.
  ///   - content: What is printed.
  ///   - settings: What the line at the end calls the settings.
  init(file: String, model: ModelFile, content: ResultContent, settings: String) {
    self.file = file
    self.content = content
    self.settings = settings
    names = model.keywords.map(\.name)
    heads = model.architecture.headCount
    hasKeywordHeads = model.architecture.heads == .keyword
    rate = Double(model.sampleRate)
    stepSeconds = Float(model.stepSeconds)
    candidatePeaks = content.contains(.candidates) ? CandidatePeaks(model) : nil
  }

  func write(_ detection: StreamingAttention.Detection, _ json: inout JSONWriter) {
    writeWord(
      detection.keyword, score: detection.score, place: detection.start..<detection.end,
      position: detection.position, &json)
  }

  func write(_ candidate: Candidate, _ json: inout JSONWriter) {
    writeWord(
      candidate.keyword, score: candidate.score, place: candidate.place,
      position: candidate.position, &json)
  }

  private func writeWord(
    _ keyword: Int, score: Float, place: Range<Int>, position: Int, _ json: inout JSONWriter
  ) {
    json.object { json in
      json.field("file", file)
      json.field("keyword", names[keyword])
      json.field("score", score)
      json.field("start", Double(place.lowerBound) / rate)
      json.field("end", Double(place.upperBound) / rate)
      json.field("time", Double(position) / rate)
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
      if content.contains(.weights) { writeWeights(stream, &json) }
    }
  }

  func writeEnd(
    seconds: Double, steps: Int, found: Int, failure: String?, _ json: inout JSONWriter
  ) {
    json.object { json in
      json.field("file", file)
      json.field("done", failure == nil)
      if let failure { json.field("error", failure) }
      json.field("duration", seconds)
      json.field("steps", steps)
      json.field(content.contains(.candidates) ? "candidates" : "detections", found)
      json.field("settings", settings)
    }
  }

  private func write(_ focus: StreamingAttention.Focus, _ json: inout JSONWriter) {
    json.field("expected", focus.expected * stepSeconds)
    json.field("spread", focus.spread * stepSeconds)
    json.field("peak", focus.peak * stepSeconds)
  }

  /// By keyword where each has a head, else an array for each head.
  private func writeWeights(_ stream: borrowing AttentionStream, _ json: inout JSONWriter) {
    guard hasKeywordHeads else {
      json.name("weights")
      return json.array { json in
        for head in 0..<heads { writeWeights(of: head, stream, &json) }
      }
    }
    json.field("weights") { json in
      for (head, name) in names.enumerated() {
        json.name(name)
        writeWeights(of: head, stream, &json)
      }
    }
  }

  private func writeWeights(
    of head: Int, _ stream: borrowing AttentionStream, _ json: inout JSONWriter
  ) {
    json.array { json in
      stream.withWeights(head: head) { row in
        for i in row.indices { json.value(row[i]) }
      }
    }
  }
}

extension CandidatePeaks {
  /// Finds the candidates of a model's keywords in a stream.
  init(_ model: ModelFile) {
    self.init(
      keywords: model.keywords.count, sampleRate: model.sampleRate,
      stepSamples: model.stepSamples)
  }
}
