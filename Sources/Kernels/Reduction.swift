/// Sums, products and maxima over an array, in an order that depends on nothing but its length.
///
/// Eight accumulators by position modulo eight, then 0+4, 1+5, 2+6, 3+7, then pairwise: the order
/// that one vector register of eight floats gives.
public enum Reduction {
  @inline(__always)
  private static func tree(_ a: SIMD8<Float>) -> Float {
    let half = a.lowHalf + a.highHalf
    let quarter = half.lowHalf + half.highHalf
    return quarter.x + quarter.y
  }

  @inline(__always)
  private static func load(_ p: UnsafePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Float>.self)
  }

  /// Sum of `count` elements.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - count: How many.
  /// - Returns: The sum.
  public static func sum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var lanes = SIMD8<Float>(repeating: 0)
    let whole = count & ~7
    var i = 0
    while i < whole {
      lanes += load(x + i)
      i += 8
    }
    for j in whole..<count { lanes[j - whole] += x[j] }
    return tree(lanes)
  }

  /// Sum of the products of two arrays.
  ///
  /// - Parameters:
  ///   - x: The one.
  ///   - y: The other.
  ///   - count: Elements of each.
  /// - Returns: The dot product.
  public static func dot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int
  ) -> Float {
    var lanes = SIMD8<Float>(repeating: 0)
    let whole = count & ~7
    var i = 0
    while i < whole {
      lanes += load(x + i) * load(y + i)
      i += 8
    }
    for j in whole..<count { lanes[j - whole] += x[j] * y[j] }
    return tree(lanes)
  }

  /// Largest of `count` elements, none of them NaN; -infinity when there is none.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - count: How many.
  /// - Returns: The maximum.
  public static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var result = -Float.infinity
    for i in 0..<count { result = x[i] > result ? x[i] : result }
    return result
  }

  /// Adds a multiple of one array to another: `y += a x`.
  ///
  /// - Parameters:
  ///   - a: The factor.
  ///   - x: The array that is added.
  ///   - y: The array that is added to.
  ///   - count: Elements of each.
  public static func addMultiple(
    _ a: Float, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { y[i] += a * x[i] }
  }
}
