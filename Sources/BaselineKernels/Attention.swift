import Kernels

extension Loops {
  package static func dotScores(
    _ query: UnsafePointer<Float>, _ keys: UnsafePointer<Float>, stride: Int, rows: Int,
    count: Int, factor: Float, into z: UnsafeMutablePointer<Float>
  ) {
    let factors = Lanes8(repeating: factor)
    var key = keys
    var row = 0
    // The last few as eight, too: how many are left is new at every step of a ring, and a branch
    // that nobody can foresee costs more than a key.
    while row < rows {
      let scores = Softmax.dotScores(query, key, stride: stride, count: count)
      Softmax.bounded(scores * factors).store(z + row)
      key += 8 &* stride
      row &+= 8
    }
  }

  package static func additiveScores(
    _ query: UnsafePointer<Float>, vector: UnsafePointer<Float>, _ keys: UnsafePointer<Float>,
    stride: Int, rows: Int, count: Int, into z: UnsafeMutablePointer<Float>
  ) {
    var key = keys
    for row in 0..<rows {
      var sum = Lanes8(repeating: 0)
      var k = 0
      while k < count {
        let t = HyperbolicTangent.value(Lanes8(query + k) + Lanes8(key + k))
        sum = Lanes8.fma(Lanes8(vector + k), t, sum)
        k &+= 8
      }
      z[row] = Softmax.bounded(sum.sum)
      key += stride
    }
  }

  package static func addAttended(
    _ z: UnsafePointer<Float>, _ values: UnsafePointer<Float>, rows: Int,
    then more: UnsafePointer<Float>, rows moreRows: Int, stride: Int,
    to y: UnsafeMutablePointer<Float>, count: Int, _ sum: inout SoftmaxSum
  ) {
    guard rows > 0 else { return }
    let all = rows &+ moreRows
    let most = SoftmaxSum.mostRows
    // Temporary memory instead of an array: nothing is allocated.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 &* most) { memory in
      guard let weights = memory.baseAddress else { return }
      let exponents = weights + most
      let largest = Softmax.split(z, all, weights, exponents)
      if largest > sum.exponent {
        let factor = SoftmaxSum.powerOfTwo(sum.exponent - largest)
        sum.exponent = largest
        sum.total *= factor
        scale(y, by: factor, into: y, count: count)
      }
      sum.total += Softmax.weigh(weights, exponents, all, against: sum.exponent)
      Softmax.addWeighted(weights, values, stride, rows, to: y, count)
      Softmax.addWeighted(weights + rows, more, stride, moreRows, to: y, count)
    }
  }

  package static func splitExponentials(
    _ z: UnsafePointer<Float>, count: Int, mantissas: UnsafeMutablePointer<Float>,
    exponents: UnsafeMutablePointer<Float>
  ) {
    var i = 0
    while i &+ 8 <= count {
      let (mantissa, shifted) = Exponential.split(Lanes8(z + i))
      mantissa.store(mantissas + i)
      (shifted - Exponential.magic).store(exponents + i)
      i &+= 8
    }
    while i < count {
      // All lanes alike: the same operations as in company.
      let (mantissa, shifted) = Exponential.split(Lanes8(repeating: z[i]))
      mantissas[i] = mantissa.largest
      exponents[i] = (shifted - Exponential.magic).largest
      i &+= 1
    }
  }

  package static func clamp(_ x: UnsafeMutablePointer<Float>, to bound: Float, count: Int) {
    let (low, high) = (Lanes8(repeating: -bound), Lanes8(repeating: bound))
    var i = 0
    while i < count {
      let y = Lanes8.select(Lanes8(Input(x + i)), lessThan: low, low, else: Lanes8(Input(x + i)))
      Lanes8.select(high, lessThan: y, high, else: y).store(x + i)
      i &+= 8
    }
  }

  package static func scale(
    _ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    let factors = Lanes8(repeating: factor)
    var i = 0
    while i < count {
      (Lanes8(x + i) * factors).store(y + i)
      i &+= 8
    }
  }

  package static func addCompensated(
    _ x: UnsafePointer<Float>, _ factors: (new: Float, old: Float),
    to y: UnsafeMutablePointer<Float>, lost: UnsafeMutablePointer<Float>, count: Int
  ) {
    let (new, old) = (Lanes8(repeating: factors.new), Lanes8(repeating: factors.old))
    var i = 0
    while i < count {
      // The factors are powers of two: only the addition rounds.
      let addend = Lanes8(x + i) * new - Lanes8(Input(lost + i)) * old
      let sum = Lanes8(Input(y + i)) * old
      let next = sum + addend
      ((next - sum) - addend).store(lost + i)
      next.store(y + i)
      i &+= 8
    }
  }

  package static func fetch(_ x: UnsafePointer<Float>, count: Int) {
    var i = 0
    while i < count {
      Lanes8.fetch(x + i)
      i &+= 16
    }
  }

  package static func combine(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>,
    _ factors: (Float, Float, Float), into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    let fa = Lanes8(repeating: factors.0)
    let fb = Lanes8(repeating: factors.1)
    let fc = Lanes8(repeating: factors.2)
    var i = 0
    while i < count {
      let sum = Lanes8.fma(Lanes8(b + i), fb, Lanes8(a + i) * fa)
      Lanes8.fma(Lanes8(c + i), fc, sum).store(y + i)
      i &+= 8
    }
  }
}

