import Calibration
import Glibc
import TestSupport
import Testing

@Suite("Threshold choices")
struct ThresholdChoiceTests {
  private func terms(
    _ hours: Double, budget: Double, confidence: Double = 0.9
  ) -> ThresholdChoice.Terms {
    ThresholdChoice.Terms(hours: hours, budget: budget, confidence: confidence, floor: 0.05)
  }

  /// Scores whose log-odds are exponential above those of the floor.
  private func scores(_ count: Int, scale: Double, using random: inout SplitMix64) -> [Float] {
    (0..<count).map { _ in
      let z = log(0.05 / 0.95) - scale * log(chance(using: &random))
      return Float(1 / (1 + exp(-z)))
    }
  }

  @Test(
    "The true rate at the threshold is within the budget as often as the confidence says",
    .seed(12), arguments: [(10.0, 0.5), (3.0, 0.1), (100.0, 0.4)])
  func withinBudget(hours: Double, budget: Double) {
    var random = SplitMix64()
    let perHour = 40.0
    var kept = 0
    let simulations = 400
    for _ in 0..<simulations {
      let scores = scores(
        poisson(perHour * hours, using: &random), scale: 0.8, using: &random)
      let choice = ThresholdChoice(scores, terms(hours, budget: budget), present: 0.5)
      let z = log(Double(choice.threshold)) - log1p(-Double(choice.threshold))
      let rate = perHour * exp(-(z - log(0.05 / 0.95)) / 0.8)
      if rate <= budget { kept += 1 }
      #expect(choice.isClamped || choice.limit <= budget * 1.000_001, "\(choice)")
      #expect(choice.expected <= choice.limit)
    }
    #expect(kept * 100 >= 85 * simulations, "\(kept) of \(simulations)")
  }

  @Test("It is the lowest: a ten-thousandth below, the limit is beyond the budget", .seed(13))
  func lowest() throws {
    var random = SplitMix64()
    let all = scores(400, scale: 0.8, using: &random)
    let choice = ThresholdChoice(all, terms(10, budget: 0.5), present: 0.5)
    #expect(choice.basis == .fit && !choice.isClamped && !choice.isShort)
    let fit = try #require(choice.fit)
    #expect(fit.peaks == 40 && fit.outstanding == nil)
    func logOdds(_ score: Float) -> Double { log(Double(score)) - log1p(-Double(score)) }
    let excesses = all.sorted(by: >).prefix(40).map { logOdds($0) - logOdds(fit.above) }
    let limit = try #require(RateLimit(excesses, hours: 10, confidence: 0.9))
    let below = choice.threshold - 0.000_11
    #expect(limit.upper(beyond: logOdds(below) - logOdds(fit.above)) > 0.5)
    #expect(
      abs(limit.upper(beyond: logOdds(choice.threshold) - logOdds(fit.above)) - choice.limit)
        < 1e-4)
  }

  @Test("Too few peaks are counted, by Garwood's limit")
  func counted() {
    let scores: [Float] = [0.9, 0.3, 0.8, 0.2, 0.1]
    // In 10 h: 5.32 / 10 for two, 6.68 / 10 for three.
    var choice = ThresholdChoice(scores, terms(10, budget: 0.6), present: 0.5)
    #expect(choice.basis == .count && choice.fit == nil && choice.peaks == 5)
    #expect(choice.threshold == 0.3001 && choice.expected == 0.2)
    #expect(abs(choice.limit - 0.532232) < 1e-6)
    // All five: 9.27 / 10.
    choice = ThresholdChoice(scores, terms(10, budget: 1), present: 0.5)
    #expect(choice.threshold == 0.05 && choice.expected == 0.5)
    // Not even none: 2.30 / 10.
    let short = terms(10, budget: 0.2)
    choice = ThresholdChoice(scores, short, present: 0.5)
    #expect(choice.isShort && choice.basis == .count && choice.threshold == 0.9001)
    #expect(choice.expected == 0 && abs(choice.limit - 0.230259) < 1e-6)
    #expect(abs(short.hoursNeeded - 11.5129) < 1e-4)
    // The same peaks in any order.
    #expect(
      ThresholdChoice(scores.reversed(), short, present: 0.5).threshold == choice.threshold)
  }

  @Test("Without a peak the floor is enough, or nothing is known")
  func none() {
    var choice = ThresholdChoice([], terms(100, budget: 0.1), present: 0.7)
    #expect(choice.basis == .count && choice.threshold == 0.05 && !choice.isShort)
    choice = ThresholdChoice([], terms(1, budget: 0.1), present: 0.7)
    #expect(choice.basis == .none && choice.threshold == 0.7 && choice.isShort)
    #expect(abs(choice.limit - 2.302585) < 1e-5)
  }

  @Test("Nothing is set above 0.999", arguments: [[0.9995], Array(repeating: 1, count: 40)])
  func clamped(scores: [Float]) {
    let choice = ThresholdChoice(scores, terms(1, budget: 0.1), present: 0.5)
    #expect(choice.isClamped && choice.threshold == 0.999 && choice.isShort)
    #expect(choice.expected == Double(scores.count) && choice.limit > choice.expected)
  }

  @Test("A fit that would need more than 0.999 says what 0.999 gives", .seed(14))
  func clampedFit() {
    var random = SplitMix64()
    let choice = ThresholdChoice(
      scores(300, scale: 4, using: &random), terms(10, budget: 0.01), present: 0.5)
    #expect(choice.isClamped && choice.threshold == 0.999)
    #expect(choice.limit > 0.01)
  }

  @Test("In too short a time the fit's extrapolation is above all that was seen", .seed(15))
  func extrapolated() {
    var random = SplitMix64()
    for _ in 0..<20 {
      let all = scores(60, scale: 0.4, using: &random)
      let choice = ThresholdChoice(all, terms(1, budget: 0.5), present: 0.5)
      #expect(choice.basis == .fit && choice.isShort)
      #expect(choice.threshold > all.max() ?? 1)
    }
  }

  @Test("A generous budget is counted where the peaks are, below the fit", .seed(16))
  func generous() {
    var random = SplitMix64()
    let all = scores(1_000, scale: 1, using: &random)
    let choice = ThresholdChoice(all, terms(10, budget: 50), present: 0.5)
    #expect(choice.basis == .count && choice.fit?.peaks == 100)
    let above = all.count { $0 >= choice.threshold }
    #expect(PoissonLimit.upper(above, confidence: 0.9) <= 500)
    #expect(PoissonLimit.upper(above + 1, confidence: 0.9) > 500)
  }

  @Test("A keyword that is said in the sound stands out", .seed(17))
  func hidden() {
    var random = SplitMix64()
    let all = scores(200, scale: 0.4, using: &random)
    let clean = ThresholdChoice(all, terms(10, budget: 0.3), present: 0.5)
    #expect(clean.fit?.outstanding == nil)
    let spoilt = ThresholdChoice(all + [0.99, 0.995], terms(10, budget: 0.3), present: 0.5)
    #expect(spoilt.fit?.outstanding?.count == 2)
    #expect(spoilt.threshold > clean.threshold)
  }
}
