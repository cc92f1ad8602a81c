/// Where the detected words lie: a bar for each, with its name above where there is room.
///
/// Without room for the names of most there are bars alone; the lanes below have the names.
struct DetectionStrip {
  /// Lines of names; what finds no room in them has only its bar.
  static let mostLines = 4
  private static let lineHeight = 21
  private static let barHeight = 4
  private static let gap = 8

  /// A detection, in pixels from the left edge of the plots.
  private struct Bar {
    let label: String
    let start: Int
    let end: Int
    /// Line from the bottom; nil without a name.
    var line: Int?

    /// Where the middle of the name stands.
    let middle: Int
    /// What bar and name take together.
    let range: Range<Int>
  }

  private let bars: [Bar]
  private let lines: Int

  /// Places the names.
  init(_ record: AttentionRecord, _ axis: TimeAxis) {
    let rate = Double(record.clock.rate)
    var ends = [Int](repeating: -Self.gap, count: Self.mostLines)
    var bars = record.marks.sorted { ($0.start, $0.keyword) < ($1.start, $1.keyword) }.map { mark in
      let start = axis.x(Double(mark.start) / rate)
      let end = max(start + 2, axis.x(Double(mark.end) / rate))
      let label = "\(record.keywords[mark.keyword].label) \(fixed(mark.score, 2))"
      let half = Drawing.width(of: label) / 2 + 1
      let middle = max(half, min(axis.width - half, (start + end) / 2))
      let range = min(start, middle - half)..<max(end, middle + half)
      let line = ends.firstIndex { $0 + Self.gap <= range.lowerBound }
      if let line { ends[line] = range.upperBound }
      return Bar(label: label, start: start, end: end, line: line, middle: middle, range: range)
    }
    if 2 * bars.count(where: { $0.line != nil }) < bars.count {
      for index in bars.indices { bars[index].line = nil }
    }
    self.bars = bars
    lines = (bars.compactMap(\.line).max() ?? -1) + 1
  }

  /// Pixels of what has no name.
  private var namelessHeight: Int { bars.contains { $0.line == nil } ? Self.barHeight + 2 : 0 }

  /// Pixels of the strip.
  var height: Int { lines * Self.lineHeight + namelessHeight }

  /// Draws bars and names.
  ///
  /// - Parameters:
  ///   - page: What is drawn on.
  ///   - top: The top of the strip.
  func draw(in page: inout PlotPage, top: Int) {
    let left = page.left
    for bar in bars {
      var foot = top + height
      if let line = bar.line { foot -= namelessHeight + line * Self.lineHeight }
      page.drawing.addRectangle(
        x: left + bar.start, y: foot - Self.barHeight, width: bar.end - bar.start,
        height: Self.barHeight, colour: Drawing.Palette.found)
      guard bar.line != nil else { continue }
      page.drawing.add(
        bar.label, x: left + bar.middle, y: foot - Self.barHeight - 9, anchor: .middle)
    }
  }

  /// Draws where words begin and end over a picture, where there is room between the two.
  ///
  /// - Parameters:
  ///   - page: What is drawn on.
  ///   - top: The top of the picture.
  ///   - height: Its pixels.
  func drawGuides(in page: inout PlotPage, top: Int, height: Int) {
    for bar in bars where bar.end - bar.start >= 5 {
      for x in [bar.start, bar.end - 1] {
        page.drawing.addRectangle(
          x: page.left + x, y: top, width: 1, height: height, colour: Drawing.Palette.found)
      }
    }
  }
}