/// The parts of a softmax over some rows.
private enum Softmax {
  /// The products of q and eight rows.
  @inline(__always)
  static func dotScores(_ query: Input, _ keys: Input, stride: Int, count: Int) -> Lanes8 {
    func row(_ i: Int) -> Input { keys + i &* stride }
    let (p0, p1, p2, p3) = (row(0), row(1), row(2), row(3))
    let (p4, p5, p6, p7) = (row(4), row(5), row(6), row(7))
    let zero = Lanes8(repeating: 0)
    var (s0, s1, s2, s3) = (zero, zero, zero, zero)
    var (s4, s5, s6, s7) = (zero, zero, zero, zero)
    var k = 0
    while k < count {
      let e = Lanes8(query + k)
      s0 = Lanes8.fma(Lanes8(p0 + k), e, s0)
      s1 = Lanes8.fma(Lanes8(p1 + k), e, s1)
      s2 = Lanes8.fma(Lanes8(p2 + k), e, s2)
      s3 = Lanes8.fma(Lanes8(p3 + k), e, s3)
      s4 = Lanes8.fma(Lanes8(p4 + k), e, s4)
      s5 = Lanes8.fma(Lanes8(p5 + k), e, s5)
      s6 = Lanes8.fma(Lanes8(p6 + k), e, s6)
      s7 = Lanes8.fma(Lanes8(p7 + k), e, s7)
      k &+= 8
    }
    return Lanes8.sums((s0, s1, s2, s3, s4, s5, s6, s7))
  }

  /// Far beyond any sensible score, and still a number whose exponential can be split.
  @inline(__always)
  static func bounded(_ z: Lanes8) -> Lanes8 {
    let bound = Lanes8(repeating: 0x1p20)
    let low = Lanes8.select(z, lessThan: -bound, -bound, else: z)
    return Lanes8.select(bound, lessThan: low, bound, else: low)
  }

  @inline(__always)
  static func bounded(_ z: Float) -> Float {
    let low = z < -0x1p20 ? -0x1p20 : z
    return 0x1p20 < low ? 0x1p20 : low
  }

  /// The first `left` lanes of `a`, all if there are no more; those of `b` behind.
  @inline(__always)
  private static func within(_ left: Int, _ a: Lanes8, else b: Lanes8) -> Lanes8 {
    Lanes8.select(
      Lanes8(0, 1, 2, 3, 4, 5, 6, 7), lessThan: Lanes8(repeating: Float(left)), a, else: b)
  }

  /// Exponentials as mantissa and exponent; the last few as eight, too.
  ///
  /// - Returns: The largest exponent.
  @inline(__always)
  static func split(_ z: Input, _ rows: Int, _ weights: Output, _ exponents: Output) -> Float {
    var largest = Lanes8(repeating: -0x1p22)
    // What follows the last score has no meaning: it is the last one once more, here.
    let last = Lanes8(repeating: z[rows &- 1])
    var i = 0
    while i < rows {
      let (mantissa, shifted) = Exponential.split(within(rows &- i, Lanes8(z + i), else: last))
      let n = shifted - Exponential.magic
      mantissa.store(weights + i)
      n.store(exponents + i)
      largest = Lanes8.maximum(n, largest)
      i &+= 8
    }
    return largest.largest
  }

