/// Scores, and softmax-weighted sums over a window.
///
/// An exponential is held as `exp(z) = w 2^n` with a whole number n and w between 0.7 and 1.42: sums
/// of exponentials of any size are then brought to a common scale by powers of two, which is exact,
/// however often it is done.
///
/// Rows are as long as a multiple of eight, zeros at their ends.
public protocol AttentionKernels {
  /// `z_i = factor q . a_i`, held within -2^20 ... 2^20.
  ///
  /// Each score has eight accumulators by position modulo eight, added 0+4, 1+5, 2+6, 3+7, then
  /// 0+2, 1+3, then both.
  ///
  /// - Parameters:
  ///   - query: q.
  ///   - keys: The first key. Memory can be read, and holds numbers, up to `rows` rounded up to a
  ///     multiple of eight.
  ///   - stride: Floats from one key to the next.
  ///   - rows: How many keys.
  ///   - count: Elements of a key, a multiple of eight.
  ///   - factor: What every score is multiplied by.
  ///   - z: Receives the scores, and up to the next multiple of eight what has no meaning.
  static func dotScores(
    _ query: UnsafePointer<Float>, _ keys: UnsafePointer<Float>, stride: Int, rows: Int,
    count: Int, factor: Float, into z: UnsafeMutablePointer<Float>)

  /// `z_i = v . tanh(q + a_i)`, held within -2^20 ... 2^20, added up as in `dotScores`.
  ///
  /// - Parameters:
  ///   - query: q.
  ///   - vector: v.
  ///   - keys: The first key.
  ///   - stride: Floats from one key to the next.
  ///   - rows: How many keys.
  ///   - count: Elements of a key, a multiple of eight.
  ///   - z: Receives the scores.
  static func additiveScores(
    _ query: UnsafePointer<Float>, vector: UnsafePointer<Float>, _ keys: UnsafePointer<Float>,
    stride: Int, rows: Int, count: Int, into z: UnsafeMutablePointer<Float>)

  /// Adds softmax-weighted values to a sum: `s += exp(z_i)`, `y += exp(z_i) v_i`, in this order.
  ///
  /// - Parameters:
  ///   - z: The scores, within -2^20 ... 2^20; read up to the next multiple of eight.
  ///   - values: The first value.
  ///   - rows: How many values lie there, one or more.
  ///   - more: Where those behind them begin.
  ///   - moreRows: How many these are; together at most `SoftmaxSum.mostRows`.
  ///   - stride: Floats from one value to the next.
  ///   - y: The weighted sum, in and out, in the scale of `sum`.
  ///   - count: Elements of a value, a multiple of eight.
  ///   - sum: The sum of the weights and its scale.
  static func addAttended(
    _ z: UnsafePointer<Float>, _ values: UnsafePointer<Float>, rows: Int,
    then more: UnsafePointer<Float>, rows moreRows: Int, stride: Int,
    to y: UnsafeMutablePointer<Float>, count: Int, _ sum: inout SoftmaxSum)

  /// `exp(z_i) = w_i 2^n_i`.
  ///
  /// - Parameters:
  ///   - z: The scores, within -2^20 ... 2^20.
  ///   - count: How many.
  ///   - mantissas: Receives w; w is within 1 ulp for |z| <= 100.
  ///   - exponents: Receives n.
  static func splitExponentials(
    _ z: UnsafePointer<Float>, count: Int, mantissas: UnsafeMutablePointer<Float>,
    exponents: UnsafeMutablePointer<Float>)

  /// Holds every element within a bound either way.
  ///
  /// - Parameters:
  ///   - x: The elements, in and out.
  ///   - bound: The largest magnitude.
  ///   - count: Elements, a multiple of eight.
  static func clamp(_ x: UnsafeMutablePointer<Float>, to bound: Float, count: Int)

  /// `y = factor x`.
  ///
  /// - Parameters:
  ///   - x: The row.
  ///   - factor: The factor.
  ///   - y: Receives the result; may be x.
  ///   - count: Elements, a multiple of eight.
  static func scale(
    _ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>, count: Int)

  /// `y = old y + new x`, with what rounding lost kept beside it (Kahan 1965), so that the error does
  /// not grow with the number of additions.
  ///
  /// - Parameters:
  ///   - x: The row that is added.
  ///   - factors: Powers of two or zero: what x and y are multiplied by.
  ///   - y: The sum, in and out.
  ///   - lost: What y has too much, in and out.
  ///   - count: Elements, a multiple of eight.
  static func addCompensated(
    _ x: UnsafePointer<Float>, _ factors: (new: Float, old: Float),
    to y: UnsafeMutablePointer<Float>, lost: UnsafeMutablePointer<Float>, count: Int)

  /// Asks for memory that will be read soon.
  ///
  /// - Parameters:
  ///   - x: Where it begins.
  ///   - count: Floats.
  static func fetch(_ x: UnsafePointer<Float>, count: Int)

  /// `y = a f_a + b f_b + c f_c`.
  ///
  /// - Parameters:
  ///   - a: A row.
  ///   - b: Another.
  ///   - c: A third.
  ///   - factors: What they are multiplied by.
  ///   - y: Receives the result.
  ///   - count: Elements, a multiple of eight.
  static func combine(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>,
    _ factors: (Float, Float, Float), into y: UnsafeMutablePointer<Float>, count: Int)
}

/// The sum of the weights of a softmax under way: `total 2^exponent`.
public struct SoftmaxSum {
  /// Most rows that are added at a time: their keys and values stay in the nearest cache.
  public static var mostRows: Int { 128 }

  /// The scale: the largest exponent so far.
  public var exponent: Float
  /// The sum of the weights in that scale.
  public var total: Float

  /// Nothing, yet.
  @inline(__always)
  public init() {
    exponent = -0x1p22
    total = 0
  }

  /// 2^k, exactly, for a whole number k of at most 0; zero below -120, where nothing is left of a
  /// summand beside one of the scale.
  ///
  /// - Parameter k: The power.
  /// - Returns: 2^k.
  @inline(__always)
  public static func powerOfTwo(_ k: Float) -> Float {
    k < -120 ? 0 : Float(bitPattern: UInt32(truncatingIfNeeded: Int32(k) &+ 127) &<< 23)
  }
}
