import FeatureExtraction
import Glibc

/// Feature rows as a picture: time to the right, frequency or coefficients upwards, values as
/// colours, with axes and colour bars.
///
/// A column of pixels is a hop, or as many as are needed to keep the picture on a page; short
/// recordings are drawn larger.
package struct FeaturePlot {
  private let frontEnd: FrontEnd
  private let rows: PooledRows
  private let title: String
  private let panels: [PlotPanel]

  /// Plans the picture of a recording.
  ///
  /// - Parameters:
  ///   - title: What stands above it.
  ///   - frontEnd: What the rows were made by.
  ///   - rows: The recording's rows, one or more.
  package init(title: String, frontEnd: FrontEnd, rows: PooledRows) {
    precondition(rows.rows > 0, "There is a row to show")
    self.title = title
    self.frontEnd = frontEnd
    self.rows = rows
    panels = PlotPanel.panels(of: frontEnd, rows)
  }

  /// Room for the rows of a front end.
  package static func pool(for frontEnd: FrontEnd) -> PooledRows {
    let parts = 1 + frontEnd.deltas
    return PooledRows(parts: parts, partLength: frontEnd.rowLength / parts)
  }

  private enum Margin {
    static let outer = 10
    /// From the middle of a line of text to what stands below it.
    static let line = 9
    /// From the middle of a picture's heading to the picture: clear of a label at its very top.
    static let heading = 14
    static let tick = 4
    /// Between a tick and its label, and between a picture and its colour bar.
    static let gap = 4
    static let beforeBar = 16
    static let bar = 14
    static let betweenPanels = 12
  }

  /// Pixels of a column: one, or as many as make a short recording 640 wide.
  private var columnWidth: Int { max(1, (640 + rows.columns - 1) / rows.columns) }

  private var plotWidth: Int { rows.columns * columnWidth }

  /// The drawing.
  package var drawing: Drawing {
    let left =
      Margin.outer + widest(panels.flatMap { $0.ticks.map(\.label) } + ["Hz"])
      + Margin.gap + Margin.tick
    let bar = left + plotWidth + Margin.beforeBar
    let labels = widest(panels.flatMap { $0.colourTicks.map(\.label) })
    let afterBar = Margin.bar + Margin.tick + Margin.gap + labels
    let width = bar + max(afterBar, widest(panels.map(\.unit))) + Margin.outer

    let header = Margin.heading + Margin.line
    let height =
      Margin.outer + 2 * Margin.line
      + panels.reduce(0) { $0 + header + $1.height + Margin.betweenPanels }
      + Margin.tick + 4 * Margin.line + Margin.outer - Margin.betweenPanels
    var drawing = Drawing(width: width, height: height, title: title)
    drawing.add(
      Self.shortened(title, to: (left + plotWidth - Margin.outer) / PixelFont.advance),
      x: Margin.outer, y: Margin.outer + Margin.line / 2, anchor: .start)

    var top = Margin.outer + 2 * Margin.line
    for panel in panels {
      top += header
      add(panel, x: left, y: top, bar: bar, to: &drawing)
      top += panel.height + Margin.betweenPanels
    }
    addTime(x: left, y: top - Margin.betweenPanels, to: &drawing)
    return drawing
  }

  private func widest(_ labels: [String]) -> Int {
    labels.map { Drawing.width(of: $0) }.max() ?? 0
  }

  private func add(
    _ panel: PlotPanel, x: Int, y: Int, bar: Int, to drawing: inout Drawing
  ) {
    let heading = y - Margin.heading
    if !panel.name.isEmpty { drawing.add(panel.name, x: x, y: heading, anchor: .start) }
    if panel.isFrequency {
      drawing.add("Hz", x: x - Margin.tick - Margin.gap, y: heading, anchor: .end)
    }
    drawing.add(panel.unit, x: bar, y: heading, anchor: .start)

    frame(x: x, y: y, width: plotWidth, height: panel.height, in: &drawing)
    drawing.add(
      Drawing.Picture(
        x: x, y: y, scaleX: columnWidth, scaleY: panel.cellHeight, raster: panel.raster))
    for tick in panel.ticks {
      let middle = y + panel.height - 1 - Int((tick.value * Double(panel.height - 1)).rounded())
      drawing.addRectangle(x: x - 1 - Margin.tick, y: middle, width: Margin.tick, height: 1)
      drawing.add(tick.label, x: x - Margin.tick - Margin.gap, y: middle, anchor: .end)
    }

    frame(x: bar, y: y, width: Margin.bar, height: panel.height, in: &drawing)
    drawing.add(
      Drawing.Picture(
        x: bar, y: y, scaleX: Margin.bar, scaleY: 1, raster: Self.colourBar(panel.height)))
    for tick in panel.colourTicks {
      let middle = y + panel.height - 1 - Int((tick.value * Double(panel.height - 1)).rounded())
      drawing.addRectangle(x: bar + Margin.bar + 1, y: middle, width: Margin.tick, height: 1)
      drawing.add(
        tick.label, x: bar + Margin.bar + Margin.tick + Margin.gap, y: middle, anchor: .start)
    }
  }

  /// A line round a picture, which then covers all of it but its edge.
  private func frame(x: Int, y: Int, width: Int, height: Int, in drawing: inout Drawing) {
    drawing.addRectangle(x: x - 1, y: y - 1, width: width + 2, height: height + 2)
  }

  private func addTime(x: Int, y: Int, to drawing: inout Drawing) {
    let rate = Double(frontEnd.sampleRate)
    let hop = Double(frontEnd.hop) / rate
    // A row stands at the middle of its frame, half a hop to either side.
    let middle = Double(frontEnd.endPosition(ofRow: 0)) - Double(frontEnd.frameLength) / 2
    let start = middle / rate - hop / 2
    let pixelsPerSecond = Double(columnWidth) / (Double(rows.rowsPerColumn) * hop)
    let end = start + Double(rows.rows) * hop
    let isClock = end > 90
    // Room for a label and as much again between two of them.
    let most = max(2, plotWidth / (isClock ? 96 : 72))
    // The middle of the first frame lies a little behind 0, often by less than a pixel.
    let first = start * pixelsPerSecond < 1 ? 0 : start
    let range = first...max(first, end)
    let ticks =
      isClock ? Ticks.clock(in: range, atMost: most) : Ticks.decimal(in: range, atMost: most)
    for tick in ticks {
      let place = x + min(plotWidth - 1, max(0, Int((tick.value - start) * pixelsPerSecond)))
      drawing.addRectangle(x: place, y: y + 1, width: 1, height: Margin.tick)
      drawing.add(
        tick.label, x: place, y: y + Margin.tick + Margin.line, anchor: .middle)
    }
    let name = !isClock ? "seconds" : end < 3_600 ? "minutes:seconds" : "hours:minutes:seconds"
    drawing.add(
      name, x: x + plotWidth / 2, y: y + Margin.tick + 3 * Margin.line, anchor: .middle)
  }

  /// The map's colours from the bottom up.
  private static func colourBar(_ height: Int) -> Raster {
    var bar = Raster(width: 1, height: height, filledWith: 0)
    for y in 0..<height {
      bar[0, height - 1 - y] = UInt8(y * (ColourMap.size - 1) / max(1, height - 1))
    }
    return bar
  }

  /// A text of at most `most` characters: of a longer one, beginning and end.
  private static func shortened(_ text: String, to most: Int) -> String {
    guard text.count > most else { return text }
    let half = max(1, (most - 3) / 2)
    return text.prefix(half) + "..." + text.suffix(half)
  }
}
