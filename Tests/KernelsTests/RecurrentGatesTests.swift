import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Gates")
struct RecurrentGatesTests {
  @Test(
    "A GRU's gates are those of doubles, but for rounding", .seed(41), arguments: oddSizes,
    InstructionSet.available)
  func gru(units: Int, set: InstructionSet) {
    var random = SplitMix64()
    let a = random.floats(3 * units, scale: 6)
    let g = random.floats(3 * units, scale: 6)
    let h = random.floats(units)
    let state = FloatBuffer(h + [9])
    let input = FloatBuffer(a)
    let hidden = FloatBuffer(g)
    set.kernels.gru(
      input: input.pointer, hidden: hidden.pointer, state: state.pointer, units: units)
    var worst = WorstRatio("GRU gates of \(units) by \(set)")
    for i in 0..<units {
      func sum(_ gate: Int) -> Double { Double(a[gate * units + i]) + Double(g[gate * units + i]) }
      let r = 1 / (1 + Glibc.exp(-sum(0)))
      let z = 1 / (1 + Glibc.exp(-sum(1)))
      let inner = Double(g[2 * units + i])
      let n = Glibc.tanh(Double(a[2 * units + i]) + r * inner)
      // Sums of up to 12 are rounded by 12 u before a slope of at most 1/4 or 1, a sigmoid by
      // 3 u, a tanh by 2 u, and r g by what r is off times 6 beside.
      worst.add(
        got: state.pointer[i], reference: (1 - z) * n + z * Double(h[i]),
        tolerance: (16 + 6 * abs(inner)) * 0x1p-24, at: "unit \(i) of \(units)")
    }
    #expect(worst.value <= 1, "\(worst)")
    #expect(state.pointer[units] == 9, "nothing is written behind the last unit")
    worst.print()
  }

  @Test(
    "A gate that is wide open takes the candidate, a shut one keeps the state: exactly",
    arguments: InstructionSet.available)
  func saturated(set: InstructionSet) {
    // r, z, n of four units: z = 0 and n = 1, z = 0 and n = -1, z = 1, z = 1.
    let input = FloatBuffer([0, 0, 0, 0, -200, -200, 200, 200, 50, -50, 50, -50])
    let hidden = FloatBuffer(count: 12)
    let state = FloatBuffer([0.25, 0.25, 0.25, -0.75])
    set.kernels.gru(input: input.pointer, hidden: hidden.pointer, state: state.pointer, units: 4)
    #expect(Array(state.elements) == [1, -1, 0.25, -0.75])
  }

  @Test(
    "A static score is v . tanh(q + b) of doubles, but for rounding", .seed(42),
    arguments: oddSizes, InstructionSet.available)
  func staticScore(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let q = random.floats(count, scale: 2)
    let b = random.floats(count)
    let v = random.floats(count)
    let query = FloatBuffer(q)
    let score = withPointers(b, v) { pb, pv in
      set.kernels.staticScore(query: query.pointer, bias: pb, vector: pv, count: count)
    }
    let terms = (0..<count).map { Double(v[$0]) * Glibc.tanh(Double(q[$0]) + Double(b[$0])) }
    let magnitude = v.reduce(0) { $0 + Double(abs($1)) }
    var worst = WorstRatio("static score of \(count) by \(set)")
    worst.add(
      got: score, reference: terms.reduce(0, +),
      tolerance: (Double(count / 32) + 14) * 0x1p-24 * magnitude, at: "\(count) elements")
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }
}
