/// Matrix times vector for streams that step together, and what cells do with the sums.
///
/// The numbers of a stream lie in one block of memory, each vector at the same place in every
/// stream's block; a kernel is told the blocks and the places. A stream's bits do not depend on how
/// many others step beside it.
public protocol RecurrentKernels {
  /// `y = W x + b`, or `y = W x + y`.
  ///
  /// Each row of the result has one accumulator, which starts from the bias (or from what stands
  /// in y) and takes the columns in ascending order, so that the bits do not depend on how many
  /// rows or streams are computed at once.
  ///
  /// - Parameters:
  ///   - w: W. The same numbers give the same bits in either precision.
  ///   - bias: b, `PanelMatrix.paddedRows(w.rows)` long; nil to add to what stands in y.
  ///   - streams: The blocks.
  ///   - x: Where the vector lies, `w.columns` long.
  ///   - y: Where the result goes, `PanelMatrix.paddedRows(w.rows)` long; overlaps nothing.
  /// - Complexity: w.rows x w.columns multiply-adds a stream; allocates nothing.
  static func multiply(
    _ w: PanelMatrix, plus bias: UnsafePointer<Float>?, in streams: StreamBlocks, from x: Int,
    to y: Int)

  /// `y = W x + b` for a single vector, to the same bits.
  ///
  /// - Parameters:
  ///   - w: W.
  ///   - x: The vector, `w.columns` long.
  ///   - bias: b, `PanelMatrix.paddedRows(w.rows)` long.
  ///   - y: Receives `PanelMatrix.paddedRows(w.rows)` values; overlaps nothing.
  static func multiply(
    _ w: PanelMatrix, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>)

  /// One step of a GRU from the two sets of sums, in PyTorch's formulation.
  ///
  /// With a = W_i x + b_i and g = W_h h + b_h, each in three parts r, z, n:
  /// `r = sigmoid(a_r + g_r)`, `z = sigmoid(a_z + g_z)`, `n = tanh(a_n + r g_n)`,
  /// `h' = (1 - z) n + z h`.
  ///
  /// - Parameters:
  ///   - streams: The blocks.
  ///   - input: Where a lies, three times `units`; overwritten.
  ///   - hidden: Where g lies, three times `units`; overwritten.
  ///   - state: Where h lies, replaced by h'. Written up to the next multiple of eight.
  ///   - units: Width of the layer.
  static func gru(in streams: StreamBlocks, input: Int, hidden: Int, state: Int, units: Int)

  /// One step of an LSTM from its sums, in PyTorch's formulation.
  ///
  /// With a = W_i x + b_i + W_h h + b_h in four parts i, f, g, o:
  /// `c' = sigmoid(a_f) c + sigmoid(a_i) tanh(a_g)`, `h' = sigmoid(a_o) tanh(c')`.
  ///
  /// - Parameters:
  ///   - streams: The blocks.
  ///   - sums: Where a lies, four times `units`.
  ///   - cell: Where c lies, replaced by c'. Written up to the next multiple of eight.
  ///   - state: Where h' goes. Written up to the next multiple of eight.
  ///   - units: Width of the layer.
  static func lstm(in streams: StreamBlocks, sums: Int, cell: Int, state: Int, units: Int)

  /// `y = tanh(x)`, elementwise.
  ///
  /// - Parameters:
  ///   - streams: The blocks.
  ///   - x: Where the sums lie.
  ///   - y: Where the result goes. Written up to the next multiple of eight.
  ///   - count: Elements.
  static func tanh(in streams: StreamBlocks, from x: Int, to y: Int, count: Int)

  /// `y = min(max(x, 0), 2^50)`, elementwise; 0 for a NaN.
  ///
  /// The bound keeps products of two such numbers finite; no sensible model comes near it.
  ///
  /// - Parameters:
  ///   - streams: The blocks.
  ///   - x: Where the sums lie.
  ///   - y: Where the result goes. Written up to the next multiple of eight.
  ///   - count: Elements.
  static func rectify(in streams: StreamBlocks, from x: Int, to y: Int, count: Int)

  /// A convolution of each channel by itself: `y[c] = w_0[c] x_0[c] + w_1[c] x_1[c] + ...`.
  ///
  /// - Parameters:
  ///   - w: The weights, [taps][channels], the oldest row's first.
  ///   - taps: Rows that are seen.
  ///   - streams: The blocks.
  ///   - x: Where the rows lie, [taps][channels], oldest first.
  ///   - y: Where the result goes, `channels` long.
  ///   - channels: Elements of a row.
  static func convolveDepthwise(
    _ w: UnsafePointer<Float>, taps: Int, in streams: StreamBlocks, from x: Int, to y: Int,
    channels: Int)
}

/// The blocks of memory of the streams that step together.
public struct StreamBlocks {
  /// The beginning of each block.
  public let blocks: UnsafePointer<UnsafeMutablePointer<Float>>
  /// Number of streams.
  public let count: Int

  /// Names the blocks.
  ///
  /// - Parameters:
  ///   - blocks: The beginning of each block.
  ///   - count: Number of streams.
  @inline(__always)
  public init(_ blocks: UnsafePointer<UnsafeMutablePointer<Float>>, count: Int) {
    self.blocks = blocks
    self.count = count
  }
}