  /// Mantissas and exponents -> weights in one scale, eight sums by position modulo eight.
  ///
  /// - Returns: The sum of the weights.
  @inline(__always)
  static func weigh(
    _ weights: Output, _ exponents: Output, _ rows: Int, against largest: Float
  ) -> Float {
    let scale = Lanes8(repeating: largest)
    var sum = Lanes8(repeating: 0)
    var i = 0
    while i < rows {
      let weight = Exponential.scaled(
        Lanes8(Input(weights + i)), byPowerOfTwo: Lanes8(Input(exponents + i)) - scale)
      weight.store(weights + i)
      sum = sum + within(rows &- i, weight, else: Lanes8(repeating: 0))
      i &+= 8
    }
    return sum.sum
  }

  /// `y += w_0 x_0 + w_1 x_1 + ...`, in this order.
  ///
  /// As many elements as fit stay in registers over all rows.
  @inline(__always)
  static func addWeighted(
    _ w: Output, _ x: Input, _ stride: Int, _ rows: Int, to y: Output, _ count: Int
  ) {
    var k = 0
    while k &+ 64 <= count {
      eight(w, x + k, stride, rows, to: y + k)
      k &+= 64
    }
    while k &+ 32 <= count {
      four(w, x + k, stride, rows, to: y + k)
      k &+= 32
    }
    while k < count {
      one(w, x + k, stride, rows, to: y + k)
      k &+= 8
    }
  }

  @inline(__always)
  private static func eight(_ w: Output, _ x: Input, _ stride: Int, _ rows: Int, to y: Output) {
    let r = Input(y)
    var (s0, s1, s2, s3) = (Lanes8(r), Lanes8(r + 8), Lanes8(r + 16), Lanes8(r + 24))
    var (s4, s5, s6, s7) = (Lanes8(r + 32), Lanes8(r + 40), Lanes8(r + 48), Lanes8(r + 56))
    var p = x
    for row in 0..<rows {
      let weight = Lanes8(repeating: w[row])
      s0 = Lanes8.fma(Lanes8(p), weight, s0)
      s1 = Lanes8.fma(Lanes8(p + 8), weight, s1)
      s2 = Lanes8.fma(Lanes8(p + 16), weight, s2)
      s3 = Lanes8.fma(Lanes8(p + 24), weight, s3)
      s4 = Lanes8.fma(Lanes8(p + 32), weight, s4)
      s5 = Lanes8.fma(Lanes8(p + 40), weight, s5)
      s6 = Lanes8.fma(Lanes8(p + 48), weight, s6)
      s7 = Lanes8.fma(Lanes8(p + 56), weight, s7)
      p += stride
    }
    s0.store(y)
    s1.store(y + 8)
    s2.store(y + 16)
    s3.store(y + 24)
    s4.store(y + 32)
    s5.store(y + 40)
    s6.store(y + 48)
    s7.store(y + 56)
  }

  @inline(__always)
  private static func four(_ w: Output, _ x: Input, _ stride: Int, _ rows: Int, to y: Output) {
    let r = Input(y)
    var (s0, s1, s2, s3) = (Lanes8(r), Lanes8(r + 8), Lanes8(r + 16), Lanes8(r + 24))
    var p = x
    for row in 0..<rows {
      let weight = Lanes8(repeating: w[row])
      s0 = Lanes8.fma(Lanes8(p), weight, s0)
      s1 = Lanes8.fma(Lanes8(p + 8), weight, s1)
      s2 = Lanes8.fma(Lanes8(p + 16), weight, s2)
      s3 = Lanes8.fma(Lanes8(p + 24), weight, s3)
      p += stride
    }
    s0.store(y)
    s1.store(y + 8)
    s2.store(y + 16)
    s3.store(y + 24)
  }

  @inline(__always)
  private static func one(_ w: Output, _ x: Input, _ stride: Int, _ rows: Int, to y: Output) {
    var sum = Lanes8(Input(y))
    var p = x
    for row in 0..<rows {
      sum = Lanes8.fma(Lanes8(p), Lanes8(repeating: w[row]), sum)
      p += stride
    }
    sum.store(y)
  }
}
