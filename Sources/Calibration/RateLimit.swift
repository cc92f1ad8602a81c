import Glibc

/// How often excesses beyond a level are to be expected, with a stated confidence.
///
/// Exceedances are a Poisson process, excesses follow a generalised Pareto distribution:
///
///     rate(x) = lambda P(Y > x)
///
/// The upper limit of rate(x) is where the profile likelihood, the highest over all parameters with that
/// rate at x, has fallen by half the square of the normal quantile (Coles, "An Introduction to
/// Statistical Modeling of Extreme Values", 2001, sections 2.6.6 and 4.3.3). So the uncertainty of the
/// count, the scale and the shape are all in it. Shapes below 0 are left out here: that a tail ends is
/// nothing that some dozens of peaks can show, and with them limits of 90 % from twenty exponential
/// excesses covered the truth in three of four simulations (`RateLimitTests` has the coverage as it
/// is).
package struct RateLimit {
  private let likelihood: TailLikelihood
  private let hours: Double
  /// The normal quantile of the confidence.
  private let deviate: Double
  /// The most likely parameters with a shape from 0 to 1.
  private let best: (tail: ParetoTail, theta: Double, logarithm: Double)
  /// Thetas from 0 up, with the sums that every profile needs.
  private let grid: [TailLikelihood.Sums]

  private static let shapes = 0...ParetoTail.shapes.upperBound

  /// Fails where there is nothing to fit.
  ///
  /// - Parameters:
  ///   - excesses: All that were seen, from 0.
  ///   - hours: In so many hours.
  ///   - confidence: 0.5 or more, less than 1.
  package init?(_ excesses: [Double], hours: Double, confidence: Double) {
    precondition(hours > 0 && confidence >= 0.5 && confidence < 1, "Hours and a confidence")
    guard let likelihood = TailLikelihood(excesses) else { return nil }
    self.likelihood = likelihood
    self.hours = hours
    deviate = normalQuantile(confidence)
    best = likelihood.highest(within: Self.shapes)
    // Of all shapes up to 1, also where tau is more than the most likely one.
    let largest = 4 * likelihood.theta(ofShape: Self.shapes.upperBound)
    let points = 30
    let ratio = pow(1e4, 1 / Double(points - 1))
    grid =
      [likelihood.sums(0)]
      + (0..<points).map { likelihood.sums(largest * 1e-4 * pow(ratio, Double($0))) }
  }

  /// The upper limit of how many an hour exceed a level.
  ///
  /// - Parameter excess: From 0.
  /// - Returns: Excesses beyond it an hour.
  package func upper(beyond excess: Double) -> Double {
    // In logarithms of the expected number: from next to none to more than any limit of the count.
    var low = -700.0
    var high = log(2 * PoissonLimit.upper(Int(likelihood.count), confidence: 0.9999))
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if root(excess, exp(middle)) < deviate { low = middle } else { high = middle }
    }
    return exp(high) / hours
  }

  /// The lowest level that no more than a rate exceed, with the confidence.
  ///
  /// - Parameters:
  ///   - rate: So many an hour at most.
  ///   - highest: How high to look.
  /// - Returns: The level, from 0; nil when even the highest isn't enough.
  package func level(exceededAtMost rate: Double, upTo highest: Double) -> Double? {
    let number = rate * hours
    guard highest >= 0, root(highest, number) >= deviate else { return nil }
    var low = 0.0
    var high = highest
    guard root(low, number) < deviate else { return 0 }
    for _ in 0..<50 {
      let middle = (low + high) / 2
      if root(middle, number) < deviate { low = middle } else { high = middle }
    }
    return high
  }

  /// The signed root of twice what the likelihood loses when `number` are expected beyond x in all.
  private func root(_ x: Double, _ number: Double) -> Double {
    let n = likelihood.count
    let expected = n * exp(-stretch(x, best.theta) / best.tail.scale)
    let top = best.logarithm + n * log(n) - n
    let loss = max(0, 2 * (top - profile(x, number)))
    return expected < number ? loss.squareRoot() : -loss.squareRoot()
  }

  /// The highest likelihood of all parameters by which `number` are expected beyond x.
  private func profile(_ x: Double, _ number: Double) -> Double {
    var place = 0
    var highest = -Double.infinity
    for (i, sums) in grid.enumerated() {
      let value = logarithm(sums, x, number)
      if value > highest { (place, highest) = (i, value) }
    }
    let range = grid[max(0, place - 1)].theta...grid[min(grid.count - 1, place + 1)].theta
    let theta = goldenSection(range, steps: 24) { logarithm(likelihood.sums($0), x, number) }
    return max(highest, logarithm(likelihood.sums(theta), x, number))
  }

  /// The highest likelihood over tau, theta being what it is.
  ///
  /// Of lambda, the number expected in all, it is n ln lambda - lambda, with ln lambda = ln number +
  /// tau g(x); together with the excesses' own it is concave in tau.
  private func logarithm(_ sums: TailLikelihood.Sums, _ x: Double, _ number: Double) -> Double {
    let n = likelihood.count
    let g = stretch(x, sums.theta)
    func slope(_ tau: Double) -> Double {
      n * g - number * g * exp(min(g * tau, 700)) + n / tau - sums.stretches
    }
    // The shape, theta / tau, is 1 at most.
    var tau = max(sums.theta / Self.shapes.upperBound, 1e-9 * n / sums.stretches)
    if slope(tau) > 0 {
      var low = tau
      var high = 2 * max(low, n / sums.stretches)
      while slope(high) > 0 { (low, high) = (high, 2 * high) }
      while high - low > 1e-10 * high {
        let middle = (low + high) / 2
        if slope(middle) > 0 { low = middle } else { high = middle }
      }
      tau = (low + high) / 2
    }
    return n * (log(number) + g * tau) - number * exp(min(g * tau, 700))
      + likelihood.logarithm(sums, tau: tau)
  }
}
