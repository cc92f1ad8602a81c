import Glibc
import StreamingAttention
import TestSupport
import Testing

@Suite("Sliding softmax")
struct SlidingSoftmaxTests {
  /// Scores that a stream may bring, of at most 80 either way.
  enum Course: String, CaseIterable {
    case uniform, rising, falling, spikes, constant, slowlyRising

    func score(_ step: Int, of steps: Int, _ random: inout SplitMix64) -> Float {
      let part = Float(step) / Float(steps)
      switch self {
      case .uniform: return Float.random(in: -80...80, using: &random)
      case .rising: return -80 + 160 * Float(step % 1_000) / 1_000
      case .falling: return 80 - 160 * part
      case .spikes: return step % 777 == 0 ? 80 : -80 + Float.random(in: 0...1, using: &random)
      case .constant: return 0.1
      case .slowlyRising: return -80 + 160 * part
      }
    }
  }

  /// Contexts of a stream at some of its steps, beside a softmax in two passes over the window in
  /// doubles; z = e a with e = 1.
  private func worstError(
    _ course: Course, window: Int, steps: Int, every: Int, _ random: inout SplitMix64
  ) throws -> WorstRatio {
    let shape = AttentionShape(
      score: .aligned, hiddenSize: 1, memorySize: 3, keySize: 1, value: .separate(size: 2),
      window: window)
    let weights = try AttentionWeights(
      shape,
      tensors: [
        "w_e": Tensor(shape: [1, 1], values: [1]),
        "w_a": Tensor(shape: [1, 3], values: [1, 0, 0]),
        "w_v": Tensor(shape: [2, 3], values: [0, 1, 0, 0, 0, 1]),
      ])
    var calculator = AttentionCalculator(weights)
    // Values of one sign, so that a relative error means something.
    let memory = (0..<steps).map { step in
      [
        course.score(step, of: steps, &random), Float.random(in: 0.5...1.5, using: &random),
        Float(1.1),
      ]
    }
    var worst = WorstRatio("\(course), window \(window)")
    let hidden: [Float] = [1]
    for step in 0..<steps {
      let row = memory[step]
      calculator.step(hidden: hidden.span, memory: row.span)
      guard step % every == every - 1 || step < 3 * every.signum() else { continue }
      let first = max(0, step - window + 1)
      let largest = (first...step).reduce(-Float.infinity) { max($0, memory[$1][0]) }
      var (total, a, b) = (0.0, 0.0, 0.0)
      for s in first...step {
        let weight = Glibc.exp(Double(memory[s][0]) - Double(largest))
        total += weight
        a += weight * Double(memory[s][1])
        b += weight * Double(memory[s][2])
      }
      calculator.withContext { context in
        for (k, sum) in [a, b].enumerated() {
          worst.add(
            got: context[k], reference: sum / total, tolerance: 1e-5 * sum / total,
            at: "step \(step), element \(k)")
        }
      }
    }
    return worst
  }

  @Test(
    "A million steps with scores of +-80: every context is within 1e-5 of two passes in doubles",
    .seed(121), arguments: [Course.uniform, .rising, .spikes])
  func everyStep(course: Course) throws {
    var random = SplitMix64()
    let worst = try worstError(course, window: 50, steps: 1_000_000, every: 1, &random)
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Long windows are as exact, whatever comes", .seed(122), arguments: Course.allCases,
    [1, 2, 3, 1_000, 100_000])
  func longWindows(course: Course, window: Int) throws {
    var random = SplitMix64()
    // About 10^7 exponentials of the oracle.
    let steps = max(5_000, 3 * window + 77)
    let worst = try worstError(
      course, window: window, steps: steps, every: max(1, steps * min(window, steps) / 10_000_000),
      &random)
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("The longest window of all is as exact", .seed(123))
  func longestWindow() throws {
    var random = SplitMix64()
    let worst = try worstError(
      .constant, window: 1_000_000, steps: 1_300_000, every: 162_500, &random)
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "No step adds more than eight items, however long the window",
    arguments: [1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 100, 1_000, 12_345])
  func worstStep(window: Int) throws {
    let shape = AttentionShape(
      score: .aligned, hiddenSize: 1, memorySize: 1, keySize: 1, window: window)
    let one = Tensor(shape: [1, 1], values: [1])
    var calculator = AttentionCalculator(
      try AttentionWeights(shape, tensors: ["w_e": one, "w_a": one]))
    let x: [Float] = [1]
    var before = 0
    for step in 0..<3 * window + 50 {
      calculator.step(hidden: x.span, memory: x.span)
      // And two to put the parts together.
      let additions = calculator.additions - before + 2
      #expect(additions <= 8, "step \(step)")
      before = calculator.additions
    }
  }
}
