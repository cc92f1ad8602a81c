import Kernels

enum Logarithm {
  /// ln x; -infinity at 0, NaN below.
  ///
  /// The argument is brought to sqrt(1/2) ... sqrt(2), then the polynomial of Cephes' `logf`
  /// (Moshier 1989); the exponent is multiplied by ln 2 in two parts.
  @inline(__always)
  static func value(_ x: Lanes8) -> Lanes8 {
    func constant(_ value: Float) -> Lanes8 { Lanes8(repeating: value) }
    let zero = constant(0)
    let leastNormal = constant(0x1p-126)
    let normal = Lanes8.select(x, lessThan: leastNormal, x * constant(0x1p23), else: x)
    let bias = Lanes8.select(x, lessThan: leastNormal, constant(23), else: zero)
    // Subtracting the bits of sqrt(1/2) makes the exponent field the one that centres m on 1.
    let root = SIMD8<Int32>(repeating: 0x3F35_04F3)
    let bits = normal.bits &- root
    let e = Lanes8(bits &>> 23) - bias
    let m = Lanes8(bits: (bits & SIMD8<Int32>(repeating: 0x007F_FFFF)) &+ root)
    let f = m - constant(1)
    var p = constant(7.037_683_629_2e-2)
    p = Lanes8.fma(p, f, constant(-1.151_461_031_0e-1))
    p = Lanes8.fma(p, f, constant(1.167_699_874_0e-1))
    p = Lanes8.fma(p, f, constant(-1.242_014_084_6e-1))
    p = Lanes8.fma(p, f, constant(1.424_932_278_7e-1))
    p = Lanes8.fma(p, f, constant(-1.666_805_766_5e-1))
    p = Lanes8.fma(p, f, constant(2.000_071_476_5e-1))
    p = Lanes8.fma(p, f, constant(-2.499_999_399_3e-1))
    p = Lanes8.fma(p, f, constant(3.333_333_117_4e-1))
    let square = f * f
    var low = p * f * square
    low = Lanes8.fma(e, constant(-2.121_944_4e-4), low)
    low = Lanes8.fma(constant(-0.5), square, low)
    let finite = Lanes8.fma(e, constant(0.693_359_375), f + low)
    let infinity = constant(.infinity)
    var result = Lanes8.select(zero, lessThan: x, finite, else: -infinity)
    result = Lanes8.select(x, lessThan: infinity, result, else: x)
    // Below zero and for NaN; infinity is what it was.
    return Lanes8.select(x, lessThan: zero, constant(.nan), else: result)
  }

  /// x to the power p for x > 0, as exp(p ln x): relative error about (1 + |p ln x|) ulp.
  @inline(__always)
  static func power(_ x: Lanes8, _ p: Lanes8) -> Lanes8 { Exponential.value(p * value(x)) }
}

extension Loops {
  package static func log(_ x: UnsafeMutablePointer<Float>, count: Int, floor: Float) {
    let floors = Lanes8(repeating: floor)
    Lanes8.map(x, count: count) {
      Logarithm.value(Lanes8.select(floors, lessThan: $0, $0, else: floors))
    }
  }
}
