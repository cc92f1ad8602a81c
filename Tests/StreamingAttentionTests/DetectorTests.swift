import StreamingAttention
import TestSupport
import Testing

/// Posteriors of one keyword, 160 samples apart at 16 kHz, and the steps that should fire.
struct DetectorCase: Sendable, CustomTestStringConvertible {
  let name: String
  var threshold: Float = 0.5
  var smoothing = 1
  var release: Float = 0.5
  var refractory = 0.0
  let posteriors: [Float]
  let fires: [Int]

  var testDescription: String { name }

  static let all: [DetectorCase] = [
    DetectorCase(name: "nothing at all", posteriors: [], fires: []),
    DetectorCase(name: "below the threshold", posteriors: [0.1, 0.49, 0.3], fires: []),
    DetectorCase(name: "at the threshold exactly", posteriors: [0.1, 0.5, 0.1], fires: [1]),
    DetectorCase(name: "at the first step", posteriors: [0.9, 0.1], fires: [0]),
    DetectorCase(name: "held, it fires once", posteriors: [0.1, 0.9, 0.9, 0.8, 0.9], fires: [1]),
    DetectorCase(
      name: "a dip that isn't deep enough doesn't arm it",
      posteriors: [0.9, 0.3, 0.9, 0.25, 0.9], fires: [0]),
    DetectorCase(
      name: "a dip below release x threshold arms it", posteriors: [0.9, 0.249, 0.9], fires: [0, 2]
    ),
    DetectorCase(
      name: "release 1: any dip below the threshold arms it", release: 1,
      posteriors: [0.9, 0.499, 0.5, 0.5, 0.1, 0.6], fires: [0, 2, 5]),
    DetectorCase(
      name: "smoothing: a spike alone isn't enough", smoothing: 3,
      posteriors: [0, 0, 0, 1, 0, 0, 0], fires: []),
    DetectorCase(
      name: "smoothing: two of three are", smoothing: 3, posteriors: [0, 0, 0, 0.75, 0.75, 0],
      fires: [4]),
    DetectorCase(
      name: "smoothing at the start: the mean of as many as there are", smoothing: 100,
      posteriors: [0.6, 0], fires: [0]),
    DetectorCase(
      name: "smoothing forgets what is older", smoothing: 2,
      posteriors: [1, 1, 0, 0, 0, 1, 1], fires: [0, 5]),
    DetectorCase(
      name: "refractory: 0.05 s are 800 samples, five steps", refractory: 0.05,
      posteriors: [0.9, 0, 0.9, 0, 0.9, 0.9, 0, 0.9], fires: [0, 5]),
    DetectorCase(
      name: "refractory: still high when the time is over, it fires then", refractory: 0.03,
      posteriors: [0.9, 0, 0.9, 0.9, 0.9], fires: [0, 3]),
    DetectorCase(
      name: "refractory: low again before the time is over, it is missed", refractory: 0.04,
      posteriors: [0.9, 0, 0.9, 0, 0, 0], fires: [0]),
    DetectorCase(
      name: "a NaN never fires", posteriors: [.nan, .nan, 0.9, .nan, 0, 0.9], fires: [2, 5]),
    DetectorCase(
      name: "a NaN spoils the mean for as long as it is in it", smoothing: 2,
      posteriors: [.nan, 1, 1, 0, 0, 1], fires: [2, 5]),
    DetectorCase(
      name: "an infinity fires no more than once", posteriors: [.infinity, .infinity], fires: [0]),
    DetectorCase(
      name: "threshold 1 is reached by 1", threshold: 1, posteriors: [0.999, 1], fires: [1]),
    DetectorCase(
      name: "the lowest threshold", threshold: 0.001, release: 0.05,
      posteriors: [0.001, 0, 0.002], fires: [0, 2]),
  ]
}

@Suite("Detector")
struct DetectorTests {
  @Test(
    "A sequence of posteriors fires at the steps that the rules name",
    arguments: DetectorCase.all)
  func table(sequence: DetectorCase) {
    var detector = Detector(
      DetectorSettings(
        thresholds: [sequence.threshold], smoothingSteps: sequence.smoothing,
        release: sequence.release, refractorySeconds: sequence.refractory),
      sampleRate: 16_000)
    // Twice: a detector that was reset is a new one.
    for _ in 0..<2 {
      var fires: [Int] = []
      for (step, posterior) in sequence.posteriors.enumerated() {
        withUnsafePointer(to: posterior) { detector.step($0, position: 400 + step * 160) }
        guard let score = detector.firedScore(0) else { continue }
        fires.append(step)
        let latest = sequence.posteriors[...step].suffix(sequence.smoothing)
        let mean = latest.reduce(0) { $0 + Double($1) } / Double(latest.count)
        #expect(abs(Double(score) - mean) < 1e-6 || score == .infinity, "score at step \(step)")
        #expect(score == detector.smoothed(0))
      }
      #expect(fires == sequence.fires)
      detector.reset()
      #expect(detector.firedScore(0) == nil && detector.smoothed(0) == 0)
    }
  }

