/// The attention of one head: time to the right, age upwards, the weight as a colour.
struct AttentionPanel {
  let panel: PlotPanel
  private let head: Int
  /// Pixels of a second of age.
  private let pixelsPerSecond: Double

  /// The pictures of the heads that are worth it, in the order of the heads; all on one scale.
  ///
  /// - Parameters:
  ///   - record: What was heard.
  ///   - most: How many heads to show.
  /// - Returns: The pictures; none when there was no step.
  static func panels(of record: AttentionRecord, most: Int) -> [AttentionPanel] {
    guard record.weights.cells > 0 else { return [] }
    let heads = chosenHeads(of: record, most: most)
    let range = 0...largestColour(of: heads, in: record)
    return heads.map { AttentionPanel(record, head: $0, range) }
  }

  /// The heads to show: of keywords, those that were detected first, then the likeliest.
  private static func chosenHeads(of record: AttentionRecord, most: Int) -> [Int] {
    guard record.heads == .keyword else { return Array((0..<record.weights.series).prefix(most)) }
    var scores: [Int: Float] = [:]
    for mark in record.marks { scores[mark.keyword] = max(mark.score, scores[mark.keyword] ?? 0) }
    guard scores.isEmpty else {
      let best = scores.sorted { ($0.value, $1.key) > ($1.value, $0.key) }
      return best.prefix(most).map(\.key).sorted()
    }
    let nearest = record.keywords.indices.max {
      peak(of: $0, in: record) < peak(of: $1, in: record)
    }
    return nearest.map { [$0] } ?? []
  }

  /// How near a keyword came to its threshold.
  private static func peak(of keyword: Int, in record: AttentionRecord) -> Float {
    let posteriors = record.posteriors
    let most = (0..<posteriors.columns).compactMap {
      posteriors.maximum(column: $0, series: record.keywords.count + keyword, cell: 0)
    }.max()
    return (most ?? 0) / max(record.keywords[keyword].threshold, 1e-6)
  }

  /// The weight of the brightest colour: nearly the largest of all once the window has filled.
  ///
  /// The few steps of a window that begins have large weights each, and would darken what follows.
  private static func largestColour(of heads: [Int], in record: AttentionRecord) -> Float {
    let weights = record.weights
    let first = min(record.settledColumn, weights.columns - 1)
    var largest: [Float] = []
    for head in heads {
      for column in first..<weights.columns {
        let cells = (0..<weights.cells).compactMap {
          weights.maximum(column: column, series: head, cell: $0)
        }
        if let most = cells.max() { largest.append(most) }
      }
    }
    largest.sort()
    guard !largest.isEmpty else { return 1 }
    return max(largest[(largest.count - 1) * 95 / 100], 1e-6)
  }

  private init(_ record: AttentionRecord, head: Int, _ range: ClosedRange<Float>) {
    self.head = head
    let weights = record.weights
    let rate = Double(record.clock.rate)
    let cellSeconds = Double(weights.stepsPerCell * record.stepPositions) / rate
    let cellHeight = PlotPanel.cellHeight(weights.cells, smallest: 84)
    pixelsPerSecond = Double(cellHeight) / cellSeconds
    let seconds = cellSeconds * Double(weights.cells)
    let height = weights.cells * cellHeight
    let ticks = Ticks.decimal(in: 0...seconds, atMost: max(2, height / PlotPanel.labelDistance))
    panel = PlotPanel(
      name: Self.name(of: head, in: record), unit: "weight",
      axisUnit: "", cellHeight: cellHeight,
      ticks: ticks.map { Tick(value: $0.value / seconds, label: $0.label) }, range,
      raster: Self.raster(weights, head: head, columns: record.columns, largest: range.upperBound),
      marks: 3)
  }

  private static func name(of head: Int, in record: AttentionRecord) -> String {
    let unit = record.clock.countsRows ? "rows before now" : "seconds before now"
    guard record.heads != .keyword else {
      return "attention for \(record.keywords[head].label), \(unit)"
    }
    let count = record.weights.series
    return (count == 1 ? "attention" : "attention of head \(head + 1) of \(count)") + ", " + unit
  }

  /// A pixel for each column and cell, age 0 at the bottom; grey where there is no step yet.
  private static func raster(
    _ weights: PooledMaxima, head: Int, columns: Int, largest: Float
  ) -> Raster {
    var raster = Raster(width: columns, height: weights.cells, filledWith: Drawing.Palette.pale)
    let scale = Float(ColourMap.size - 1) / largest
    for column in 0..<min(columns, weights.columns) {
      for cell in 0..<weights.cells {
        guard let weight = weights.maximum(column: column, series: head, cell: cell) else {
          continue
        }
        raster[column, weights.cells - 1 - cell] = UInt8(
          min(max((weight * scale).rounded(), 0), Float(ColourMap.size - 1)))
      }
    }
    return raster
  }

  /// Marks, at the moment of each detection, which part of the window it was read off; where the
  /// whole window passes within a few pixels there is no room for it.
  ///
  /// - Parameters:
  ///   - record: What was heard.
  ///   - page: What is drawn on.
  ///   - top: The top of the picture.
  func drawMarks(of record: AttentionRecord, in page: inout PlotPage, top: Int) {
    let rate = Double(record.clock.rate)
    guard page.axis.pixels(ofSeconds: Double(panel.height) / pixelsPerSecond) >= 8 else { return }
    func y(age: Int) -> Int {
      let place = Double(age) / rate * pixelsPerSecond
      return top + panel.height - 1 - min(panel.height - 1, max(0, Int(place)))
    }
    for mark in record.marks where record.head(of: mark.keyword) == head {
      let x = page.left + page.axis.x(Double(mark.position) / rate)
      let (oldest, newest) = (y(age: mark.position - mark.start), y(age: mark.position - mark.end))
      let width = max(0, min(5, page.left + page.axis.width - x))
      let colour = Drawing.Palette.found
      page.drawing.addRectangle(
        x: x, y: oldest, width: 2, height: newest - oldest + 1, colour: colour)
      for end in [oldest, max(oldest, newest - 1)] {
        page.drawing.addRectangle(x: x, y: end, width: width, height: 2, colour: colour)
      }
    }
  }
}
