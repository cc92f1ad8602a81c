import Kernels

/// exp, and the logistic function made from it.
///
/// Straight-line code without branches. Every element is computed alike, wherever it stands: the same
/// input gives the same bits.
enum Exponential {
  /// e to the power x.
  ///
  /// Range reduction x = n ln 2 + r with ln 2 in two parts, then the polynomial of Cephes' `expf`
  /// (S. L. Moshier, Methods and Programs for Mathematical Functions, 1989), then n into the
  /// exponent.
  @inline(__always)
  static func value(_ x: Lanes8) -> Lanes8 {
    func constant(_ value: Float) -> Lanes8 { Lanes8(repeating: value) }
    // The least floats whose exponentials are infinite, and 2^-126 or more.
    let overflow = constant(0x1.62e43p6)
    let underflow = constant(-0x1.5d589ep6)
    var clamped = Lanes8.select(x, lessThan: overflow, x, else: overflow)
    clamped = Lanes8.select(underflow, lessThan: clamped, clamped, else: underflow)
    let (mantissa, shifted) = split(clamped)
    let scaled = Lanes8(bits: mantissa.bits &+ (shifted.bits &<< 23))
    let infinity = constant(.infinity)
    // A NaN is neither less than the one limit nor less than infinity.
    var result = Lanes8.select(x, lessThan: overflow, scaled, else: x + infinity)
    result = Lanes8.select(x, lessThan: underflow, constant(0), else: result)
    return result
  }

  /// What is added to a number below 2^22 to leave the nearest integer in the low bits of the sum:
  /// 1.5 x 2^23.
  static var magic: Lanes8 {
    @inline(__always) get { Lanes8(repeating: 12_582_912) }
  }

  /// e to the power x = mantissa 2^n.
  ///
  /// - Returns: The mantissa, between 0.7 and 1.42, and n + `magic`.
  @inline(__always)
  static func split(_ x: Lanes8) -> (mantissa: Lanes8, shifted: Lanes8) {
    let (q, shifted) = splitLessOne(x)
    return (q + Lanes8(repeating: 1), shifted)
  }

  /// e to the power x = (1 + q) 2^n.
  ///
  /// - Returns: q, to its own last bits, and n + `magic`.
  @inline(__always)
  static func splitLessOne(_ x: Lanes8) -> (q: Lanes8, shifted: Lanes8) {
    func constant(_ value: Float) -> Lanes8 { Lanes8(repeating: value) }
    let shifted = Lanes8.fma(x, constant(1.442_695_04), magic)
    let n = shifted - magic
    var r = Lanes8.fma(n, constant(-0.693_359_375), x)
    r = Lanes8.fma(n, constant(2.121_944_4e-4), r)
    var p = constant(1.987_569_15e-4)
    p = Lanes8.fma(p, r, constant(1.398_199_950_7e-3))
    p = Lanes8.fma(p, r, constant(8.333_451_907_3e-3))
    p = Lanes8.fma(p, r, constant(4.166_579_589_4e-2))
    p = Lanes8.fma(p, r, constant(1.666_666_545_9e-1))
    p = Lanes8.fma(p, r, constant(5.000_000_120_1e-1))
    return (Lanes8.fma(p, r * r, r), shifted)
  }

  /// value 2^k for whole numbers k of at most 0; zero where k is below -120.
  @inline(__always)
  static func scaled(_ value: Lanes8, byPowerOfTwo k: Lanes8) -> Lanes8 {
    let scaled = Lanes8(bits: value.bits &+ ((k + magic).bits &<< 23))
    return Lanes8.select(
      k, lessThan: Lanes8(repeating: -120), Lanes8(repeating: 0), else: scaled)
  }

  /// The logistic function, 1 / (1 + e^-x).
  @inline(__always)
  static func logistic(_ x: Lanes8) -> Lanes8 {
    let one = Lanes8(repeating: 1)
    return one / (one + value(-x))
  }
}

extension Exponential {
  /// The logistic function of a number that is none of NaN and the infinities, as sums of finite
  /// weights and states are: what a gate does, in fewer operations.
  ///
  /// Within the same bounds; below -87 and above 87 it is as at those.
  @inline(__always)
  static func gate(_ x: Lanes8) -> Lanes8 {
    let bound = Lanes8(repeating: 87)
    let low = Lanes8.select(x, lessThan: -bound, -bound, else: x)
    let y = Lanes8.select(bound, lessThan: low, bound, else: low)
    let (mantissa, shifted) = split(-y)
    let power = Lanes8(bits: mantissa.bits &+ (shifted.bits &<< 23))
    let one = Lanes8(repeating: 1)
    return one / (one + power)
  }
}

extension Loops {
  package static func exp(_ x: UnsafeMutablePointer<Float>, count: Int) {
    Lanes8.map(x, count: count) { Exponential.value($0) }
  }

  package static func expSum(
    _ x: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float
  ) -> Float {
    let maxima = Lanes8(repeating: maximum)
    Lanes8.map(x, count: count) { Exponential.value($0 - maxima) }
    return Reduction.sum(x, count: count)
  }

  package static func sigmoid(_ x: UnsafeMutablePointer<Float>, count: Int) {
    Lanes8.map(x, count: count) { Exponential.logistic($0) }
  }
}