  @Test("Keywords fire by themselves, several at one step, each by its own threshold")
  func severalKeywords() {
    var detector = Detector(
      DetectorSettings(
        thresholds: [0.5, 0.9, 0.2], smoothingSteps: 1, release: 0.5, refractorySeconds: 0),
      sampleRate: 16_000)
    let table: [([Float], [Int])] = [
      ([0.6, 0.6, 0.1], [0]), ([0.1, 0.95, 0.3], [1, 2]), ([0.5, 0.1, 0.05], [0]),
      ([0.7, 0.9, 0.2], [1, 2]), ([0.7, .nan, 0.9], []),
    ]
    for (step, (posteriors, expected)) in table.enumerated() {
      posteriors.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        detector.step(base, position: step * 160)
      }
      #expect((0..<3).filter { detector.firedScore($0) != nil } == expected, "step \(step)")
    }
  }

  @Test("The refractory time counts samples of the stream, whatever lies between two steps")
  func refractoryInSamples() {
    var detector = Detector(
      DetectorSettings(thresholds: [0.5], smoothingSteps: 1, release: 0.5, refractorySeconds: 1),
      sampleRate: 8_000)
    let table: [(Float, Int, Bool)] = [
      (1, 100, true), (0, 200, false), (1, 8_099, false), (0, 8_099, false), (1, 8_100, true),
      (0, 20_000, false), (1, 1_000_000_000_000, true),
    ]
    for (posterior, position, fires) in table {
      withUnsafePointer(to: posterior) { detector.step($0, position: position) }
      #expect((detector.firedScore(0) != nil) == fires, "at sample \(position)")
    }
  }

  @Test("The smoothed posterior is the mean of the last ones, at every size", .seed(141))
  func smoothing() {
    var random = SplitMix64()
    for steps in [1, 2, 7, 8, 9, 16, 17, 253, 1_000] {
      let keywords = 3
      var detector = Detector(
        DetectorSettings(
          thresholds: [1, 1, 1], smoothingSteps: steps, release: 0.5, refractorySeconds: 0),
        sampleRate: 16_000)
      var history: [[Float]] = []
      for step in 0..<2 * steps + 3 {
        let posteriors = (0..<keywords).map { _ in abs(random.signedUnit()) }
        history.append(posteriors)
        posteriors.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          detector.step(base, position: step)
        }
        for keyword in 0..<keywords {
          let latest = history.suffix(steps).map { Double($0[keyword]) }
          let mean = latest.reduce(0, +) / Double(latest.count)
          #expect(
            abs(Double(detector.smoothed(keyword)) - mean) < 2e-6,
            "keyword \(keyword), step \(step), over \(steps)")
        }
      }
    }
  }

  @Test("Settings that can't be are refused by name, with what can")
  func refused() {
    let good = DetectorSettings(
      thresholds: [0.001, 1], smoothingSteps: 1, release: 0.05, refractorySeconds: 0)
    #expect(throws: Never.self) { try good.validate() }
    var largest = good
    (largest.smoothingSteps, largest.release, largest.refractorySeconds) = (1_000, 1, 3_600)
    #expect(throws: Never.self) { try largest.validate() }

    typealias Change = (inout DetectorSettings) -> Void
    let table: [(String, Change)] = [
      ("threshold is 0.0, expected 0.001 to 1", { $0.thresholds[1] = 0 }),
      ("threshold is -0.5, expected 0.001 to 1", { $0.thresholds[0] = -0.5 }),
      ("threshold is 1.5, expected 0.001 to 1", { $0.thresholds[1] = 1.5 }),
      ("threshold is nan, expected 0.001 to 1", { $0.thresholds[0] = .nan }),
      ("smoothing_steps is 0, expected 1 to 1000", { $0.smoothingSteps = 0 }),
      ("smoothing_steps is 1001, expected 1 to 1000", { $0.smoothingSteps = 1_001 }),
      ("release is 0.0, expected 0.05 to 1", { $0.release = 0 }),
      ("release is 1.25, expected 0.05 to 1", { $0.release = 1.25 }),
      ("release is nan, expected 0.05 to 1", { $0.release = .nan }),
      ("refractory_seconds is -1.0, expected 0 to 3600", { $0.refractorySeconds = -1 }),
      ("refractory_seconds is 3601.0, expected 0 to 3600", { $0.refractorySeconds = 3_601 }),
      ("refractory_seconds is nan, expected 0 to 3600", { $0.refractorySeconds = .nan }),
      ("refractory_seconds is inf, expected 0 to 3600", { $0.refractorySeconds = .infinity }),
    ]
    for (sentence, change) in table {
      var settings = good
      change(&settings)
      let bad = settings
      let error = #expect(throws: DetectorSettingsError.self) { try bad.validate() }
      #expect(error?.description == "detector: \(sentence)")
    }
  }
}
