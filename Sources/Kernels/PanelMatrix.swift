/// A matrix W as `RecurrentKernels.multiply` reads it: packed in panels of sixteen rows, four of
/// which lie together.
///
/// Four panels hold their columns one after the other, `w[four panels][column][4][16]`, so that a
/// product with one vector reads its weights in one run; the last, fewer than four, are each by
/// themselves, `w[panel][column][16]`. The last panel is filled up with zeros.
///
/// Does not own its memory: `PanelBuffer` does.
public struct PanelMatrix {
  /// What an element is.
  public enum Precision: Sendable {
    /// IEEE 754 binary32.
    case single
    /// IEEE 754 binary16: half the memory to read, where every element is such a number.
    case half

    /// Bytes of an element.
    public var bytes: Int { self == .single ? 4 : 2 }
  }

  /// The first element.
  public let elements: UnsafeRawPointer
  /// What the elements are.
  public let precision: Precision
  /// Rows of W.
  public let rows: Int
  /// Columns of W.
  public let columns: Int

  /// Rows of a panel.
  public static let panelRows = 16
  /// Panels that lie together.
  static let together = 4

  /// `rows` rounded up to whole panels.
  ///
  /// - Parameter rows: Rows of a matrix.
  /// - Returns: The length that a result must have room for.
  public static func paddedRows(_ rows: Int) -> Int {
    (rows + panelRows - 1) / panelRows * panelRows
  }
}

/// The memory of a packed matrix.
public struct PanelBuffer: ~Copyable {
  private let memory: FloatBuffer
  private let precision: PanelMatrix.Precision
  private let rows: Int
  private let columns: Int

  /// Packs a row-major matrix.
  ///
  /// - Parameters:
  ///   - values: The elements, rows x columns.
  ///   - rows: Rows.
  ///   - columns: Columns.
  ///   - precision: What the elements become; rounded where they are no such numbers.
  public init(
    _ values: [Float], rows: Int, columns: Int, precision: PanelMatrix.Precision = .single
  ) {
    precondition(values.count == rows * columns, "A matrix has rows x columns elements")
    (self.rows, self.columns, self.precision) = (rows, columns, precision)
    let count = PanelMatrix.paddedRows(rows) * columns
    memory = FloatBuffer(count: (count * precision.bytes + 3) / 4)
    let target = UnsafeMutableRawPointer(memory.pointer)
    var place = 0
    Self.forEachSource(rows: rows, columns: columns) { row, column in
      let value = row < rows ? values[row * columns + column] : 0
      switch precision {
      case .single:
        target.storeBytes(of: value, toByteOffset: 4 * place, as: Float.self)
      case .half:
        let bits = HalfPrecision.bits(exactly: value) ?? Float16(value).bitPattern
        target.storeBytes(of: bits, toByteOffset: 2 * place, as: UInt16.self)
      }
      place += 1
    }
  }

  /// The packed matrix; valid as long as this buffer.
  public var matrix: PanelMatrix {
    PanelMatrix(
      elements: UnsafeRawPointer(memory.pointer), precision: precision, rows: rows,
      columns: columns)
  }

  /// Row and column of each packed element, in the order in which they lie.
  private static func forEachSource(rows: Int, columns: Int, _ body: (Int, Int) -> Void) {
    let panels = PanelMatrix.paddedRows(rows) / PanelMatrix.panelRows
    var panel = 0
    while panel < panels {
      let together = panel + PanelMatrix.together <= panels ? PanelMatrix.together : 1
      for column in 0..<columns {
        for lane in 0..<together * PanelMatrix.panelRows {
          body(panel * PanelMatrix.panelRows + lane, column)
        }
      }
      panel += together
    }
  }
}
