import FeatureExtraction

/// What a model made of a sequence, pooled for a picture as it goes by, in bounded memory.
///
/// In: every row, every step of the network, every detection, in the order of the stream. Out:
/// `AttentionPlot`.
package struct AttentionRecord: Sendable {
  /// What the rows are.
  package enum Rows: Sendable {
    /// Features of sound.
    case sound(FrontEnd)
    /// Rows that come by themselves.
    case values(length: Int, perSecond: Int)

    /// When they are.
    package var clock: RowClock {
      switch self {
      case .sound(let frontEnd): RowClock(frontEnd)
      case .values(_, let perSecond): RowClock(rowsPerSecond: perSecond)
      }
    }
  }

  /// What is listened for.
  package struct Keyword: Sendable {
    package let name: String
    package let threshold: Float

    /// As much of the name as leaves room for other things.
    var label: String { PlotPage.shortened(name, to: 24) }

    /// A keyword and the threshold on its smoothed posterior.
    package init(name: String, threshold: Float) {
      self.name = name
      self.threshold = threshold
    }
  }

  /// What the heads stand for.
  package enum Heads: Sendable, Equatable {
    /// So many for all keywords.
    case shared(Int)
    /// One for each keyword.
    case keyword
  }

  /// A detection, as positions.
  package struct Mark: Sendable, Equatable {
    package let keyword: Int
    package let score: Float
    package let start: Int
    package let end: Int
    /// When it was decided.
    package let position: Int

    /// A keyword that was found from `start` to `end`, which was decided at `position`.
    package init(keyword: Int, score: Float, start: Int, end: Int, position: Int) {
      self.keyword = keyword
      self.score = score
      self.start = start
      self.end = end
      self.position = position
    }
  }

  package let rows: Rows
  package let keywords: [Keyword]
  package let heads: Heads
  /// Positions from a step to the next.
  package let stepPositions: Int
  package private(set) var marks: [Mark] = []
  package private(set) var pool: PooledRows
  /// Weights, a series for each head.
  package private(set) var weights: PooledMaxima
  /// Posteriors, a series for each keyword, and behind those the smoothed ones.
  package private(set) var posteriors: PooledMaxima
  /// The newest step's position.
  package private(set) var position = 0
  private let window: Int
  /// The step from which the window was full.
  private var fullPosition: Int?
  /// What was subtracted from the rows that come, and what they were multiplied by after that.
  private var mean: [Float] = []
  private var scale: [Float] = []

  /// Begins a sequence.
  ///
  /// - Parameters:
  ///   - rows: What the rows are.
  ///   - keywords: What is listened for, one or more.
  ///   - heads: What the heads stand for.
  ///   - window: Steps of the attention's window.
  ///   - rowsPerStep: Rows from a step to the next.
  package init(
    _ rows: Rows, keywords: [Keyword], heads: Heads, window: Int, rowsPerStep: Int
  ) {
    self.rows = rows
    self.keywords = keywords
    self.heads = heads
    self.window = window
    stepPositions = rows.clock.hop * rowsPerStep
    let headCount = if case .shared(let count) = heads { count } else { keywords.count }
    weights = PooledMaxima(
      series: headCount, largestCells: min(window + window % 2, Self.cells(heads: headCount)))
    posteriors = PooledMaxima(series: 2 * keywords.count, largestCells: 1)
    switch rows {
    case .sound(let frontEnd): pool = FeaturePlot.pool(for: frontEnd)
    case .values(let length, _): pool = PooledRows(parts: 1, partLength: length)
    }
  }

  /// Cells of each head, so that those of all of them stay within some megabytes.
  private static func cells(heads: Int) -> Int { min(128, max(32, 1_024 / heads / 2 * 2)) }

  /// When the rows are.
  package var clock: RowClock { rows.clock }

  /// Shows rows as they were before a mean was subtracted and a scale multiplied.
  package mutating func undo(mean: [Float], scale: [Float]) {
    self.mean = mean
    self.scale = scale
  }

  /// Takes the next row.
  package mutating func add(row: Span<Float>) {
    let before = pool.rowsPerColumn
    if mean.isEmpty {
      pool.add(row)
    } else {
      let values = row.indices.map { scale[$0] == 0 ? mean[$0] : row[$0] / scale[$0] + mean[$0] }
      pool.add(values.span)
    }
    guard pool.rowsPerColumn != before else { return }
    weights.halveColumns()
    posteriors.halveColumns()
  }

  /// Begins a step of the network, after the row that completed it; its posteriors and weights
  /// follow.
  ///
  /// - Parameters:
  ///   - position: The step's position.
  ///   - span: Steps in the window.
  package mutating func begin(stepAt position: Int, span: Int) {
    self.position = position
    if span >= window, fullPosition == nil { fullPosition = position }
  }

  /// Takes a posterior of the step, and its smoothed one, which the threshold is compared with.
  package mutating func add(posterior: Float, smoothed: Float, of keyword: Int) {
    posteriors.add(posterior, series: keyword, columns: stepColumns)
    posteriors.add(smoothed, series: keywords.count + keyword, columns: stepColumns)
  }

  /// Takes the weights of the step over its window, oldest first.
  package mutating func add(weights values: Span<Float>, of head: Int) {
    weights.add(weights: values, series: head, columns: stepColumns)
  }

  /// The columns in which the newest step holds: until the next one.
  private var stepColumns: ClosedRange<Int> {
    column(of: position)...column(of: position + stepPositions - 1)
  }

  /// Takes a detection.
  package mutating func add(_ mark: Mark) { marks.append(mark) }

  /// The column that a position lies in.
  package func column(of position: Int) -> Int {
    clock.column(of: position, rowsPerColumn: pool.rowsPerColumn)
  }

  /// The first column whose weights are as small as they stay: where the window is full, or at
  /// least half as full as it gets.
  package var settledColumn: Int { column(of: fullPosition ?? position / 2) }

  /// The head that a keyword's detections come from.
  package func head(of keyword: Int) -> Int { heads == .keyword ? keyword : 0 }

  /// Columns of the picture: those of the rows, and those behind them that a step lies in.
  package var columns: Int { max(pool.columns, position > 0 ? column(of: position) + 1 : 0) }
}
