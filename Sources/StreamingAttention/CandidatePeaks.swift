/// A local peak of a keyword's smoothed posterior, whatever the threshold; positions are samples
/// from the start of the stream.
package struct Candidate: Sendable, Equatable {
  /// Index of the keyword.
  package let keyword: Int
  /// Smoothed posterior at the peak.
  package let score: Float
  /// Samples that had been seen at the peak.
  package let position: Int
  /// Where the word lies, from its attention at the peak, as a detection's start and end.
  package let place: Range<Int>

  package init(keyword: Int, score: Float, position: Int, place: Range<Int>) {
    self.keyword = keyword
    self.score = score
    self.position = position
    self.place = place
  }
}

/// Smoothed posteriors -> their local peaks, for whoever chooses a threshold.
///
/// In: at each step the smoothed posterior of every keyword, the detector's own. Out: candidates. A
/// step is one when its score is above `floor`, no score of the keyword within `reach` before it is
/// as high, and none within `reach` after it is higher: of equal ones the earliest. No threshold,
/// hysteresis or refractory time has a say, so that error rates at any threshold can be counted.
/// Whether a step is a peak is known `reach` later, or at the stream's end. A NaN is no score.
/// Allocates only in `init`; used by one thread at a time.
package struct CandidatePeaks {
  /// What a candidate's score is above: below it a recording would be nothing but candidates.
  package static let floor: Float = 0.05
  /// Seconds on either side within which nothing is higher: about the length of a keyword.
  package static let reachSeconds = 0.75

  private struct Score {
    var value: Float
    var position: Int
  }

  /// A keyword's scores that could still be the highest of a reach: each higher than those behind.
  private struct Recent {
    /// A ring; a step lies `first + i` places from its beginning.
    private var scores: [Score]
    private var first = 0
    private var count = 0

    init(capacity: Int) {
      scores = Array(repeating: Score(value: 0, position: 0), count: capacity)
    }

    /// The highest.
    var highest: Float? { count > 0 ? scores[first].value : nil }

    /// Forgets what is older than a position.
    mutating func drop(before position: Int) {
      while count > 0, scores[first].position < position {
        first = (first + 1) % scores.count
        count -= 1
      }
    }

    mutating func append(_ score: Score) {
      while count > 0, scores[(first + count - 1) % scores.count].value <= score.value {
        count -= 1
      }
      precondition(count < scores.count, "Steps are as far apart as was said")
      scores[(first + count) % scores.count] = score
      count += 1
    }
  }

  private let reach: Int
  private var recent: [Recent]
  /// For each keyword the step that is a peak unless a higher one follows within reach.
  private var pending: [Candidate?]

  /// - Parameters:
  ///   - keywords: How many there are.
  ///   - sampleRate: Samples a second.
  ///   - stepSamples: Samples between two steps, at least.
  package init(keywords: Int, sampleRate: Int, stepSamples: Int) {
    precondition(sampleRate > 0 && stepSamples > 0, "A stream has a sample rate and steps")
    reach = Int((Self.reachSeconds * Double(sampleRate)).rounded())
    // The steps from one reach ago up to the newest.
    recent = Array(repeating: Recent(capacity: reach / stepSamples + 1), count: keywords)
    pending = Array(repeating: nil, count: keywords)
  }

  /// Takes in a step, and gives out the candidates that are certain by it.
  ///
  /// - Parameters:
  ///   - position: Samples of the stream that the step has seen, more than the one before.
  ///   - score: The smoothed posterior of a keyword.
  ///   - place: Where the word lies by the attention at this step; asked for while a peak may be here.
  ///   - found: Called with each candidate, in the order of time, then of keywords.
  package mutating func step(
    position: Int, score: (Int) -> Float, place: (Int) -> Range<Int>,
    _ found: (Candidate) -> Void
  ) {
    give(before: position - reach, found)
    for keyword in recent.indices {
      let value = score(keyword)
      recent[keyword].drop(before: position - reach)
      if value.isNaN { continue }
      if value > Self.floor, value > recent[keyword].highest ?? -.infinity {
        // What was pending lies within reach, and is lower.
        pending[keyword] = Candidate(
          keyword: keyword, score: value, position: position, place: place(keyword))
      }
      recent[keyword].append(Score(value: value, position: position))
    }
  }

  /// Gives out the candidates that nothing can follow any more; the stream has ended.
  ///
  /// - Parameter found: Called with each.
  package mutating func end(_ found: (Candidate) -> Void) { give(before: .max, found) }

  /// Gives out what is pending from before a position, the earliest first.
  private mutating func give(before position: Int, _ found: (Candidate) -> Void) {
    while true {
      var earliest: Candidate?
      for case let candidate? in pending where candidate.position < position {
        if candidate.position < earliest?.position ?? .max { earliest = candidate }
      }
      guard let earliest else { return }
      pending[earliest.keyword] = nil
      found(earliest)
    }
  }
}

extension CandidatePeaks {
  /// Takes in the newest step of a stream.
  ///
  /// - Parameters:
  ///   - stream: Has just taken a step.
  ///   - found: Called with each candidate that is certain by it.
  package mutating func step(_ stream: borrowing AttentionStream, _ found: (Candidate) -> Void) {
    step(
      position: stream.position, score: { stream.smoothedPosterior($0) },
      place: { stream.place(of: $0) }, found)
  }
}
