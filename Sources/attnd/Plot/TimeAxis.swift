import FeatureExtraction

/// Time to the right: where a moment lies among columns of pixels.
///
/// A row of features stands at the middle of its frame, half a hop to either side; a column is one
/// row or more.
package struct TimeAxis: Sendable {
  /// Columns of the plot.
  package let columns: Int
  /// Pixels of a column: one, or as many as make a short recording 640 wide.
  package let columnWidth: Int
  /// The left edge, seconds.
  package let start: Double
  /// The end of the last row, seconds.
  package let end: Double
  private let pixelsPerSecond: Double
  private let unit: Unit

  /// What is written below the axis.
  private enum Unit {
    case time
    /// Rows that are no time: one a second, so that seconds count them.
    case rows
  }

  /// The axis of rows.
  ///
  /// - Parameters:
  ///   - clock: When the rows are.
  ///   - rows: Those that are shown.
  ///   - columns: Columns of the plot; those of the rows or more.
  package init(_ clock: RowClock, _ rows: PooledRows, columns: Int) {
    precondition(columns >= rows.columns && columns > 0, "There is room for every row")
    self.columns = columns
    columnWidth = max(1, (640 + columns - 1) / columns)
    start = clock.start
    end = clock.start + Double(rows.rows) * clock.rowSeconds
    pixelsPerSecond = Double(columnWidth) / (Double(rows.rowsPerColumn) * clock.rowSeconds)
    unit = clock.countsRows ? .rows : .time
  }

  /// Pixels of the whole.
  package var width: Int { columns * columnWidth }

  /// Pixels from the left edge to a moment, within the axis.
  package func x(_ second: Double) -> Int {
    let place = (second - start) * pixelsPerSecond
    return place < Double(width - 1) ? max(0, Int(place)) : width - 1
  }

  /// Pixels that a time takes.
  package func pixels(ofSeconds seconds: Double) -> Double { seconds * pixelsPerSecond }

  private var isClock: Bool { unit == .time && end > 90 }

  /// What the marks are in.
  package var name: String {
    guard unit == .time else { return "rows" }
    return !isClock ? "seconds" : end < 3_600 ? "minutes:seconds" : "hours:minutes:seconds"
  }

  /// Round times, ascending.
  package var ticks: [Tick] {
    // Room for a label and as much again between two of them.
    let most = max(2, width / (isClock ? 96 : 72))
    // The middle of the first frame lies a little behind 0, often by less than a pixel.
    let first = start * pixelsPerSecond < 1 ? 0 : start
    let range = first...max(first, end)
    return isClock ? Ticks.clock(in: range, atMost: most) : Ticks.decimal(in: range, atMost: most)
  }
}

/// When the rows of a sequence are.
package struct RowClock: Sendable {
  /// Positions a second: samples of a recording, or rows that are not of sound.
  package let rate: Int
  /// Positions from a row to the next.
  package let hop: Int
  /// Half positions from 0 to the left edge of the first row.
  private let halfStart: Int

  /// The clock of a front end's rows.
  package init(_ frontEnd: FrontEnd) {
    rate = frontEnd.sampleRate
    hop = frontEnd.hop
    halfStart = 2 * frontEnd.endPosition(ofRow: 0) - frontEnd.frameLength - frontEnd.hop
  }

  /// The clock of rows that come by themselves: each lasts until the next.
  package init(rowsPerSecond: Int) {
    rate = rowsPerSecond
    hop = 1
    halfStart = 0
  }

  /// Whether seconds count rows, and may be no time at all.
  package var countsRows: Bool { rate == 1 && hop == 1 }
  /// The left edge of the first row.
  package var start: Double { Double(halfStart) / 2 / Double(rate) }
  /// Seconds from a row to the next.
  package var rowSeconds: Double { Double(hop) / Double(rate) }

  /// The column that a position lies in.
  package func column(of position: Int, rowsPerColumn: Int) -> Int {
    max(0, (2 * position - halfStart) / (2 * hop * rowsPerColumn))
  }
}
