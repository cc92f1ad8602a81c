/// Natural logarithm and powers, element by element.
enum Logarithm {
  /// ln x within 1 ulp, denormals included; -infinity at 0, NaN below.
  ///
  /// The argument is brought to sqrt(1/2) ... sqrt(2), then the polynomial of Cephes' `logf`
  /// (Moshier 1989); the exponent is multiplied by ln 2 in two parts.
  @inline(__always)
  static func value(_ x: Float) -> Float {
    let denormal = x < 0x1p-126
    let normal = denormal ? x * 0x1p23 : x
    let exponentBias: Float = denormal ? 23 : 0
    // Subtracting the bits of sqrt(1/2) makes the exponent field the one that centres m on 1.
    let bits = Int32(bitPattern: normal.bitPattern) &- 0x3F35_04F3
    let e = Float(bits &>> 23) - exponentBias
    let m = Float(bitPattern: UInt32(bitPattern: (bits & 0x007F_FFFF) &+ 0x3F35_04F3))
    let f = m - 1
    var p: Float = 7.037_683_629_2e-2
    p = fused(p, f, -1.151_461_031_0e-1)
    p = fused(p, f, 1.167_699_874_0e-1)
    p = fused(p, f, -1.242_014_084_6e-1)
    p = fused(p, f, 1.424_932_278_7e-1)
    p = fused(p, f, -1.666_805_766_5e-1)
    p = fused(p, f, 2.000_071_476_5e-1)
    p = fused(p, f, -2.499_999_399_3e-1)
    p = fused(p, f, 3.333_333_117_4e-1)
    let square = f * f
    var low = p * f * square
    low = fused(e, -2.121_944_4e-4, low)
    low = fused(-0.5, square, low)
    let finite = fused(e, 0.693_359_375, f + low)
    var result = x == 0 ? -Float.infinity : finite
    result = x == Float.infinity ? x : result
    return x >= 0 ? result : Float.nan
  }

  /// x to the power p for x > 0, as exp(p ln x): relative error about (1 + |p ln x|) ulp.
  @inline(__always)
  static func power(_ x: Float, _ p: Float) -> Float { Exponential.value(p * value(x)) }
}

extension Loops {
  public static func log(_ x: UnsafeMutablePointer<Float>, count: Int, floor: Float) {
    for i in 0..<count { x[i] = Logarithm.value(x[i] > floor ? x[i] : floor) }
  }
}
