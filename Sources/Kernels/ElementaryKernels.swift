/// Elementary functions element by element, sums and products.
///
/// Sums have thirty-two accumulators by position modulo thirty-two: the order that four vector
/// registers of eight give. They are added a + (a+8), (a+16) + (a+24), then both, then 0+4, 1+5, 2+6,
/// 3+7, then 0+2, 1+3, then both.
public protocol ElementaryKernels {
  /// Replaces each element by its exponential: within 1 ulp, zero where that is below 2^-126.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - count: How many.
  static func exp(_ x: UnsafeMutablePointer<Float>, count: Int)

  /// Replaces each element x by exp(x - maximum) and returns their sum.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - count: How many.
  ///   - maximum: What is subtracted first, so that no exponential overflows.
  /// - Returns: The sum of the results.
  static func expSum(
    _ x: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float
  ) -> Float

  /// Replaces each element x by 1 / (1 + e^-x): within 3 ulp.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - count: How many.
  static func sigmoid(_ x: UnsafeMutablePointer<Float>, count: Int)

  /// Replaces each element by its hyperbolic tangent: within 2 ulp.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - count: How many.
  static func tanh(_ x: UnsafeMutablePointer<Float>, count: Int)

  /// Replaces each element x by ln(max(x, floor)): within 1 ulp of the nearest float, denormals
  /// included.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - count: How many.
  ///   - floor: Least argument; a NaN counts as less.
  static func log(_ x: UnsafeMutablePointer<Float>, count: Int, floor: Float)

  /// Multiply-adds of a round of `multiplyAdds`.
  static var multiplyAddsARound: Int { get }

  /// Multiplies and adds on registers alone, as fast as the processor can: the peak that other loops
  /// are measured by.
  ///
  /// - Parameter rounds: How often.
  /// - Returns: A sum of everything, so that everything has to be computed.
  static func multiplyAdds(rounds: Int) -> Float

  /// Sum of `count` elements.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - count: How many.
  /// - Returns: The sum.
  static func sum(_ x: UnsafePointer<Float>, count: Int) -> Float

  /// Sum of the products of two arrays.
  ///
  /// - Parameters:
  ///   - x: The one.
  ///   - y: The other.
  ///   - count: Elements of each.
  /// - Returns: The dot product.
  static func dot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int
  ) -> Float

  /// Sum of the squares of `count` elements, a mean subtracted from each.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - mean: What is subtracted.
  ///   - count: How many.
  /// - Returns: The sum of squares.
  static func sumOfSquares(_ x: UnsafePointer<Float>, minus mean: Float, count: Int) -> Float

  /// Largest of `count` elements, none of them NaN; -infinity when there is none.
  ///
  /// - Parameters:
  ///   - x: The elements.
  ///   - count: How many.
  /// - Returns: The maximum.
  static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float
}
