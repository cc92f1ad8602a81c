/// The hyperbolic tangent, element by element.
enum HyperbolicTangent {
  /// tanh x within 2 ulp.
  ///
  /// Below 0.625 the odd polynomial of Cephes' `tanhf` (Moshier 1989), above it
  /// 1 - 2 / (e^2|x| + 1); both are computed and one is taken, so that there is no branch.
  @inline(__always)
  static func value(_ x: Float) -> Float {
    let sign = x.bitPattern & 0x8000_0000
    let magnitude = Float(bitPattern: x.bitPattern & 0x7FFF_FFFF)
    let square = x * x
    var p: Float = -5.704_988_727_45e-3
    p = fused(p, square, 2.063_908_879_54e-2)
    p = fused(p, square, -5.373_971_635_5e-2)
    p = fused(p, square, 1.333_144_186_13e-1)
    p = fused(p, square, -3.333_328_220_76e-1)
    let small = fused(p * square, x, x)
    let large = 1 - 2 / (Exponential.value(2 * magnitude) + 1)
    let signed = Float(bitPattern: large.bitPattern | sign)
    return magnitude < 0.625 ? small : signed
  }
}

extension Loops {
  public static func tanh(_ x: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { x[i] = HyperbolicTangent.value(x[i]) }
  }
}
