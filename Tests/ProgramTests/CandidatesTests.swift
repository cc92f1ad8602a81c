import AudioInput
import FeatureExtraction
import FoundationEssentials
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

/// Keeps every step's smoothed posteriors, and what the streaming struct makes of them.
private struct PeakCollector: FileObserver {
  struct Step: Equatable {
    let position: Int
    let scores: [Float]
    let places: [Range<Int>]
  }

  let keywords: Int
  private(set) var steps: [Step] = []
  private(set) var candidates: [Candidate] = []
  private var peaks: CandidatePeaks

  init(_ model: ModelFile) {
    keywords = model.keywords.count
    peaks = CandidatePeaks(
      keywords: keywords, sampleRate: model.sampleRate, stepSamples: model.stepSamples)
  }

  var gathered: Int { 0 }

  mutating func row(_ row: Swift.Span<Float>, _ origin: SoundRows.Origin) {}

  mutating func step(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    var scores: [Float] = []
    var places: [Range<Int>] = []
    for keyword in 0..<keywords {
      scores.append(stream.smoothedPosterior(keyword))
      places.append(stream.place(of: keyword))
    }
    steps.append(Step(position: frame.position, scores: scores, places: places))
    var found: [Candidate] = []
    peaks.step(stream) { found.append($0) }
    candidates += found
  }

  mutating func detection(_ detection: Detection) {}

  mutating func relieve() -> Bool { true }

  mutating func end() {
    var found: [Candidate] = []
    peaks.end { found.append($0) }
    candidates += found
  }

  /// Hears a file.
  static func hear(
    _ path: String, _ model: ModelFile, rowsAtOnce: Int? = nil, cuts: [Int] = []
  ) throws -> PeakCollector {
    let group = try FileGroup<PeakCollector>(
      model, threshold: nil, capacity: 1,
      makeSource: {
        try SoundFileRows(model, channels: .mix, rowsAtOnce: rowsAtOnce, cuts: cuts)
      })
    try group.join(path, PeakCollector(model))
    var ended: PeakCollector?
    while group.count > 0 {
      _ = try group.advance { collector, _, _ in ended = collector }
    }
    var collector = try #require(ended)
    collector.end()
    return collector
  }

  /// The definition, every step held against every other.
  func naive(reach: Int) -> [Candidate] {
    var found: [Candidate] = []
    for (number, step) in steps.enumerated() {
      for keyword in 0..<keywords where step.scores[keyword] > 0.05 {
        let score = step.scores[keyword]
        let isPeak = steps.enumerated().allSatisfy { other, otherStep in
          if other == number || abs(otherStep.position - step.position) > reach { return true }
          let otherScore = otherStep.scores[keyword]
          return other < number ? otherScore < score : otherScore <= score
        }
        guard isPeak else { continue }
        found.append(
          Candidate(
            keyword: keyword, score: score, position: step.position, place: step.places[keyword]))
      }
    }
    return found
  }
}

@Suite("attnd batch --candidates")
struct CandidatesTests {
  /// A model of random weights, whose posteriors go up and down, and a clip that it hears.
  private func small(
    _ folder: TemporaryFolder, samples: Int = 320_000
  ) throws -> (model: ModelFile, path: String, clip: String) {
    let path = try folder.file("model.safetensors", SmallModel.bytes(seed: 5))
    var random = SplitMix64(seed: 6)
    let clip = try folder.file("clip.wav", waveFile(noise(samples, using: &random)))
    return (try ModelFile(path: path), path, clip)
  }

  @Test("The program prints what the definition says of a clip's steps, in order, with any -j")
  func program() async throws {
    let folder = try TemporaryFolder()
    let (model, path, clip) = try small(folder)
    let expected = try PeakCollector.hear(clip, model).naive(reach: model.sampleRate * 3 / 4)
    #expect(expected.count > 6 && Set(expected.map(\.keyword)).count == 2)
    let outcome = try await ChildProcess(
      attnd, ["batch", "--candidates", "--model", path, "-j", "1", clip, clip]
    ).wait()
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let rate = Double(model.sampleRate)
    let found = try lines(outcome)
    #expect(found.count == 2 * expected.count)
    for (line, candidate) in zip(found, expected + expected) {
      #expect(line.file == clip)
      #expect(line.keyword == model.keywords[candidate.keyword].name)
      #expect(line.score.map(Float.init) == candidate.score)
      #expect(line.time == Double(candidate.position) / rate)
      #expect(line.start == Double(candidate.place.lowerBound) / rate)
      #expect(line.end == Double(candidate.place.upperBound) / rate)
    }
    let together = try await ChildProcess(
      attnd, ["batch", "--candidates", "--model", path, "-j", "2", clip, clip]
    ).wait()
    #expect(together.output == outcome.output)
  }

