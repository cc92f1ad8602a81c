import FeatureExtraction

/// What a model heard, attended to and found, on one time axis: the detections with their names,
/// the rows, the attention over the window at each moment, and every keyword's posterior.
///
/// Of heads that belong to keywords, those of detected ones are shown; of none, the one that came
/// nearest to its threshold.
package struct AttentionPlot {
  /// Most heads that have a picture.
  static let mostHeads = 8

  private let title: String
  private let record: AttentionRecord
  private let axis: TimeAxis
  private let panels: [PlotPanel]
  private let attention: [AttentionPanel]

  /// Plans the picture of a sequence.
  ///
  /// - Parameters:
  ///   - title: What stands above it, before the number of detections.
  ///   - record: What was heard, one row or more.
  package init(title: String, record: AttentionRecord) {
    precondition(record.pool.rows > 0, "There is a row to show")
    let count = record.marks.count
    self.title =
      title + ": " + (count == 0 ? "no" : "\(count)") + (count == 1 ? " detection" : " detections")
    self.record = record
    axis = TimeAxis(record.clock, record.pool, columns: record.columns)
    switch record.rows {
    case .sound(let frontEnd):
      panels = PlotPanel.panels(
        of: frontEnd, record.pool, columns: record.columns, parts: 1, smallest: 200)
    case .values:
      panels = [PlotPanel.elements(record.pool, columns: record.columns, smallest: 160)]
    }
    attention = AttentionPanel.panels(of: record, most: Self.mostHeads)
  }

  /// The drawing.
  package var drawing: Drawing {
    let lanes = PosteriorLanes(record, axis)
    let all = panels + attention.map(\.panel)
    var page = PlotPage(
      title: title, axis: axis,
      labels: all.flatMap { $0.ticks.map(\.label) + [$0.axisUnit] } + lanes.labels,
      barLabels: all.flatMap { $0.colourTicks.map(\.label) },
      units: all.map(\.unit) + lanes.thresholdLabels)
    let strip = DetectionStrip(record, axis)
    if !record.marks.isEmpty {
      strip.draw(in: &page, top: page.take(height: strip.height, after: 0))
    }
    for panel in panels {
      strip.drawGuides(in: &page, top: page.add(panel), height: panel.height)
    }
    for panel in attention { panel.drawMarks(of: record, in: &page, top: page.add(panel.panel)) }
    page.addHeading(lanes.heading, bar: "threshold")
    lanes.draw(in: &page, top: page.take(height: lanes.height))
    return page.finish()
  }
}
