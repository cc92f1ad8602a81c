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
    var lanes = SIMD8<Float>(repeating: -.infinity)
    let whole = count & ~7
    var i = 0
    while i < whole {
      let next = load(x + i)
      lanes.replace(with: next, where: next .> lanes)
      i += 8
    }
    var result = -Float.infinity
    for lane in lanes.indices { result = lanes[lane] > result ? lanes[lane] : result }
    for j in whole..<count { result = x[j] > result ? x[j] : result }
    return result
  }

  /// Adds weighted rows to a sum: `y += a_0 x_0 + a_1 x_1 + ...`, in this order.
  ///
  /// Eight elements stay in registers over all rows; an element's bits depend on no other.
  ///
  /// - Parameters:
  ///   - a: The weights, one a row.
  ///   - x: The first row.
  ///   - stride: Floats from one row to the next.
  ///   - rows: How many rows.
  ///   - y: The sum, in and out; overlaps nothing.
  ///   - count: Elements of a row that are summed.
  public static func addWeighted(
    _ a: UnsafePointer<Float>, _ x: UnsafePointer<Float>, stride: Int, rows: Int,
    to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    var k = 0
    while k + 8 <= count {
      var sum = load(y + k)
      var element = x + k
      for row in 0..<rows {
        sum += load(element) * SIMD8<Float>(repeating: a[row])
        element += stride
      }
      UnsafeMutableRawPointer(y + k).storeBytes(of: sum, as: SIMD8<Float>.self)
      k += 8
    }
    while k < count {
      var sum = y[k]
      var element = x + k
      for row in 0..<rows {
        sum += element.pointee * a[row]
        element += stride
      }
      y[k] = sum
      k += 1
    }
  }
}
