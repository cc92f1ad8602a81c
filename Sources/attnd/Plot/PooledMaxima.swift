/// Values over time -> the cells of a picture: the largest of neighbours, in bounded memory.
///
/// A column holds, for each series, a number of cells: the weights of a head by age, or one
/// posterior. Whoever fills it halves the columns when there are too many; cells halve by
/// themselves. What is largest stays visible however much is put together.
package struct PooledMaxima: Sendable {
  /// Heads, or keywords.
  package let series: Int
  /// Most cells of a series in a column.
  package let largestCells: Int
  /// Steps of a cell.
  package private(set) var stepsPerCell = 1
  /// Cells of a series that have been used.
  package private(set) var cells = 0
  /// Columns so far.
  package private(set) var columns = 0

  /// Column after column, in it series after series; `nothing` where there is no value.
  private var values: [Float] = []
  /// Maxima over the cells of one step.
  private var step: [Float]

  private static let nothing = -Float.infinity
  /// Larger values count as this one, so that shares of it can be calculated.
  private static let largest: Float = 1e28

  /// Room for so many series of cells.
  package init(series: Int, largestCells: Int) {
    precondition(series > 0 && largestCells > 0, "A column has a cell or more")
    precondition(largestCells == 1 || largestCells.isMultiple(of: 2), "Cells go in pairs")
    self.series = series
    self.largestCells = largestCells
    step = [Float](repeating: Self.nothing, count: largestCells)
  }

  private var columnLength: Int { series * largestCells }

  private func place(column: Int, series: Int) -> Int {
    column * columnLength + series * largestCells
  }

  /// The largest value of a cell, within -1e28 and 1e28; nil where there was none.
  package func maximum(column: Int, series: Int, cell: Int) -> Float? {
    guard column < columns, cell < cells else { return nil }
    let value = values[place(column: column, series: series) + cell]
    return value == Self.nothing ? nil : value
  }

  /// Takes in one value of a step.
  ///
  /// - Parameters:
  ///   - value: The value; one that is not a number is none.
  ///   - series: Whose it is.
  ///   - range: The columns in which it holds.
  package mutating func add(_ value: Float, series: Int, columns range: ClosedRange<Int>) {
    extend(to: range.upperBound + 1)
    cells = max(cells, 1)
    for column in range { raise(place(column: column, series: series), to: value) }
  }

  /// Takes in the weights of a step.
  ///
  /// - Parameters:
  ///   - weights: Oldest first; the last one's age is 0.
  ///   - series: The head.
  ///   - range: The columns in which they hold.
  package mutating func add(
    weights: Span<Float>, series: Int, columns range: ClosedRange<Int>
  ) {
    extend(to: range.upperBound + 1)
    while weights.count > largestCells * stepsPerCell { halveCells() }
    let used = (weights.count + stepsPerCell - 1) / stepsPerCell
    cells = max(cells, used)
    for cell in 0..<used {
      let newest = weights.count - 1 - cell * stepsPerCell
      var most = Self.nothing
      for index in max(0, newest - stepsPerCell + 1)...newest where weights[index] > most {
        most = weights[index]
      }
      step[cell] = most
    }
    for column in range {
      let first = place(column: column, series: series)
      for cell in 0..<used { raise(first + cell, to: step[cell]) }
    }
  }

  private mutating func raise(_ place: Int, to value: Float) {
    guard value > values[place] else { return }
    values[place] = min(max(value, -Self.largest), Self.largest)
  }

  private mutating func extend(to count: Int) {
    guard count > columns else { return }
    values.append(contentsOf: repeatElement(Self.nothing, count: (count - columns) * columnLength))
    columns = count
  }

  /// Puts neighbouring columns together; those to come hold twice as much.
  package mutating func halveColumns() {
    for column in 0..<columns {
      for cell in 0..<columnLength {
        let value = values[column * columnLength + cell]
        let half = column / 2 * columnLength + cell
        values[half] = column.isMultiple(of: 2) ? value : max(values[half], value)
      }
    }
    columns = (columns + 1) / 2
    values.removeLast(values.count - columns * columnLength)
  }

  private mutating func halveCells() {
    precondition(largestCells > 1, "One cell takes one value")
    for first in stride(from: 0, to: values.count, by: largestCells) {
      for cell in 0..<largestCells / 2 {
        values[first + cell] = max(values[first + 2 * cell], values[first + 2 * cell + 1])
      }
      for cell in largestCells / 2..<largestCells { values[first + cell] = Self.nothing }
    }
    cells = (cells + 1) / 2
    stepsPerCell *= 2
  }
}
