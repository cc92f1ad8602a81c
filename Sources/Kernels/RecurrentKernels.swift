/// Matrix times vector, and what gated cells do with the sums.
public protocol RecurrentKernels {
  /// `y = W x + b`.
  ///
  /// Each row of the result has one accumulator, which starts from the bias and takes the columns
  /// in ascending order, so that the bits do not depend on how many rows are computed at once.
  ///
  /// - Parameters:
  ///   - w: W, packed as `PanelLayout` says.
  ///   - x: The vector, `columns` long.
  ///   - bias: b, `PanelLayout.paddedRows(rows)` long.
  ///   - y: Receives `PanelLayout.paddedRows(rows)` values; overlaps nothing.
  ///   - rows: Rows of W.
  ///   - columns: Columns of W.
  /// - Complexity: rows x columns multiply-adds; allocates nothing.
  static func multiply(
    _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int)

  /// One step of a GRU from the two sets of sums, in PyTorch's formulation.
  ///
  /// With a = W_i x + b_i and g = W_h h + b_h, each in three parts r, z, n:
  /// `r = sigmoid(a_r + g_r)`, `z = sigmoid(a_z + g_z)`, `n = tanh(a_n + r g_n)`,
  /// `h' = (1 - z) n + z h`.
  ///
  /// - Parameters:
  ///   - input: a, three times `units`; scratch afterwards.
  ///   - hidden: g, three times `units`.
  ///   - state: h, replaced by h'.
  ///   - units: Width of the layer.
  static func gru(
    input: UnsafeMutablePointer<Float>, hidden: UnsafePointer<Float>,
    state: UnsafeMutablePointer<Float>, units: Int)

  /// The sum that a `static` score is: `v . tanh(q + b)`.
  ///
  /// - Parameters:
  ///   - query: q; replaced by tanh(q + b).
  ///   - bias: b.
  ///   - vector: v.
  ///   - count: Elements of each.
  /// - Returns: The score.
  static func staticScore(
    query: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, vector: UnsafePointer<Float>,
    count: Int
  ) -> Float
}

/// How a matrix is packed for `RecurrentKernels.multiply`: in panels of sixteen rows.
///
/// A panel holds its columns one after the other: `w[panel][column][16]`.
public enum PanelLayout {
  /// Rows of a panel.
  public static let panelRows = 16

  /// Floats that `rows` x `columns` take when packed.
  ///
  /// - Parameters:
  ///   - rows: Rows of the matrix.
  ///   - columns: Columns of the matrix.
  /// - Returns: The size of the packed matrix, the last panel filled up with zeros.
  public static func packedCount(rows: Int, columns: Int) -> Int {
    paddedRows(rows) * columns
  }

  /// `rows` rounded up to whole panels.
  ///
  /// - Parameter rows: Rows of the matrix.
  /// - Returns: The length that a result must have room for.
  public static func paddedRows(_ rows: Int) -> Int {
    (rows + panelRows - 1) / panelRows * panelRows
  }

  /// Packs a row-major matrix.
  ///
  /// - Parameters:
  ///   - source: The matrix, row major.
  ///   - rows: Its rows.
  ///   - columns: Its columns.
  ///   - packed: Receives `packedCount(rows:columns:)` floats.
  public static func pack(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int,
    into packed: UnsafeMutablePointer<Float>
  ) {
    for panel in 0..<paddedRows(rows) / panelRows {
      for column in 0..<columns {
        for lane in 0..<panelRows {
          let row = panel * panelRows + lane
          packed[(panel * columns + column) * panelRows + lane] =
            row < rows ? source[row * columns + column] : 0
        }
      }
    }
  }
}
