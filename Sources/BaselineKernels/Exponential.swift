/// exp, and the logistic function made from it, element by element.
///
/// Straight-line code without branches, so that the compiler turns a loop over it into vector
/// code. Every element is computed alike, wherever it stands: the same input gives the same bits.
enum Exponential {
  /// e to the power x, within 1 ulp; results below 2^-126 are zero.
  ///
  /// Range reduction x = n ln 2 + r with ln 2 in two parts, then the polynomial of Cephes' `expf`
  /// (S. L. Moshier, Methods and Programs for Mathematical Functions, 1989), then n into the
  /// exponent.
  @inline(__always)
  static func value(_ x: Float) -> Float {
    // The least floats whose exponentials are infinite, and 2^-126 or more.
    let overflow: Float = 0x1.62e43p6
    let underflow: Float = -0x1.5d589ep6
    var clamped = x < overflow ? x : overflow
    clamped = clamped > underflow ? clamped : underflow
    // Adding 1.5 x 2^23 leaves the nearest integer in the low bits of the sum.
    let magic: Float = 12_582_912
    let shifted = fused(clamped, 1.442_695_04, magic)
    let n = shifted - magic
    var r = fused(n, -0.693_359_375, clamped)
    r = fused(n, 2.121_944_4e-4, r)
    var p: Float = 1.987_569_15e-4
    p = fused(p, r, 1.398_199_950_7e-3)
    p = fused(p, r, 8.333_451_907_3e-3)
    p = fused(p, r, 4.166_579_589_4e-2)
    p = fused(p, r, 1.666_666_545_9e-1)
    p = fused(p, r, 5.000_000_120_1e-1)
    let mantissa = fused(p, r * r, r) + 1
    let scaled = Float(bitPattern: mantissa.bitPattern &+ (shifted.bitPattern &<< 23))
    var result = x < underflow ? 0 : scaled
    result = x >= overflow ? Float.infinity : result
    return x == x ? result : Float.nan
  }

  /// 1 / (1 + e^-x), within 3 ulp.
  @inline(__always)
  static func logistic(_ x: Float) -> Float { 1 / (1 + value(-x)) }
}

extension Loops {
  public static func exp(_ x: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { x[i] = Exponential.value(x[i]) }
  }

  public static func expSum(
    _ x: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float
  ) -> Float {
    for i in 0..<count { x[i] = Exponential.value(x[i] - maximum) }
    return Reduction.sum(x, count: count)
  }

  public static func sigmoid(_ x: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { x[i] = Exponential.logistic(x[i]) }
  }
}
