import Kernels

/// Sums and products of arrays, thirty-two elements at a time.
enum Reduction {
  /// The loop of a sum: `term` gives eight terms, `rest` one.
  @inline(__always)
  static func total(
    _ count: Int, _ add: (_ sum: Lanes8, _ i: Int) -> Lanes8,
    rest: (_ sum: Float, _ i: Int) -> Float
  ) -> Float {
    let zero = Lanes8(repeating: 0)
    var (a, b, c, d) = (zero, zero, zero, zero)
    let whole = count & ~7
    var i = 0
    while i &+ 32 <= whole {
      a = add(a, i)
      b = add(b, i &+ 8)
      c = add(c, i &+ 16)
      d = add(d, i &+ 24)
      i &+= 32
    }
    if i < whole { a = add(a, i) }
    if i &+ 8 < whole { b = add(b, i &+ 8) }
    if i &+ 16 < whole { c = add(c, i &+ 16) }
    guard whole < count else { return ((a + b) + (c + d)).sum }
    // The last few go to the accumulators of their own positions.
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: 32) { memory in
      guard let lanes = memory.baseAddress else { return 0 }
      a.store(lanes)
      b.store(lanes + 8)
      c.store(lanes + 16)
      d.store(lanes + 24)
      for j in whole..<count { lanes[j & 31] = rest(lanes[j & 31], j) }
      return ((Lanes8(lanes) + Lanes8(lanes + 8)) + (Lanes8(lanes + 16) + Lanes8(lanes + 24))).sum
    }
  }

  @inline(__always)
  static func sum(_ x: Input, count: Int) -> Float {
    total(count) {
      $0 + Lanes8(x + $1)
    } rest: {
      $0 + x[$1]
    }
  }

  @inline(__always)
  static func dot(_ x: Input, _ y: Input, count: Int) -> Float {
    total(count) {
      Lanes8.fma(Lanes8(x + $1), Lanes8(y + $1), $0)
    } rest: {
      fused(x[$1], y[$1], $0)
    }
  }
}

extension Loops {
  package static func sumOfSquares(
    _ x: UnsafePointer<Float>, minus mean: Float, count: Int
  ) -> Float {
    let means = Lanes8(repeating: mean)
    return Reduction.total(count) { sum, i in
      let y = Lanes8(x + i) - means
      return Lanes8.fma(y, y, sum)
    } rest: { sum, i in
      let y = x[i] - mean
      return fused(y, y, sum)
    }
  }

  package static func sum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    Reduction.sum(x, count: count)
  }

  package static func dot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int
  ) -> Float {
    Reduction.dot(x, y, count: count)
  }

  package static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var result = -Float.infinity
    let whole = count & ~7
    if whole > 0 {
      var lanes = Lanes8(x)
      var i = 8
      while i < whole {
        lanes = Lanes8.maximum(Lanes8(x + i), lanes)
        i &+= 8
      }
      result = lanes.largest
    }
    for j in whole..<count { result = x[j] > result ? x[j] : result }
    return result
  }
}
