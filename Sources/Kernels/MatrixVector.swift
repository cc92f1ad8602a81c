/// Matrix times vector, over a matrix packed in panels of sixteen rows.
///
/// A panel holds its columns one after the other: `w[panel][column][16]`. Each row of the result
/// has one accumulator, which starts from the bias and takes the columns in ascending order, so
/// that the bits do not depend on how many rows are computed at once.
public enum MatrixVector {
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

  /// `y = W x + b`.
  ///
  /// - Parameters:
  ///   - w: W, packed.
  ///   - x: The vector, `columns` long.
  ///   - bias: b, `paddedRows(rows)` long.
  ///   - y: Receives `paddedRows(rows)` values; overlaps nothing.
  ///   - rows: Rows of W.
  ///   - columns: Columns of W.
  /// - Complexity: rows x columns multiply-adds; allocates nothing.
  public static func multiply(
    _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    for panel in 0..<paddedRows(rows) / panelRows {
      var weights = UnsafeRawPointer(w + panel * columns * panelRows)
      let start = UnsafeRawPointer(bias + panel * panelRows)
      var low = start.loadUnaligned(as: SIMD8<Float>.self)
      var high = start.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self)
      for column in 0..<columns {
        let factor = SIMD8<Float>(repeating: x[column])
        low += weights.loadUnaligned(as: SIMD8<Float>.self) * factor
        high += weights.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self) * factor
        weights += 64
      }
      let result = UnsafeMutableRawPointer(y + panel * panelRows)
      result.storeBytes(of: low, as: SIMD8<Float>.self)
      result.storeBytes(of: high, toByteOffset: 32, as: SIMD8<Float>.self)
    }
  }
}
