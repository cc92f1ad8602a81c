import StreamingAttention
import TestSupport
import Testing

/// Scores of some keywords at positions of a stream.
private struct Scores {
  /// Samples between two steps, at least.
  let stepSamples: Int
  /// [steps].
  let positions: [Int]
  /// [keywords][steps].
  let scores: [[Float]]

  static let rate = 1_000
  /// 0.75 s at that rate.
  static let reach = 750

  /// What the streaming struct finds, and after how many steps each was given out.
  func streamed() -> (found: [Candidate], steps: [Int]) {
    var peaks = CandidatePeaks(
      keywords: scores.count, sampleRate: Self.rate, stepSamples: stepSamples)
    var found: [Candidate] = []
    var steps: [Int] = []
    for (step, position) in positions.enumerated() {
      peaks.step(position: position, score: { scores[$0][step] }, place: { place(step, $0) }) {
        found.append($0)
        steps.append(step)
      }
    }
    peaks.end {
      found.append($0)
      steps.append(positions.count)
    }
    return (found, steps)
  }

  /// The definition, every step held against every other.
  func naive() -> [Candidate] {
    var found: [Candidate] = []
    for (step, position) in positions.enumerated() {
      for (keyword, scores) in scores.enumerated() {
        let isPeak = scores.indices.allSatisfy { other in
          guard other != step, abs(positions[other] - position) <= Self.reach else { return true }
          return other < step ? scores[other] < scores[step] : scores[other] <= scores[step]
        }
        guard isPeak, scores[step] > 0.05 else { continue }
        found.append(
          Candidate(
            keyword: keyword, score: scores[step], position: position, place: place(step, keyword)))
      }
    }
    return found
  }

  /// Some place that no other step or keyword has.
  private func place(_ step: Int, _ keyword: Int) -> Range<Int> {
    let start = step * scores.count + keyword
    return start..<start + 7
  }
}

@Suite("Candidates")
struct CandidatePeaksTests {
  /// Sequences of many shapes: smooth, rough, few levels (ties and plateaus), quiet, with gaps.
  private func random(_ number: Int, using random: inout SplitMix64) -> Scores {
    let stepSamples = [1, 30, 250, 749, 750, 751, 2_000][number % 7]
    let count = Int.random(in: 0...(stepSamples < 30 ? 1_800 : 140), using: &random)
    let keywords = Int.random(in: 1...3, using: &random)
    let hasGaps = number % 3 == 0
    var position = 0
    let positions = (0..<count).map { _ in
      position += stepSamples
      if hasGaps, Int.random(in: 0..<8, using: &random) == 0 {
        position += Int.random(in: 1...1_600, using: &random)
      }
      return position
    }
    let levels = [0, 2, 3, 6][number % 4]
    let stay = [0, 0.5, 0.95][number % 3]
    let scores = (0..<keywords).map { _ in
      var value: Float = 0
      return (0..<count).map { _ in
        if Double.random(in: 0..<1, using: &random) >= stay {
          value =
            levels == 0
            ? Float.random(in: 0...1, using: &random)
            : Float(Int.random(in: 0...levels, using: &random)) / Float(levels)
        }
        return value
      }
    }
    return Scores(stepSamples: stepSamples, positions: positions, scores: scores)
  }

  @Test("They are what the definition says, step against step, on sequences of a seed", .seed(750))
  func oracle() {
    var random = SplitMix64()
    var candidates = 0
    for number in 0..<420 {
      let scores = self.random(number, using: &random)
      let (found, steps) = scores.streamed()
      #expect(found == scores.naive(), "sequence \(number)")
      candidates += found.count
      // Each at the first step by which it is certain, or at the end.
      for (candidate, step) in zip(found, steps) {
        let certain = scores.positions.firstIndex { $0 - candidate.position > Scores.reach }
        #expect(step == certain ?? scores.positions.count, "sequence \(number): \(candidate)")
      }
    }
    #expect(candidates > 5_000)
  }

  @Test(
    "Plateaus, ties, edges and silence",
    arguments: [
      ("nothing at all", [], []),
      ("one step is a stream", [0.4], [0]),
      ("at 0.05 it is none", [0.05, 0.0500001, 0.05], [1]),
      ("a plateau is one, at its beginning", [0.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.1], [1]),
      ("a plateau before a higher step is none", [0.6, 0.6, 0.6, 0.7, 0.6], [3]),
      ("a higher step beyond reach leaves it one", [0.6, 0.6, 0.6, 0.6, 0.6, 0.7], [0, 5]),
      ("of two equal ones within reach the earlier", [0.5, 0, 0, 0.5, 0], [0]),
      ("of two equal ones beyond it both", [0.5, 0, 0, 0, 0.5, 0], [0, 4]),
      ("equal ones chain: the third is within reach of the second", [0.5, 0, 0.5, 0, 0.5], [0]),
      ("a lower one within reach of a higher is none", [0.9, 0, 0, 0.8], [0]),
      ("a lower one beyond it is one", [0.9, 0, 0, 0, 0.8], [0, 4]),
      ("a rise that ends with the stream", [0.1, 0.2, 0.3], [2]),
      ("NaN is no score, and hides none", [.nan, 0.4, .nan, .nan, .nan, 0.3, .nan], [1, 5]),
      ("a linear output may be anything", [-3, -1, 12, .infinity, 4], [3]),
    ] as [(String, [Float], [Int])])
  func table(name: String, scores: [Float], expected: [Int]) {
    // Three steps are within reach, the fourth is not.
    let sequence = Scores(
      stepSamples: 250, positions: scores.indices.map { ($0 + 1) * 250 }, scores: [scores])
    #expect(sequence.streamed().found.map { $0.position / 250 - 1 } == expected)
  }
}
