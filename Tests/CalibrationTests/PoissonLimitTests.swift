import Calibration
import Glibc
import Testing

@Suite("Poisson limits")
struct PoissonLimitTests {
  @Test(
    "The exact limits are those of tables (half the quantiles of chi-squared)",
    arguments: [
      (0, 0.95, 2.99573), (0, 0.9, 2.30259), (1, 0.95, 4.74386), (2, 0.95, 6.29579),
      (3, 0.9, 6.68078), (5, 0.975, 11.66833), (10, 0.95, 16.96222), (10, 0.975, 18.39036),
      (20, 0.95, 29.06202), (50, 0.975, 65.91877), (100, 0.975, 121.62679),
    ])
  func known(count: Int, confidence: Double, limit: Double) {
    let found = PoissonLimit.upper(count, confidence: confidence)
    #expect(abs(found - limit) < 1e-5, "\(found)")
  }

  @Test("At the limit the chance of so few is what the confidence leaves, summed term by term")
  func definition() {
    for count in [0, 1, 7, 15, 16, 17, 40, 150] {
      for confidence in [0.5, 0.9, 0.999] {
        let mean = PoissonLimit.upper(count, confidence: confidence)
        var term = exp(-mean)
        var sum = term
        for i in stride(from: 1, through: count, by: 1) {
          term *= mean / Double(i)
          sum += term
        }
        #expect(abs(sum - (1 - confidence)) < 1e-9, "\(count) at \(confidence)")
      }
    }
  }

  @Test("Of large counts the limit nears that of the normal distribution")
  func large() {
    for count in [10_000, 1_000_000] {
      let limit = PoissonLimit.upper(count, confidence: 0.9)
      let normal = Double(count) + normalQuantile(0.9) * Double(count).squareRoot()
      #expect(abs(limit - normal) < 2, "\(limit)")
    }
  }

  @Test("The most events within a bound are the most")
  func most() {
    #expect(PoissonLimit.most(within: 2.3, confidence: 0.9) == nil)
    #expect(PoissonLimit.most(within: 2.31, confidence: 0.9) == 0)
    for mean in [3, 4.7, 16.9, 17, 122, 5_000] {
      guard let most = PoissonLimit.most(within: mean, confidence: 0.95) else {
        #expect(mean < 3)
        continue
      }
      #expect(PoissonLimit.upper(most, confidence: 0.95) <= mean)
      #expect(PoissonLimit.upper(most + 1, confidence: 0.95) > mean)
    }
  }

  @Test(
    "Normal quantiles",
    arguments: [(0.5, 0.0), (0.9, 1.2815515655), (0.975, 1.9599639845), (0.9999, 3.7190164855)])
  func normal(chance: Double, quantile: Double) {
    #expect(abs(normalQuantile(chance) - quantile) < 1e-9)
    #expect(abs(normalQuantile(1 - chance) + quantile) < 1e-9)
  }
}
