import Kernels
import TestSupport
import Testing

@Suite("Reductions")
struct ReductionTests {
  static let sizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 253]
  /// Unit roundoff of float32.
  static let u = 0x1p-24

  @Test("Sums and products are those of doubles, but for rounding", .seed(21), arguments: sizes)
  func againstDoubles(count: Int) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 10)
    let y = random.floats(count, scale: 10)
    // A chain of count / 8 additions, three more in the tree, a product's rounding.
    let roundings = Double(count / 8 + 5) * Self.u
    var worst = WorstRatio("reductions of \(count)")
    withPointers(x, y) { px, py in
      worst.add(
        got: Reduction.sum(px, count: count), reference: x.reduce(0) { $0 + Double($1) },
        tolerance: roundings * x.reduce(0) { $0 + Double(abs($1)) }, at: "sum")
      let products = zip(x, y).map { Double($0) * Double($1) }
      worst.add(
        got: Reduction.dot(px, py, count: count), reference: products.reduce(0, +),
        tolerance: roundings * products.reduce(0) { $0 + abs($1) }, at: "dot")
      #expect(Reduction.maximum(px, count: count) == x.max() ?? -.infinity)
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "The bits depend neither on the address nor on what lies behind the last element",
    .seed(22), arguments: sizes)
  func padding(count: Int) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 3)
    let y = random.floats(count, scale: 3)
    let results = [(0, Float(0)), (1, .nan), (3, .infinity), (8, 1e38)].map { offset, paint in
      let buffers = [x, y].map {
        Array(repeating: paint, count: offset) + $0 + Array(repeating: paint, count: 16)
      }
      var sums = [Float]()
      withPointers(buffers[0], buffers[1]) { px, py in
        sums = [
          Reduction.sum(px + offset, count: count),
          Reduction.dot(px + offset, py + offset, count: count),
          Reduction.maximum(px + offset, count: count),
        ]
      }
      return sums.map(\.bitPattern)
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test("The order of a sum is eight lanes, then halves: the reference gives the same bits")
  func order() {
    var random = SplitMix64(seed: 23)
    for count in Self.sizes {
      let x = random.floats(count, scale: 100)
      var lanes = [Float](repeating: 0, count: 8)
      for (i, element) in x.enumerated() { lanes[i % 8] += element }
      let half = (0..<4).map { lanes[$0] + lanes[$0 + 4] }
      let expected = (half[0] + half[2]) + (half[1] + half[3])
      withPointers(x, x) { px, _ in
        #expect(
          Reduction.sum(px, count: count).bitPattern == expected.bitPattern, "\(count) elements")
      }
    }
  }

  @Test(
    "Weighted rows are added in their order, to the elements and to nothing behind them",
    .seed(24), arguments: sizes)
  func addWeighted(count: Int) {
    var random = SplitMix64()
    for rows in [0, 1, 2, 7, 50] {
      let stride = count + 3
      let x = random.floats(rows * stride + 16)
      let weights = random.floats(rows)
      let y = random.floats(count + 16)
      var sum = y
      sum.withUnsafeMutableBufferPointer { to in
        withPointers(weights, x) { pa, px in
          guard let py = to.baseAddress else { return }
          Reduction.addWeighted(pa, px, stride: stride, rows: rows, to: py, count: count)
        }
      }
      for i in sum.indices {
        var expected = y[i]
        if i < count { for row in 0..<rows { expected += weights[row] * x[row * stride + i] } }
        #expect(sum[i].bitPattern == expected.bitPattern, "\(i) of \(count), \(rows) rows")
      }
    }
  }

  @Test("A maximum is found at every place")
  func maximumEverywhere() {
    for count in Self.sizes {
      for place in 0..<count {
        var x = [Float](repeating: -5, count: count)
        x[place] = -2
        withPointers(x, x) { px, _ in
          #expect(Reduction.maximum(px, count: count) == -2, "element \(place) of \(count)")
        }
      }
    }
  }
}

/// Lends two arrays as pointers that are never nil.
func withPointers(
  _ x: [Float], _ y: [Float], _ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Void
) {
  (x + [0]).withUnsafeBufferPointer { bx in
    (y + [0]).withUnsafeBufferPointer { by in
      guard let px = bx.baseAddress, let py = by.baseAddress else { return }
      body(px, py)
    }
  }
}
