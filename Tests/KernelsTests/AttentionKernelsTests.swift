import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Attention kernels")
struct AttentionKernelsTests {
  /// Scores and the weighted mean of values, all rows at once or some at a time.
  static func attend(
    _ query: [Float], keys: [Float], values: [Float], size: Int, rows: Int, factor: Float = 1,
    pieces: Int = SoftmaxSum.mostRows, _ set: InstructionSet
  ) -> (z: [Float], context: [Float]) {
    let whole = (rows + 7) / 8 * 8
    let z = FloatBuffer([Float](repeating: 9, count: whole + 8))
    let sum = FloatBuffer(count: size)
    var softmax = SoftmaxSum()
    // What lies behind the last key is read, and has no say.
    let filled = keys + [Float](repeating: 1e6, count: (whole - rows) * size)
    withPointers(query, filled) { q, k in
      set.kernels.dotScores(
        q, k, stride: size, rows: rows, count: size, factor: factor, into: z.pointer)
    }
    #expect(z.elements[whole...].allSatisfy { $0 == 9 }, "nothing behind the last eight scores")
    withPointers(values, query) { v, _ in
      var row = 0
      while row < rows {
        let count = min(pieces, rows - row)
        // In two runs, of which the second may be empty.
        let first = (count + 1) / 2
        set.kernels.addAttended(
          z.pointer + row, v + row * size, rows: first, then: v + (row + first) * size,
          rows: count - first, stride: size, to: sum.pointer, count: size, &softmax)
        row += count
      }
    }
    let context = sum.elements.map { rows == 0 ? 0 : $0 / softmax.total }
    return (Array(z.elements.prefix(rows)), context)
  }

