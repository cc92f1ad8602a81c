import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Reductions")
struct ReductionTests {
  /// Sum, dot product, sum of squares and maximum of arrays that begin at an offset.
  static func results(
    _ x: [Float], _ y: [Float], mean: Float, count: Int, offset: Int = 0, _ set: InstructionSet
  ) -> [Float] {
    withPointers(x, y) { px, py in
      [
        set.kernels.sum(px + offset, count: count),
        set.kernels.dot(px + offset, py + offset, count: count),
        set.kernels.sumOfSquares(px + offset, minus: mean, count: count),
        set.kernels.maximum(px + offset, count: count),
      ]
    }
  }

  @Test(
    "Sums and products are those of doubles, but for rounding", .seed(21), arguments: oddSizes,
    InstructionSet.available)
  func againstDoubles(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 10)
    let y = random.floats(count, scale: 10)
    let mean: Float = 0.37
    // A chain of count / 32 additions, five more in the tree, a difference and a product.
    let roundings = Double(count / 32 + 8) * 0x1p-24
    let got = Self.results(x, y, mean: mean, count: count, set)
    let terms = [
      x.map(Double.init), zip(x, y).map { Double($0) * Double($1) },
      x.map { (Double($0) - Double(mean)) * (Double($0) - Double(mean)) },
    ]
    var worst = WorstRatio("reductions of \(count) by \(set)")
    for (i, name) in ["sum", "dot", "sum of squares"].enumerated() {
      worst.add(
        got: got[i], reference: terms[i].reduce(0, +),
        tolerance: roundings * terms[i].reduce(0) { $0 + abs($1) }, at: name)
    }
    #expect(worst.value <= 1, "\(worst)")
    #expect(got[3] == x.max() ?? -.infinity)
    worst.print()
  }

  @Test(
    "The order of a sum is thirty-two accumulators, then halves: the reference gives the same bits",
    .seed(23), arguments: oddSizes, InstructionSet.available)
  func order(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 100)
    let y = random.floats(count, scale: 100)
    let mean: Float = 3.3
    let expected = [
      InstructionSet.orderedSum(count) { $0 + x[$1] },
      InstructionSet.orderedSum(count) { set.fused(x[$1], y[$1], $0) },
      InstructionSet.orderedSum(count) { set.fused(x[$1] - mean, x[$1] - mean, $0) },
    ]
    let got = Self.results(x, y, mean: mean, count: count, set)
    #expect(bitDifference(got[..<3], expected) == nil)
  }

  @Test(
    "The bits depend neither on the address nor on what lies behind the last element",
    .seed(22), arguments: oddSizes, InstructionSet.available)
  func padding(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 3)
    let y = random.floats(count, scale: 3)
    let results = [(0, Float(0)), (1, .nan), (3, .infinity), (8, 1e38)].map { offset, paint in
      let buffers = [x, y].map {
        Array(repeating: paint, count: offset) + $0 + Array(repeating: paint, count: 32)
      }
      return Self.results(buffers[0], buffers[1], mean: 0.5, count: count, offset: offset, set)
    }
    for result in results { #expect(bitDifference(result, results[0]) == nil) }
  }

  @Test("A maximum is found at every place", arguments: InstructionSet.available)
  func maximumEverywhere(set: InstructionSet) {
    for count in oddSizes {
      for place in 0..<count {
        var x = [Float](repeating: -5, count: count)
        x[place] = -2
        let buffer = FloatBuffer(x)
        #expect(
          set.kernels.maximum(buffer.pointer, count: count) == -2, "element \(place) of \(count)")
      }
    }
  }
}
