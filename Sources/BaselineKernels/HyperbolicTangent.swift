import Kernels

/// The hyperbolic tangent.
enum HyperbolicTangent {
  /// tanh x = m / (m + 2) with m = e^2|x| - 1, and the sign of x.
  ///
  /// m comes from the exponential's own parts, e^y = 2^n (1 + q): m = 2^n q + (2^n - 1). For small x
  /// n is 0 and m is q itself, so that nothing cancels, without a branch. Beyond |x| = 10 the result
  /// is 1.
  @inline(__always)
  static func value(_ x: Lanes8) -> Lanes8 {
    let sign = x.bits & SIMD8<Int32>(repeating: Int32.min)
    let magnitude = Lanes8(bits: x.bits & SIMD8<Int32>(repeating: Int32.max))
    let bound = Lanes8(repeating: 20)
    let doubled = magnitude + magnitude
    // A NaN is not above the bound: it goes on.
    let y = Lanes8.select(bound, lessThan: doubled, bound, else: doubled)
    let (q, shifted) = Exponential.splitLessOne(y)
    let one = Lanes8(repeating: 1)
    let power = Lanes8(bits: one.bits &+ (shifted.bits &<< 23))
    let m = Lanes8.fma(power, q, power - one)
    let result = m / (m + Lanes8(repeating: 2))
    return Lanes8(bits: result.bits | sign)
  }
}

extension Loops {
  package static func tanh(_ x: UnsafeMutablePointer<Float>, count: Int) {
    Lanes8.map(x, count: count) { HyperbolicTangent.value($0) }
  }
}
