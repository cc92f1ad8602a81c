/// Rows of a recording of any length -> the cells of a picture: means of neighbours, in bounded
/// memory.
///
/// In: rows, one by one; how many there will be need not be known. Out: at most `largestWidth`
/// columns of as many rows each (the last of fewer), and for each part of a row at most
/// `largestHeight` cells of as many elements each. When the columns are all taken, neighbours are
/// put together and the columns to come take twice as many rows.
package struct PooledRows: Sendable {
  /// Most columns; even.
  package static let largestWidth = 1_600
  /// Most cells of a part.
  package static let largestHeight = 640

  /// Parts of a row, such as coefficients and their differences in time.
  package let parts: Int
  /// Elements of a part.
  package let partLength: Int
  /// Elements of a cell.
  package let elementsPerCell: Int
  /// Cells of a part.
  package let cells: Int
  /// Rows of a column.
  package private(set) var rowsPerColumn = 1
  /// Rows so far.
  package private(set) var rows = 0

  /// Sums over the rows of a column, column after column; means over the elements of a cell.
  private var sums: [Float] = []
  /// Rows in the newest column.
  private var filled = 0

  /// Room for rows of equal parts.
  package init(parts: Int, partLength: Int) {
    precondition(parts > 0 && partLength > 0, "A row has an element or more")
    self.parts = parts
    self.partLength = partLength
    elementsPerCell = (partLength + Self.largestHeight - 1) / Self.largestHeight
    cells = (partLength + elementsPerCell - 1) / elementsPerCell
  }

  /// Columns so far.
  package var columns: Int { sums.count / columnLength }

  private var columnLength: Int { parts * cells }

  /// Takes the next row.
  package mutating func add(_ row: Span<Float>) {
    precondition(row.count == parts * partLength, "Rows are of one length")
    if filled == rowsPerColumn || rows == 0 { addColumn() }
    filled += 1
    rows += 1
    let column = sums.count - columnLength
    for part in 0..<parts {
      for cell in 0..<cells {
        let first = cell * elementsPerCell
        let count = min(elementsPerCell, partLength - first)
        var sum: Float = 0
        for element in first..<first + count { sum += bounded(row[part * partLength + element]) }
        sums[column + part * cells + cell] += sum / Float(count)
      }
    }
  }

  /// The means of a part, column after column, each from its first element on.
  package func means(ofPart part: Int) -> [Float] {
    (0..<columns).flatMap { column in
      let share = 1 / Float(column == columns - 1 ? filled : rowsPerColumn)
      let first = column * columnLength + part * cells
      return sums[first..<first + cells].map { $0 * share }
    }
  }

  private mutating func addColumn() {
    if columns == Self.largestWidth {
      for column in 0..<columns / 2 {
        for cell in 0..<columnLength {
          let pair = 2 * column * columnLength + cell
          sums[column * columnLength + cell] = sums[pair] + sums[pair + columnLength]
        }
      }
      sums.removeLast(sums.count / 2)
      rowsPerColumn *= 2
    }
    sums.append(contentsOf: repeatElement(0, count: columnLength))
    filled = 0
  }

  /// A number whose sums over a recording stay finite; not a number is 0.
  private func bounded(_ value: Float) -> Float {
    value.isNaN ? 0 : min(max(value, -1e28), 1e28)
  }
}