  @Test("However the sound is cut, the candidates are the same", arguments: [1, 7, 159, 4_096])
  func cuts(size: Int) throws {
    let folder = try TemporaryFolder()
    let (model, _, clip) = try small(folder, samples: 160_000)
    let whole = try PeakCollector.hear(clip, model, rowsAtOnce: 1 << 16)
    #expect(whole.candidates.count > 2)
    #expect(whole.candidates == whole.naive(reach: model.sampleRate * 3 / 4))
    #expect(try PeakCollector.hear(clip, model, cuts: [size]).candidates == whole.candidates)
    #expect(
      try PeakCollector.hear(clip, model, rowsAtOnce: 1, cuts: [size, 31]).candidates
        == whole.candidates)
  }

  @Test("A keyword's highest candidate is above its threshold where the keyword is detected")
  func detections() async throws {
    let clip = fixture("keywords.flac")
    let model = try ModelFile.embedded()
    let found = try lines(await ChildProcess(attnd, ["batch", "--candidates", clip]).wait())
    let detected = try lines(await ChildProcess(attnd, ["batch", clip]).wait())
    #expect(detected.count >= 4)
    for keyword in model.keywords {
      let highest = found.filter { $0.keyword == keyword.name }.max {
        ($0.score ?? 0) < ($1.score ?? 0)
      }
      let detections = detected.filter { $0.keyword == keyword.name }
      guard let highest, Float(highest.score ?? 0) >= keyword.threshold else {
        #expect(detections.isEmpty, "\(keyword.name)")
        continue
      }
      // The threshold is reached on the way to the peak.
      let first = try #require(detections.first, "\(keyword.name)")
      #expect(first.score ?? 1 <= highest.score ?? 0, "\(keyword.name)")
      #expect(detections.contains { abs($0.time - highest.time) < 0.75 }, "\(keyword.name)")
      // With the peak for a threshold the detection is the candidate.
      let score = try #require(highest.score)
      let exact = try await ChildProcess(
        attnd, ["batch", "--threshold", "\(Float(score))", clip]
      ).wait()
      #expect(try lines(exact).first { $0.keyword == keyword.name } == highest)
    }
  }

  @Test("--resume ends a recording with its number of candidates, whatever threshold is set")
  func resumed() async throws {
    let folder = try TemporaryFolder()
    let (_, path, clip) = try small(folder)
    let results = folder("results.jsonl")
    let arguments = ["batch", "--candidates", "--model", path, "--resume", results, clip]
    let plain = try await ChildProcess(
      attnd, ["batch", "--candidates", "--model", path, clip]
    ).wait()
    #expect(try await ChildProcess(attnd, arguments).wait().status == 0)
    let whole = String(decoding: try fileBytes(results), as: UTF8.self)
    let ends = whole.split(separator: "\n").filter { $0.contains("\"done\":true") }
    #expect(ends.count == 1)
    #expect(ends.first?.contains("\"candidates\":\(plain.lines.count),") == true, "\(ends)")
    #expect(whole.hasPrefix(plain.output))
    let again = try await ChildProcess(
      attnd, arguments, environment: ["ATTND_THRESHOLD": "0.9"]
    ).wait()
    #expect(again.status == 0, "\(again.errors)")
    #expect(String(decoding: try fileBytes(results), as: UTF8.self) == whole)
    // Detections are other results.
    let other = try await ChildProcess(
      attnd, ["batch", "--model", path, "--resume", results, clip]
    ).wait()
    #expect(other.status == 73)
  }

  @Test(
    "What makes no sense with it is refused in a line with 64",
    arguments: [
      ["--threshold", "0.5"], ["--frames"], ["--frames", "--weights"], ["--plot", "p.png"],
    ])
  func refused(options: [String]) async throws {
    let outcome = try await ChildProcess(
      attnd, ["batch", "--candidates"] + options + [fixture("noise.flac")]
    ).wait()
    #expect(outcome.status == 64)
    #expect(outcome.output.isEmpty)
    #expect(
      outcome.errorLines.first?.hasPrefix(
        "Error: \(options[0]) doesn't go with --candidates: ") == true, "\(outcome.errors)")
  }
}
