import Calibration
import Glibc
import TestSupport
import Testing

/// A distribution that peaks in log-odds may have.
enum Peaks: CaseIterable, CustomTestStringConvertible {
  case exponential, heavy, bounded, gumbel, logistic

  var testDescription: String { "\(self)" }

  /// The level that a number has a chance of lying above.
  func level(_ chance: Double) -> Double {
    switch self {
    case .exponential: -log(chance)
    case .heavy: (pow(chance, -0.2) - 1) / 0.2
    case .bounded: (pow(chance, 0.2) - 1) / -0.2
    case .gumbel: -log(-log1p(-chance))
    case .logistic: log((1 - chance) / chance)
    }
  }
}

/// A chance between 0 and 1, neither of them.
func chance(using random: inout SplitMix64) -> Double {
  (Double(random.next() >> 12) + 0.5) * 0x1p-52
}

/// How many events come, of which so many are expected.
func poisson(_ mean: Double, using random: inout SplitMix64) -> Int {
  // The times between events are exponential.
  var count = 0
  var sum = -log(chance(using: &random))
  while sum < mean {
    count += 1
    sum -= log(chance(using: &random))
  }
  return count
}

@Suite("Rate limits")
struct RateLimitTests {
  @Test(
    "A fit finds the shape and scale that seeded samples have", .seed(1987),
    arguments: [(0.0, 1.0), (0.2, 3.0), (-0.2, 0.5), (0.5, 10.0), (-0.4, 1.0)])
  func recovers(shape: Double, scale: Double) throws {
    var random = SplitMix64()
    for count in [400, 10_000] {
      let excesses = (0..<count).map { _ in
        let u = chance(using: &random)
        return shape == 0 ? -scale * log(u) : scale * (pow(u, -shape) - 1) / shape
      }
      let tail = try #require(ParetoTail.fit(excesses))
      // Four standard errors (Smith 1985): (1 + xi) / sqrt(n), sigma sqrt(2 (1 + xi) / n).
      let root = Double(count).squareRoot()
      #expect(abs(tail.shape - shape) < 4 * (1 + shape) / root, "\(tail) of \(count)")
      #expect(
        abs(tail.scale - scale) < 4 * scale * (2 * (1 + shape)).squareRoot() / root,
        "\(tail) of \(count)")
    }
  }

  @Test("The survivor function is the distribution's, whatever the shape")
  func survivor() {
    #expect(ParetoTail(shape: 0, scale: 2).survivor(2) == exp(-1))
    #expect(abs(ParetoTail(shape: 0.5, scale: 1).survivor(2) - 0.25) < 1e-15)
    #expect(abs(ParetoTail(shape: -0.5, scale: 1).survivor(1) - 0.25) < 1e-15)
    #expect(ParetoTail(shape: -0.5, scale: 1).survivor(2.5) == 0)
    for shape in [-1e-9, 0, 1e-9] {
      #expect(abs(ParetoTail(shape: shape, scale: 1).survivor(3) - exp(-3)) < 1e-9)
    }
  }

  @Test("What can't be fitted isn't", arguments: [[], [1], [0, 0, 0], [1, .infinity]])
  func unfit(excesses: [Double]) {
    #expect(ParetoTail.fit(excesses) == nil)
    #expect(RateLimit(excesses, hours: 1, confidence: 0.9) == nil)
  }

  @Test("The highest likelihood is no less than on a grid around it", .seed(3))
  func likelihood() throws {
    var random = SplitMix64()
    for shape in [-0.3, 0, 0.4] {
      let excesses = (0..<30).map { _ in
        let u = chance(using: &random)
        return shape == 0 ? -log(u) : (pow(u, -shape) - 1) / shape
      }
      func logarithm(_ tail: ParetoTail) -> Double {
        excesses.reduce(0) { sum, y in
          let t = 1 + tail.shape * y / tail.scale
          guard t > 0 else { return -.infinity }
          return sum - log(tail.scale)
            - (tail.shape == 0 ? y / tail.scale : (1 / tail.shape + 1) * log(t))
        }
      }
      let tail = try #require(ParetoTail.fit(excesses))
      let best = logarithm(tail)
      for i in -20...20 {
        for j in -20...20 {
          let other = ParetoTail(
            shape: min(1, max(-0.5, tail.shape + 0.02 * Double(i))),
            scale: tail.scale * exp(0.05 * Double(j)))
          #expect(logarithm(other) <= best + 1e-6, "\(other) is likelier than \(tail)")
        }
      }
    }
  }

  @Test(
    "The limit covers the truth about as often as it says, on seeded simulations",
    .seed(90), arguments: Peaks.allCases, [(200.0, 2.0), (60.0, 0.3), (500.0, 0.5)])
  func coverage(peaks: Peaks, numbers: (mean: Double, budget: Double)) throws {
    var random = SplitMix64()
    let simulations = 400
    let truth = peaks.level(numbers.budget / numbers.mean)
    var covered = 0
    for _ in 0..<simulations {
      let levels = (0..<poisson(numbers.mean, using: &random)).map { _ in
        peaks.level(chance(using: &random))
      }.sorted(by: >)
      let count = max(20, levels.count / 10)
      let excesses = levels[..<count].map { $0 - levels[count] }
      let limit = try #require(RateLimit(excesses, hours: 1, confidence: 0.9))
      let level = try #require(limit.level(exceededAtMost: numbers.budget, upTo: 1e6))
      if levels[count] + level >= truth { covered += 1 }
    }
    // 90 % less three standard errors of 400 simulations: 85.5 %.
    #expect(covered * 100 >= 85 * simulations, "\(covered) of \(simulations)")
  }

  @Test("The level for a rate has that rate for its limit; limits fall with the level", .seed(4))
  func inverse() throws {
    var random = SplitMix64()
    let excesses = (0..<40).map { _ in -log(chance(using: &random)) }
    let limit = try #require(RateLimit(excesses, hours: 20, confidence: 0.9))
    var last = Double.infinity
    for x in [0, 0.1, 0.5, 1, 2, 4, 8, 16] {
      let upper = limit.upper(beyond: x)
      #expect(upper < last, "at \(x)")
      last = upper
      let level = try #require(limit.level(exceededAtMost: upper, upTo: 100))
      #expect(abs(level - x) < 1e-6 * (1 + x), "\(level) for \(x)")
    }
    // More confidence, a higher limit; twice the hours, half of it.
    let surer = try #require(RateLimit(excesses, hours: 20, confidence: 0.99))
    #expect(surer.upper(beyond: 2) > limit.upper(beyond: 2))
    let longer = try #require(RateLimit(excesses, hours: 40, confidence: 0.9))
    #expect(abs(2 * longer.upper(beyond: 2) / limit.upper(beyond: 2) - 1) < 1e-9)
    #expect(limit.level(exceededAtMost: 1e-6, upTo: 3) == nil)
    #expect(limit.level(exceededAtMost: 100, upTo: 3) == 0)
  }

  @Test("Peaks far outside of the fit are found, and those within it aren't", .seed(5))
  func outstanding() throws {
    var random = SplitMix64()
    var alarms = 0
    for _ in 0..<400 {
      let excesses = (0..<30).map { _ in -log(chance(using: &random)) }.sorted(by: >)
      if ParetoTail.outstanding(excesses, below: 0.001) != nil { alarms += 1 }
      for count in 1...4 {
        let hidden = (0..<count).map { 25 + 0.1 * Double(count - $0) }
        let found = try #require(ParetoTail.outstanding(hidden + excesses, below: 0.001))
        #expect(found.count == count, "\(found)")
      }
    }
    // Of five gaps each with 1 in 1,000: 2 of 400, and three standard deviations.
    #expect(alarms <= 6, "\(alarms) of 400")
    #expect(ParetoTail.outstanding([100] + Array(repeating: 1, count: 8), below: 0.001) == nil)
  }
}
