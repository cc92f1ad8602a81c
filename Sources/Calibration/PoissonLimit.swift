import Glibc

/// What a number of events says about how many are to be expected.
package enum PoissonLimit {
  /// The exact upper limit of a Poisson mean: the mean at which so few events, or fewer, would have
  /// a chance of only 1 - `confidence`.
  ///
  /// Half the quantile of chi-squared with 2 n + 2 degrees of freedom (Garwood, "Fiducial limits for
  /// the Poisson distribution", Biometrika 28, 1936).
  ///
  /// - Parameters:
  ///   - count: Events that were seen, 0 or more.
  ///   - confidence: Between 0 and 1.
  /// - Returns: The limit, more than 0.
  package static func upper(_ count: Int, confidence: Double) -> Double {
    precondition(count >= 0 && confidence > 0 && confidence < 1, "A count and a confidence")
    let n = Double(count)
    // The chance of n or fewer falls as the mean grows.
    var low = 0.0
    var high = n + 1
    while chance(ofAtMost: count, mean: high) > 1 - confidence { high *= 2 }
    for _ in 0..<200 where low < high {
      let middle = (low + high) / 2
      if middle == low || middle == high { break }
      if chance(ofAtMost: count, mean: middle) > 1 - confidence {
        low = middle
      } else {
        high = middle
      }
    }
    return high
  }

  /// The most events after which the mean is still known to be within a bound.
  ///
  /// - Parameters:
  ///   - mean: The bound.
  ///   - confidence: Between 0 and 1.
  /// - Returns: The count; nil when even none isn't enough.
  package static func most(within mean: Double, confidence: Double) -> Int? {
    guard upper(0, confidence: confidence) <= mean else { return nil }
    // The limit of n events is above n.
    var low = 0
    var high = Int(min(mean, 1e9)) + 1
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if upper(middle, confidence: confidence) <= mean { low = middle } else { high = middle }
    }
    return low
  }

  /// The sum of exp(-m) m^i / i! for i from 0 to n, from its last term down.
  static func chance(ofAtMost count: Int, mean: Double) -> Double {
    guard mean > 0 else { return 1 }
    let n = Double(count)
    var ratio = 1.0
    var sum = 1.0
    var i = n
    // Beyond the mean terms grow first, downwards.
    while i > 0, ratio > sum * 1e-17 {
      ratio *= i / mean
      sum += ratio
      i -= 1
      // Only where the chance is all but 1.
      if sum > 1e280 { return 1 }
    }
    return min(1, exp(n * log(mean) - mean - logFactorial(n) + log(sum)))
  }

  /// ln n!, by Stirling's series beyond what is summed.
  private static func logFactorial(_ n: Double) -> Double {
    guard n >= 16 else {
      var product = 1.0
      for i in stride(from: 2, through: n, by: 1) { product *= i }
      return log(product)
    }
    let x = n + 1
    let inverse = 1 / (x * x)
    // The terms B_2k / (2k (2k - 1) x^(2k - 1)); the next is below 1e-12 at 17.
    let series = (1.0 / 12 - inverse * (1.0 / 360 - inverse * (1.0 / 1_260 - inverse / 1_680))) / x
    return (x - 0.5) * log(x) - x + 0.5 * log(2 * Double.pi) + series
  }
}

/// The quantile of the standard normal distribution.
///
/// - Parameter chance: Between 0 and 1.
/// - Returns: What a standard normal number is below with that chance.
package func normalQuantile(_ chance: Double) -> Double {
  precondition(chance > 0 && chance < 1, "A chance")
  var low = -40.0
  var high = 40.0
  for _ in 0..<100 {
    let middle = (low + high) / 2
    if 0.5 * erfc(-middle / 2.0.squareRoot()) < chance { low = middle } else { high = middle }
  }
  return (low + high) / 2
}
