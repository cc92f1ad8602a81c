import Kernels

/// The hyperbolic tangent.
enum HyperbolicTangent {
  /// tanh x.
  ///
  /// Below 0.625 the odd polynomial of Cephes' `tanhf` (Moshier 1989), above it
  /// 1 - 2 / (e^2|x| + 1); both are computed and one is taken, so that there is no branch.
  @inline(__always)
  static func value(_ x: Lanes8) -> Lanes8 {
    func constant(_ value: Float) -> Lanes8 { Lanes8(repeating: value) }
    let signBit = SIMD8<Int32>(repeating: Int32.min)
    let sign = x.bits & signBit
    let magnitude = Lanes8(bits: x.bits & SIMD8<Int32>(repeating: Int32.max))
    let square = x * x
    var p = constant(-5.704_988_727_45e-3)
    p = Lanes8.fma(p, square, constant(2.063_908_879_54e-2))
    p = Lanes8.fma(p, square, constant(-5.373_971_635_5e-2))
    p = Lanes8.fma(p, square, constant(1.333_144_186_13e-1))
    p = Lanes8.fma(p, square, constant(-3.333_328_220_76e-1))
    let small = Lanes8.fma(p * square, x, x)
    let one = constant(1)
    let large = one - constant(2) / (Exponential.value(magnitude + magnitude) + one)
    let signed = Lanes8(bits: large.bits | sign)
    return Lanes8.select(magnitude, lessThan: constant(0.625), small, else: signed)
  }
}

extension Loops {
  package static func tanh(_ x: UnsafeMutablePointer<Float>, count: Int) {
    Lanes8.map(x, count: count) { HyperbolicTangent.value($0) }
  }
}
