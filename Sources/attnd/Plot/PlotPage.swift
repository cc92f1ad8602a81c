/// The page of a plot: a title, panels one below the other, and the time axis that they share.
///
/// Pieces are added from the top down; each takes the room that it needs.
struct PlotPage {
  enum Margin {
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
    /// A heading with the room above it.
    static let header = heading + line
  }

  let axis: TimeAxis
  /// The left edge of the plots.
  let left: Int
  /// Where the next piece begins.
  private(set) var top: Int
  /// What has been drawn; pieces are added to it in the room that they took.
  var drawing: Drawing

  /// Begins a page.
  ///
  /// - Parameters:
  ///   - title: What stands above all.
  ///   - axis: The time axis.
  ///   - labels: What stands to the left of the plots.
  ///   - barLabels: What stands to the right of their colour bars.
  ///   - units: What stands above those.
  init(
    title: String, axis: TimeAxis, labels: [String], barLabels: [String], units: [String]
  ) {
    self.axis = axis
    left = Margin.outer + Self.widest(labels) + Margin.gap + Margin.tick
    let afterBar = Margin.bar + Margin.tick + Margin.gap + Self.widest(barLabels)
    let width =
      left + axis.width + Margin.beforeBar + max(afterBar, Self.widest(units)) + Margin.outer
    top = Margin.outer + 2 * Margin.line
    drawing = Drawing(width: width, height: top, title: title)
    drawing.add(
      Self.shortened(title, to: (left + axis.width - Margin.outer) / PixelFont.advance),
      x: Margin.outer, y: Margin.outer + Margin.line / 2, anchor: .start)
  }

  /// The left edge of the colour bars.
  var bar: Int { left + axis.width + Margin.beforeBar }

  private static func widest(_ labels: [String]) -> Int {
    labels.map { Drawing.width(of: $0) }.max() ?? 0
  }

  /// Takes room for the next piece.
  ///
  /// - Parameters:
  ///   - height: Pixels of the piece.
  ///   - after: Pixels to the piece after it.
  /// - Returns: The top of the piece.
  mutating func take(height: Int, after: Int = Margin.betweenPanels) -> Int {
    defer { top += height + after }
    return top
  }

  /// Adds a line of text above what comes next.
  ///
  /// - Parameters:
  ///   - name: What stands at the left edge of the plots.
  ///   - unit: What stands above the marks of the axis.
  ///   - right: What stands at the left edge of the colour bars.
  mutating func addHeading(_ name: String, axis unit: String = "", bar right: String) {
    top += Margin.header
    let y = top - Margin.heading
    drawing.add(name, x: left, y: y, anchor: .start)
    drawing.add(unit, x: left - Margin.tick - Margin.gap, y: y, anchor: .end)
    drawing.add(right, x: bar, y: y, anchor: .start)
  }

  /// Adds a picture with its heading, its axis and its colour bar.
  ///
  /// - Parameter panel: What it shows.
  /// - Returns: The top of the picture, for what is drawn over it.
  @discardableResult
  mutating func add(_ panel: PlotPanel) -> Int {
    addHeading(panel.name, axis: panel.axisUnit, bar: panel.unit)
    let y = take(height: panel.height)
    addFrame(x: left, y: y, width: axis.width, height: panel.height)
    drawing.add(
      Drawing.Picture(
        x: left, y: y, scaleX: axis.columnWidth, scaleY: panel.cellHeight, raster: panel.raster))
    for tick in panel.ticks {
      let middle = y + panel.height - 1 - Int((tick.value * Double(panel.height - 1)).rounded())
      drawing.addRectangle(x: left - 1 - Margin.tick, y: middle, width: Margin.tick, height: 1)
      drawing.add(tick.label, x: left - Margin.tick - Margin.gap, y: middle, anchor: .end)
    }
    addColourBar(of: panel, y: y)
    return y
  }

  private mutating func addColourBar(of panel: PlotPanel, y: Int) {
    addFrame(x: bar, y: y, width: Margin.bar, height: panel.height)
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
  private mutating func addFrame(x: Int, y: Int, width: Int, height: Int) {
    drawing.addRectangle(x: x - 1, y: y - 1, width: width + 2, height: height + 2)
  }

  /// Ends the page with its time axis.
  ///
  /// - Returns: The whole drawing.
  consuming func finish() -> Drawing {
    let y = top - Margin.betweenPanels
    for tick in axis.ticks {
      let place = left + axis.x(tick.value)
      drawing.addRectangle(x: place, y: y + 1, width: 1, height: Margin.tick)
      drawing.add(tick.label, x: place, y: y + Margin.tick + Margin.line, anchor: .middle)
    }
    drawing.add(
      axis.name, x: left + axis.width / 2, y: y + Margin.tick + 3 * Margin.line, anchor: .middle)
    drawing.height = y + Margin.tick + 4 * Margin.line + Margin.outer
    return drawing
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
  static func shortened(_ text: String, to most: Int) -> String {
    guard text.count > most else { return text }
    let half = max(1, (most - 3) / 2)
    return text.prefix(half) + "..." + text.suffix(half)
  }
}
