/// Floats as numbers of half precision (IEEE 754 binary16).
///
/// Without an instruction for it `Float16` converts by a call into the runtime for each number, a
/// tenth of the time in which a program with a model starts; normal numbers need no more than moving
/// bits.
public enum HalfPrecision {
  /// What the exponents' biases differ by: 127 - 15.
  private static let bias: UInt32 = 112

  /// The number of half precision of the same value.
  ///
  /// - Parameter value: A float.
  /// - Returns: Its bits; nil if there is none.
  public static func bits(exactly value: Float) -> UInt16? {
    let wide = value.bitPattern
    // Most floats have more bits of mantissa, which is seen at once.
    guard wide & 0x1FFF == 0 else { return nil }
    let exponent = wide >> 23 & 0xFF
    guard exponent > bias, exponent < bias + 0x1F else {
      let half = Float16(value)
      return Float(half) == value ? half.bitPattern : nil
    }
    return UInt16(wide >> 16 & 0x8000 | (exponent - bias) << 10 | wide >> 13 & 0x3FF)
  }

  /// Whether every number is one of half precision.
  ///
  /// - Parameter values: The numbers.
  /// - Returns: Whether nothing is lost by holding them in 16 bits.
  public static func holds(_ values: [Float]) -> Bool {
    values.allSatisfy { bits(exactly: $0) != nil }
  }
}
