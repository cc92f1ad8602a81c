import FeatureExtraction

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
    panels = PlotPanel.panels(
      of: frontEnd, rows, columns: rows.columns, parts: rows.parts,
      smallest: rows.parts == 1 ? 320 : 200)
  }

  /// Room for the rows of a front end.
  package static func pool(for frontEnd: FrontEnd) -> PooledRows {
    let parts = 1 + frontEnd.deltas
    return PooledRows(parts: parts, partLength: frontEnd.rowLength / parts)
  }

  /// The drawing.
  package var drawing: Drawing {
    let axis = TimeAxis(RowClock(frontEnd), rows, columns: rows.columns)
    var page = PlotPage(
      title: title, axis: axis,
      labels: panels.flatMap { $0.ticks.map(\.label) + [$0.axisUnit] },
      barLabels: panels.flatMap { $0.colourTicks.map(\.label) }, units: panels.map(\.unit))
    for panel in panels { page.add(panel) }
    return page.finish()
  }
}
