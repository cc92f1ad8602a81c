/// Every keyword's posterior, a lane each, with its name, its threshold and its detections.
struct PosteriorLanes {
  private static let gap = 6

  private let record: AttentionRecord
  private let axis: TimeAxis
  /// What the foot and the head of a lane stand for.
  private let range: ClosedRange<Float>
  private let laneHeight: Int

  /// Plans the lanes.
  init(_ record: AttentionRecord, _ axis: TimeAxis) {
    self.record = record
    self.axis = axis
    let posteriors = record.posteriors
    // 0 to 1, but for outputs that are no probabilities.
    var (low, high) = (Float(0), Float(1))
    for column in 0..<posteriors.columns {
      for series in 0..<posteriors.series {
        guard let value = posteriors.maximum(column: column, series: series, cell: 0) else {
          continue
        }
        (low, high) = (min(low, value), max(high, value))
      }
    }
    range = low...high
    laneHeight = max(14, min(40, 320 / record.keywords.count))
  }

  /// What the lanes show.
  var heading: String {
    let isPosterior = range == 0...1
    let bounds = [range.lowerBound, range.upperBound].map { fixed($0, isPosterior ? 0 : 2) }
    return (isPosterior ? "posteriors" : "outputs") + " from \(bounds[0]) to \(bounds[1]): "
      + "each step's (grey), smoothed (line); word and moment of its detection (blue)"
  }

  /// The keywords' names.
  var labels: [String] { record.keywords.map(\.label) }

  /// Their thresholds.
  var thresholdLabels: [String] { ["threshold"] + record.keywords.map { fixed($0.threshold, 2) } }

  /// Pixels of all lanes.
  var height: Int { record.keywords.count * (laneHeight + Self.gap) - Self.gap }

  private func height(of value: Float) -> Int {
    let share = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
    return Int((min(max(share, 0), 1) * Float(laneHeight - 1)).rounded())
  }

  /// Draws the lanes, the first keyword's at the top.
  ///
  /// - Parameters:
  ///   - page: What is drawn on.
  ///   - top: The top of the first lane.
  func draw(in page: inout PlotPage, top: Int) {
    for (keyword, label) in labels.enumerated() {
      let top = top + keyword * (laneHeight + Self.gap)
      drawLane(of: keyword, in: &page.drawing, left: page.left, top: top)
      let middle = top + laneHeight / 2
      page.drawing.add(
        label, x: page.left - PlotPage.Margin.tick - PlotPage.Margin.gap, y: middle, anchor: .end)
      page.drawing.add(
        fixed(record.keywords[keyword].threshold, 2), x: page.bar, y: middle, anchor: .start)
    }
  }

  private func drawLane(of keyword: Int, in drawing: inout Drawing, left: Int, top: Int) {
    let rate = Double(record.clock.rate)
    let marks = record.marks.filter { $0.keyword == keyword }
    let foot = top + laneHeight
    // A second of a long recording is a few pixels, which a mark may not cover.
    let markWidth = axis.pixels(ofSeconds: 1) < 8 && !record.clock.countsRows ? 1 : 2
    for mark in marks {
      let start = axis.x(Double(mark.start) / rate)
      let end = max(start + 1, axis.x(Double(mark.end) / rate))
      drawing.addRectangle(
        x: left + start, y: top, width: end - start, height: laneHeight,
        colour: Drawing.Palette.foundPale)
    }
    func curve(_ series: Int, _ style: Drawing.Curve.Style, _ colour: UInt8) -> Drawing.Curve {
      let heights = (0..<axis.columns).map { column in
        record.posteriors.maximum(column: column, series: series, cell: 0).map(height(of:))
      }
      return Drawing.Curve(
        x: left, baseline: style == .line ? foot - 1 : foot, columnWidth: axis.columnWidth,
        heights: heights, style: style, colour: colour)
    }
    drawing.add(curve(keyword, .area, Drawing.Palette.pale))
    drawing.addRectangle(
      x: left, y: foot - 1 - height(of: record.keywords[keyword].threshold), width: axis.width,
      height: 1)
    drawing.add(curve(record.keywords.count + keyword, .line, Drawing.Palette.ink))
    drawing.addRectangle(
      x: left, y: foot, width: axis.width, height: 1, colour: Drawing.Palette.pale)
    for mark in marks {
      let x = left + axis.x(Double(mark.position) / rate)
      drawing.addRectangle(
        x: x, y: top, width: markWidth, height: laneHeight, colour: Drawing.Palette.found)
    }
  }
}
