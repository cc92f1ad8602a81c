import Glibc

/// A generalised Pareto distribution: what excesses over a high threshold come to follow, whatever the
/// scores themselves do (Pickands, "Statistical inference using extreme order statistics", 1975).
///
///     P(Y > y) = (1 + xi y / sigma)^(-1 / xi),  exp(-y / sigma) for xi = 0
package struct ParetoTail: Sendable, Equatable {
  /// xi: 0 for exponential tails, more for heavier ones, less for tails that end.
  package let shape: Double
  /// sigma, in the unit of the excesses.
  package let scale: Double

  /// Gathers the two.
  package init(shape: Double, scale: Double) {
    self.shape = shape
    self.scale = scale
  }

  /// Shapes that are looked at: below -1/2 maximum likelihood is no longer regular (Smith, "Maximum
  /// likelihood estimation in a class of nonregular cases", 1985), above 1 there is no mean.
  package static let shapes = -0.5...1.0

  /// Fits the distribution to excesses by maximum likelihood.
  ///
  /// Among estimates by moments, weighted moments and likelihood (Hosking and Wallis, "Parameter and
  /// quantile estimation for the generalized Pareto distribution", Technometrics 29, 1987) the one
  /// that a likelihood's limits go with.
  ///
  /// - Parameter excesses: Numbers from 0.
  /// - Returns: The fit; nil where the excesses are fewer than two, or all 0.
  package static func fit(_ excesses: [Double]) -> ParetoTail? {
    TailLikelihood(excesses)?.highest(within: shapes).tail
  }

  /// The chance that an excess is larger.
  ///
  /// - Parameter excess: From 0.
  /// - Returns: From 0 to 1.
  package func survivor(_ excess: Double) -> Double {
    let theta = shape / scale
    guard 1 + theta * excess > 0 else { return 0 }
    return exp(-stretch(excess, theta) / scale)
  }

  /// How many of the highest excesses lie far above the others, for a tail that is exponential.
  ///
  /// A shape that is fitted to some dozens of peaks would forgive a keyword that is said among them, or
  /// end below a peak that belongs there. Of exponential excesses the gap below the j highest is
  /// exponential with a j-th of the scale, and independent of what lies below (Rényi, "On the theory
  /// of order statistics", 1953), so that its chance is exact with the scale unknown.
  ///
  /// - Parameters:
  ///   - excesses: The largest first.
  ///   - chance: Below which chance of so large a gap they are told of.
  /// - Returns: The least number of which that holds, and its chance; nil where it holds of none, or
  ///   too few are left to tell.
  package static func outstanding(
    _ excesses: [Double], below chance: Double
  ) -> (count: Int, chance: Double)? {
    for count in 1...mostOutstanding where excesses.count - count >= fewestOthers {
      let rest = excesses[count...]
      let next = excesses[count]
      let sum = rest.reduce(Double(count) * next, +)
      let gap = Double(count) * (excesses[count - 1] - next)
      guard sum > 0 else { continue }
      let found = pow(1 + gap / sum, -Double(rest.count))
      if found < chance { return (count, found) }
    }
    return nil
  }

  /// Most top excesses that are looked at together.
  private static let mostOutstanding = 5
  /// Fewest excesses that they are held against.
  private static let fewestOthers = 9
}

/// ln(1 + theta y) / theta: y stretched so that the excesses of the distribution are exponential.
func stretch(_ y: Double, _ theta: Double) -> Double {
  // The series where the quotient would lose its digits.
  abs(theta * y) < 1e-8 ? y * (1 - 0.5 * theta * y) : log1p(theta * y) / theta
}

/// The likelihood of excesses, in theta = xi / sigma and tau = 1 / sigma.
///
///     l = n ln tau - A(theta) - tau G(theta),  A = sum of ln(1 + theta y),  G = A / theta
///
/// The data come into it by sums that depend on theta alone (Grimshaw, "Computing maximum likelihood
/// estimates for the generalized Pareto distribution", Technometrics 35, 1993), so that tau costs
/// nothing.
struct TailLikelihood {
  /// Sums of the excesses at a theta.
  struct Sums {
    let theta: Double
    let logs: Double
    let stretches: Double
  }

  private let excesses: [Double]
  private let largest: Double

  init?(_ excesses: [Double]) {
    largest = excesses.max() ?? 0
    guard excesses.count >= 2, largest > 0, largest.isFinite else { return nil }
    self.excesses = excesses
  }

  /// n.
  var count: Double { Double(excesses.count) }

  func sums(_ theta: Double) -> Sums {
    var logs = 0.0
    var stretches = 0.0
    for y in excesses {
      logs += log1p(theta * y)
      stretches += stretch(y, theta)
    }
    return Sums(theta: theta, logs: logs, stretches: stretches)
  }

  func logarithm(_ sums: Sums, tau: Double) -> Double {
    count * log(tau) - sums.logs - tau * sums.stretches
  }

  /// The most likely tau at a theta.
  private func tau(_ sums: Sums) -> Double { count / sums.stretches }

  /// The most likely tau at a theta by which the shape, theta / tau, is within bounds.
  private func tau(_ sums: Sums, within shapes: ClosedRange<Double>) -> Double {
    if sums.theta == 0 { return tau(sums) }
    let bound = sums.theta < 0 ? shapes.lowerBound : shapes.upperBound
    return max(tau(sums), sums.theta / bound)
  }

  /// The most likely parameters with a shape within bounds, 0 among them.
  func highest(
    within shapes: ClosedRange<Double>
  ) -> (tail: ParetoTail, theta: Double, logarithm: Double) {
    let lowest = shapes.lowerBound < 0 ? -(1 - 1e-12) / largest : 0
    let thetas = lowest...4 * theta(ofShape: shapes.upperBound)
    let theta = goldenSection(thetas, steps: 80) { theta in
      let sums = self.sums(theta)
      return logarithm(sums, tau: tau(sums, within: shapes))
    }
    let best = sums(theta)
    let steepness = tau(best, within: shapes)
    let scale = 1 / steepness
    let tail = ParetoTail(shape: theta * scale, scale: scale)
    return (tail, theta, logarithm(best, tau: steepness))
  }

  /// The theta at which the most likely tau gives a shape, which rises with theta.
  func theta(ofShape shape: Double) -> Double {
    guard shape != 0 else { return 0 }
    func found(_ theta: Double) -> Double { theta / tau(sums(theta)) }
    var low = -(1 - 1e-12) / largest
    var high = 0.0
    if shape > 0 {
      low = 0
      high = 1 / largest
      while found(high) < shape, high < 1e12 / largest { high *= 2 }
    }
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if found(middle) < shape { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}

/// Where a function with one peak has it.
func goldenSection(
  _ range: ClosedRange<Double>, steps: Int, _ function: (Double) -> Double
) -> Double {
  let part = (5.0.squareRoot() - 1) / 2
  var (low, high) = (range.lowerBound, range.upperBound)
  var left = high - part * (high - low)
  var right = low + part * (high - low)
  var (atLeft, atRight) = (function(left), function(right))
  for _ in 0..<steps {
    if atLeft > atRight {
      (high, right, atRight) = (right, left, atLeft)
      left = high - part * (high - low)
      atLeft = function(left)
    } else {
      (low, left, atLeft) = (left, right, atRight)
      right = low + part * (high - low)
      atRight = function(right)
    }
  }
  return (low + high) / 2
}
