import Glibc

/// A keyword's threshold, chosen from the peaks of its posterior in sound that doesn't hold it.
///
/// In: the scores of all peaks above a floor, the hours they were found in, and how many false alarms an
/// hour are allowed. Out: the lowest threshold whose upper limit of false alarms is within that. Peaks
/// are fitted in log-odds, ln(s / (1 - s)), where a posterior's tail has room; see `RateLimit`. Below
/// the fit, and where there are too few peaks for one, they are counted (`PoissonLimit`).
package struct ThresholdChoice: Sendable {
  /// What the threshold was chosen by.
  package enum Basis: String, Sendable {
    /// A fit to the highest peaks.
    case fit
    /// The number of peaks above it.
    case count
    /// Nothing: no peak, and too few hours. The threshold stays as it is.
    case none
  }

  /// What the peaks are to be held against.
  package struct Terms: Sendable {
    /// Hours of sound.
    package var hours: Double
    /// False alarms an hour that the keyword may have.
    package var budget: Double
    /// The limit's confidence, 0.5 or more, less than 1.
    package var confidence: Double
    /// The score that all peaks are above.
    package var floor: Float

    /// Gathers the four.
    package init(hours: Double, budget: Double, confidence: Double, floor: Float) {
      self.hours = hours
      self.budget = budget
      self.confidence = confidence
      self.floor = floor
    }

    /// Hours without an event that show the budget to be kept.
    package var hoursNeeded: Double { PoissonLimit.upper(0, confidence: confidence) / budget }
  }

  /// A fit to the highest peaks.
  package struct Fit: Sendable {
    /// The score that they exceed.
    package let above: Float
    /// How many they are.
    package let peaks: Int
    /// Their excesses, in log-odds.
    package let tail: ParetoTail
    /// Top peaks that lie outside of it: how many, and the chance of it.
    package let outstanding: (count: Int, chance: Double)?
  }

  /// Highest threshold: beyond it single precision and a model's saturation decide.
  package static let highest: Float = 0.999
  /// Fewest peaks that are fitted.
  package static let fewestPeaks = 10
  /// Of more peaks than these their highest tenth is fitted, and these at least.
  package static let fewestOfMany = 20
  /// A chance below which peaks are said to lie outside of the fit.
  package static let oddChance = 0.001

  /// The threshold.
  package let threshold: Float
  /// What it was chosen by.
  package let basis: Basis
  /// Peaks above the floor.
  package let peaks: Int
  /// The fit, where there are peaks enough.
  package let fit: Fit?
  /// False alarms an hour that are to be expected at the threshold.
  package let expected: Double
  /// Their upper limit, with the confidence.
  package let limit: Double
  /// Whether a higher threshold would be needed than there is.
  package let isClamped: Bool
  /// Whether the hours are too few for the budget to be shown without a fit.
  package let isShort: Bool

  /// Chooses a threshold.
  ///
  /// - Parameters:
  ///   - scores: Of all peaks, in any order; none is NaN.
  ///   - terms: What they are held against.
  ///   - present: The threshold until now.
  package init(_ scores: [Float], _ terms: Terms, present: Float) {
    let scores = scores.sorted(by: >)
    let peaks = scores.count
    let allowed = PoissonLimit.most(
      within: terms.budget * terms.hours, confidence: terms.confidence)
    self.peaks = peaks
    isShort = allowed == nil
    let fitted = Fitted(scores, terms)
    fit = fitted?.fit
    var wanted: Float
    if let allowed, allowed >= fitted?.fit.peaks ?? 0 {
      basis = .count
      wanted = allowed < peaks ? Self.above(scores[allowed]) : terms.floor
    } else if let fitted {
      basis = .fit
      wanted = fitted.threshold
      // Nothing shows it but the fit: what was seen is to be kept out at least.
      if allowed == nil { wanted = max(wanted, Self.above(scores[0])) }
    } else if let top = scores.first {
      basis = .count
      wanted = Self.above(top)
    } else {
      basis = .none
      wanted = present
    }
    isClamped = basis != .none && wanted > Self.highest
    let threshold = isClamped ? Self.highest : wanted
    self.threshold = threshold
    let level = logOdds(threshold)
    if basis == .fit, let fitted, level >= fitted.level {
      expected =
        Double(fitted.fit.peaks) / terms.hours * fitted.fit.tail.survivor(level - fitted.level)
      limit = fitted.limit.upper(beyond: level - fitted.level)
    } else {
      let above = scores.count { $0 >= threshold }
      expected = Double(above) / terms.hours
      limit = PoissonLimit.upper(above, confidence: terms.confidence) / terms.hours
    }
  }

  /// The lowest score of four decimals above another.
  private static func above(_ score: Float) -> Float {
    var digits = (Double(score) * 1e4).rounded(.up)
    while Float(digits / 1e4) <= score { digits += 1 }
    return Float(digits / 1e4)
  }

  /// The fit, and what is asked of it.
  private struct Fitted {
    let fit: Fit
    /// In log-odds, what the excesses exceed.
    let level: Double
    let limit: RateLimit
    /// Where the limit is within the budget, four decimals; 1 where it is nowhere.
    let threshold: Float

    init?(_ scores: [Float], _ terms: Terms) {
      let peaks = scores.count
      guard peaks >= ThresholdChoice.fewestPeaks else { return nil }
      let count =
        peaks <= ThresholdChoice.fewestOfMany
        ? peaks : max(ThresholdChoice.fewestOfMany, peaks / 10)
      let above = count < peaks ? scores[count] : terms.floor
      level = logOdds(above)
      let excesses = scores[..<count].map { [level] in logOdds($0) - level }
      guard let tail = ParetoTail.fit(excesses),
        let limit = RateLimit(excesses, hours: terms.hours, confidence: terms.confidence)
      else { return nil }
      self.limit = limit
      fit = Fit(
        above: above, peaks: count, tail: tail,
        outstanding: ParetoTail.outstanding(excesses, below: ThresholdChoice.oddChance))
      let room = logOdds(ThresholdChoice.highest) - level
      guard let excess = limit.level(exceededAtMost: terms.budget, upTo: room) else {
        threshold = 1
        return
      }
      let score = 1 / (1 + exp(-(level + excess)))
      threshold = Float((score * 1e4).rounded(.up) / 1e4)
    }
  }
}

/// ln(s / (1 - s)); a score that single precision has rounded to 1 counts as the one below.
func logOdds(_ score: Float) -> Double {
  let score = min(Double(score), 1 - 0x1p-24)
  return log(score / (1 - score))
}
