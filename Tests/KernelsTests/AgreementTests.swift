import KernelDispatch
import Kernels
import TestSupport
import Testing

/// A kernel on seeded input, and how far apart two builds of it may be.
struct Comparison: Sendable, CustomTestStringConvertible {
  /// Elements of the inputs: odd, so that the ends of all loops are met.
  static let count = 253

  let testDescription: String
  /// What the tolerance is a fraction of.
  enum Scale { case element, largest }

  /// Largest difference.
  let tolerance: Double
  var scale = Scale.largest
  let results: @Sendable (InstructionSet, inout SplitMix64) -> [Float]

  /// Each function is within t ulps of the truth in either build, so within 2 t of the other; sums
  /// of n terms differ by n u of the sum of magnitudes, which here is at most thirty times the
  /// result.
  static let all: [Comparison] =
    [
      ElementaryFunction.exp, .log, .tanh, .sigmoid,
    ].map { function in
      Comparison(
        testDescription: "\(function)",
        tolerance: 2 * Double(function.toleranceUlp) * 0x1p-23, scale: .element
      ) { set, random in
        function(random.floats(count, scale: 20).map { function == .log ? abs($0) : $0 }, set)
      }
    } + [
      Comparison(testDescription: "sums", tolerance: 1e-5) { set, random in
        let (x, y) = (random.floats(count), random.floats(count))
        return ReductionTests.results(x, y, mean: 0.3, count: count, set)
      },
      Comparison(testDescription: "matrix times vector", tolerance: 1e-5) { set, random in
        let (w, x) = (random.floats(count * 40), random.floats(40))
        return MatrixVectorTests.product(w, x, plus: random.floats(count), rows: count, set)
      },
      Comparison(testDescription: "attention", tolerance: 2e-6) { set, random in
        let keys = random.floats(count * 16)
        return AttentionKernelsTests.attend(
          random.floats(16), keys: keys, values: keys, size: 16, rows: count, set
        ).context
      },
      Comparison(testDescription: "GRU", tolerance: 4e-6) { set, random in
        GatesTests.gru(
          input: random.floats(3 * count, scale: 4), hidden: random.floats(3 * count, scale: 4),
          state: random.floats(count), set)
      },
      Comparison(testDescription: "LSTM", tolerance: 4e-6) { set, random in
        GatesTests.lstm(
          sums: random.floats(4 * count, scale: 4), cell: random.floats(count), set
        ).state
      },
      Comparison(testDescription: "framing", tolerance: 1e-6) { set, random in
        let output = FloatBuffer(count: count)
        withPointers(random.floats(count), random.floats(count)) {
          set.kernels.prepare(
            $0, into: output.pointer, window: $1, length: count, paddedLength: count,
            preEmphasis: 0.97, mean: 0.1)
        }
        return Array(output.elements)
      },
      Comparison(testDescription: "PCEN", tolerance: 1e-4) { set, random in
        let energy = FloatBuffer(random.floats(count, scale: 1e5).map(abs))
        let mean = FloatBuffer(random.floats(count, scale: 1e5).map(abs))
        set.kernels.pcen(
          energy.pointer, mean: mean.pointer, count: count, smoothing: 0.025, gain: 0.98, bias: 2,
          power: 0.5, epsilon: 1e-6)
        return Array(energy.elements) + Array(mean.elements)
      },
    ]
}

@Suite("Builds of the kernels")
struct AgreementTests {
  @Test(
    "Every build gives the baseline's results, but for rounding", .seed(57),
    arguments: Comparison.all, InstructionSet.available.dropFirst())
  func withBaseline(comparison: Comparison, set: InstructionSet) {
    var (random, again) = (SplitMix64(), SplitMix64())
    var worst = WorstRatio("\(comparison.testDescription), \(set) against the baseline")
    for round in 0..<20 {
      let baseline = comparison.results(.baseline, &random)
      let other = comparison.results(set, &again)
      let largest = baseline.reduce(0) { max($0, Double(abs($1))) }
      for (i, (x, y)) in zip(other, baseline).enumerated() {
        let scale = comparison.scale == .element ? Double(abs(y)) : largest
        worst.add(
          got: x, reference: Double(y), tolerance: comparison.tolerance * scale,
          at: "result \(i) of round \(round)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "AVX2 and AVX-512 give the same bits", .seed(58),
    .enabled(if: InstructionSet.v4.isAvailable, "skipped: this processor has no AVX-512"),
    arguments: Comparison.all)
  func sameBits(comparison: Comparison) {
    var (random, again) = (SplitMix64(), SplitMix64())
    for round in 0..<20 {
      let (v3, v4) = (comparison.results(.v3, &random), comparison.results(.v4, &again))
      #expect(bitDifference(v3, v4) == nil, "\(comparison.testDescription), round \(round)")
    }
  }
}