  @Test(
    "Scores and softmax-weighted means are those of doubles, but for rounding", .seed(61),
    arguments: oddSizes, InstructionSet.available)
  func againstDoubles(rows: Int, set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("attention over \(rows) rows by \(set)")
    for (size, scale) in [(8, Float(1)), (24, 4), (64, 1), (72, 3), (128, 0.01)] {
      let query = random.floats(size, scale: scale)
      let keys = random.floats(rows * size, scale: 4)
      let values = random.floats(rows * size)
      let got = Self.attend(query, keys: keys, values: values, size: size, rows: rows, set)
      var z: [Double] = []
      for row in 0..<rows {
        let terms = (0..<size).map { Double(query[$0]) * Double(keys[row * size + $0]) }
        let magnitude = terms.reduce(0) { $0 + abs($1) }
        z.append(terms.reduce(0, +))
        worst.add(
          got: got.z[row], reference: z[row],
          tolerance: Double(size / 8 + 4) * 0x1p-24 * magnitude + 0x1p-126,
          at: "z \(row), \(size) elements")
      }
      // The weights of the scores that the kernel gave: what follows is the softmax's own error.
      let largest = got.z.max() ?? 0
      let weights = got.z.map { Glibc.exp(Double($0) - Double(largest)) }
      let total = weights.reduce(0, +)
      for k in 0..<size where rows > 0 {
        let c = (0..<rows).reduce(0) { $0 + weights[$1] * Double(values[$1 * size + k]) } / total
        // An exponential is within 2 u, a product and each of the additions within u.
        worst.add(
          got: got.context[k], reference: c, tolerance: (8 + Double(rows).squareRoot()) * 0x1p-23,
          at: "element \(k) of \(size)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A score's bits depend on no other row", .seed(62), arguments: InstructionSet.available)
  func rowsAlone(set: InstructionSet) {
    var random = SplitMix64()
    let size = 40
    let query = random.floats(size)
    let keys = random.floats(29 * size)
    let together = Self.attend(
      query, keys: keys, values: keys, size: size, rows: 29, factor: 0.3, set
    ).z
    for row in 0..<29 {
      let key = Array(keys[row * size..<(row + 1) * size])
      let alone = Self.attend(
        query, keys: key, values: key, size: size, rows: 1, factor: 0.3, set
      ).z
      #expect(alone[0].bitPattern == together[row].bitPattern, "row \(row)")
    }
  }

  @Test(
    "An exponential in two parts is the exponential, within an ulp, at any size of score",
    .seed(63), arguments: InstructionSet.available)
  func splitExponentials(set: InstructionSet) {
    var random = SplitMix64()
    for count in oddSizes {
      let z = FloatBuffer(random.floats(count, scale: 90))
      let mantissas = FloatBuffer([Float](repeating: 9, count: count + 1))
      let exponents = FloatBuffer([Float](repeating: 9, count: count + 1))
      set.kernels.splitExponentials(
        z.pointer, count: count, mantissas: mantissas.pointer, exponents: exponents.pointer)
      for i in 0..<count {
        let (w, n) = (Double(mantissas.pointer[i]), Double(exponents.pointer[i]))
        #expect(n == n.rounded() && w > 0.7 && w < 1.42, "\(z.pointer[i])")
        let ratio = w * Glibc.exp2(n) / Glibc.exp(Double(z.pointer[i]))
        #expect(abs(ratio - 1) <= 0x1p-23, "exp(\(z.pointer[i])) is off by \(ratio - 1)")
      }
      #expect(mantissas.pointer[count] == 9 && exponents.pointer[count] == 9)
    }
  }

  @Test(
    "An additive score is v . tanh(q + a) of doubles, but for rounding", .seed(64),
    arguments: InstructionSet.available)
  func additive(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("additive scores by \(set)")
    for size in [8, 16, 64, 104] {
      let (query, vector) = (random.floats(size, scale: 2), random.floats(size))
      let keys = random.floats(13 * size, scale: 2)
      let z = FloatBuffer(count: 13)
      withPointers(query, vector) { q, v in
        withPointers(keys, keys) { k, _ in
          set.kernels.additiveScores(
            q, vector: v, k, stride: size, rows: 13, count: size, into: z.pointer)
        }
      }
      for row in 0..<13 {
        let terms = (0..<size).map { i in
          Double(vector[i]) * Glibc.tanh(Double(query[i]) + Double(keys[row * size + i]))
        }
        let magnitude = vector.reduce(0) { $0 + Double(abs($1)) }
        worst.add(
          got: z.pointer[row], reference: terms.reduce(0, +),
          tolerance: (Double(size / 8) + 12) * 0x1p-24 * magnitude, at: "row \(row), \(size)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A compensated sum of a million is as near as one of ten", .seed(65),
    arguments: InstructionSet.available)
  func compensated(set: InstructionSet) {
    var random = SplitMix64()
    let x = FloatBuffer(random.floats(8).map { abs($0) + 0.1 })
    let sum = FloatBuffer(count: 8)
    let lost = FloatBuffer(count: 8)
    for _ in 0..<1_000_000 {
      set.kernels.addCompensated(
        x.pointer, (1, 1), to: sum.pointer, lost: lost.pointer, count: 8)
    }
    for i in 0..<8 {
      let expected = 1e6 * Double(x.pointer[i])
      let error = abs(Double(sum.pointer[i]) / expected - 1)
      #expect(error <= 0x1p-23, "element \(i) is off by \(error)")
    }
    // A change of scale moves sum and loss alike.
    let before = Array(sum.elements)
    set.kernels.addCompensated(
      x.pointer, (0, 0x1p-30), to: sum.pointer, lost: lost.pointer, count: 8)
    for i in 0..<8 {
      #expect(abs(sum.pointer[i] / before[i] - 0x1p-30) <= 0x1p-53, "element \(i)")
    }
  }

  @Test(
    "Powers of two that bring sums to one scale are exact, and none beyond 120 is left",
    arguments: 0...130)
  func powers(k: Int) {
    let expected = k <= 120 ? Float(sign: .plus, exponent: -k, significand: 1) : 0
    #expect(SoftmaxSum.powerOfTwo(Float(-k)) == expected)
  }
}
