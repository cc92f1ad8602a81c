import FeatureExtraction
import Glibc

/// One picture of a plot: a part of the rows, with what its axis and its colours mean.
struct PlotPanel {
  /// What it shows, where that isn't plain from its axis.
  let name: String
  /// The unit of its values.
  let unit: String
  /// Whether its axis is in hertz; else it counts coefficients.
  let isFrequency: Bool
  /// Pixels of a cell.
  let cellHeight: Int
  /// Marks of the axis; their values are shares of the height, 0 at the bottom.
  let ticks: [Tick]
  /// Marks of the colour bar, likewise.
  let colourTicks: [Tick]
  /// A pixel for each column and cell, the first cell at the bottom.
  let raster: Raster

  var height: Int { raster.height * cellHeight }

  /// The pictures of a front end's rows.
  ///
  /// Coefficient 0 is so much larger than the others that it has a strip of its own.
  static func panels(of frontEnd: FrontEnd, _ rows: PooledRows) -> [PlotPanel] {
    (0..<rows.parts).flatMap { part -> [PlotPanel] in
      let name = ["", "differences", "differences of differences"][part]
      let values = PlotValues(frontEnd, rows, part: part)
      let smallest = rows.parts == 1 ? 320 : 200
      guard let cepstra = frontEnd.cepstra else {
        return [PlotPanel(name, frequencies: FrequencyAxis(frontEnd), values, smallest: smallest)]
      }
      let first = part == 0 && cepstra.count > 1 ? 1 : 0
      let others = PlotPanel(
        name.isEmpty ? "cepstral coefficients" : name, coefficients: first..<cepstra.count,
        elementsPerCell: rows.elementsPerCell, values, smallest: smallest)
      guard first == 1, rows.elementsPerCell == 1 else { return [others] }
      return [
        PlotPanel(
          cepstra.energy ? "energy" : "coefficient 0", coefficients: 0..<1, elementsPerCell: 1,
          values, smallest: 36), others,
      ]
    }
  }

  private init(
    _ name: String, frequencies axis: FrequencyAxis, _ values: PlotValues, smallest: Int
  ) {
    let cellHeight = Self.cellHeight(values.cells, smallest: smallest)
    let height = values.cells * cellHeight
    // The last cell may stand for fewer bins than the others.
    let pixelsPerBin = Double(cellHeight) / Double(values.elementsPerCell)
    let ticks = axis.ticks(
      pixels: Int(Double(axis.bins) * pixelsPerBin), distance: Self.labelDistance
    ).map {
      Tick(value: axis.position(of: $0.value) * pixelsPerBin / Double(height), label: $0.label)
    }
    self.init(
      name: name, isFrequency: true, cellHeight: cellHeight, ticks: ticks, values, 0..<values.cells)
  }

  private init(
    _ name: String, coefficients: Range<Int>, elementsPerCell: Int, _ values: PlotValues,
    smallest: Int
  ) {
    let cells = coefficients.lowerBound / elementsPerCell..<values.cells
    let shown = coefficients.count == 1 ? coefficients : cells
    let cellHeight = Self.cellHeight(shown.count, smallest: smallest)
    let every = Self.step(pixels: Double(cellHeight) / Double(elementsPerCell))
    let ticks = coefficients.filter { $0.isMultiple(of: every) }.map { index in
      let place = (Double(index - coefficients.lowerBound) + 0.5) / Double(elementsPerCell)
      return Tick(value: place / Double(shown.count), label: "\(index)")
    }
    self.init(
      name: name, isFrequency: false, cellHeight: cellHeight, ticks: ticks, values, shown)
  }

  private init(
    name: String, isFrequency: Bool, cellHeight: Int, ticks: [Tick], _ values: PlotValues,
    _ cells: Range<Int>
  ) {
    let range = values.range(of: cells)
    let height = cells.count * cellHeight
    let width = Double(range.upperBound) - Double(range.lowerBound)
    self.name = name
    self.unit = values.unit
    self.isFrequency = isFrequency
    self.cellHeight = cellHeight
    self.ticks = ticks
    colourTicks = Ticks.decimal(
      in: Double(range.lowerBound)...Double(range.upperBound),
      atMost: max(2, height / (2 * Self.labelDistance))
    ).map { Tick(value: ($0.value - Double(range.lowerBound)) / width, label: $0.label) }
    raster = values.raster(of: cells, range)
  }

  /// Pixels from one label to the next.
  private static let labelDistance = 18

  private static func cellHeight(_ cells: Int, smallest: Int) -> Int {
    max(1, (smallest + cells - 1) / cells)
  }

  /// Every how manieth coefficient has a label.
  private static func step(pixels: Double) -> Int {
    var step = 1
    while Double(step) * pixels < Double(labelDistance) {
      // 1, 2, 5, 10, 20, ...
      step = String(step).hasPrefix("2") ? step / 2 * 5 : step * 2
    }
    return step
  }
}

/// The values of a part of the rows, as they are shown.
struct PlotValues {
  /// What a difference of 1 is.
  let unit: String
  let cells: Int
  let elementsPerCell: Int
  private let columns: Int
  /// Column after column, from the first cell on.
  private let values: [Float]
  private let isSymmetric: Bool
  /// Most that two values may differ by to have different colours; nil for any.
  private let span: Float?

  init(_ frontEnd: FrontEnd, _ rows: PooledRows, part: Int) {
    cells = rows.cells
    elementsPerCell = rows.elementsPerCell
    columns = rows.columns
    let means = rows.means(ofPart: part)
    let isEnergy = frontEnd.cepstra == nil && frontEnd.running == nil && part == 0
    isSymmetric = frontEnd.running == nil && !isEnergy
    let order = ["", "/row", "/row^2"][part]
    // 80 dB: what lies further below the loudest is not heard beside it.
    let span: Float = 80
    switch frontEnd.compression {
    case .linear where isEnergy:
      // Energies as they are would be a dark picture with a few bright dots.
      unit = "dB"
      values = means.map { 10 * log10(max($0, 1e-30)) }
      self.span = span
    case _ where frontEnd.running != nil:
      unit = "deviations"
      values = means
      self.span = nil
    case .linear:
      unit = "energy" + order
      values = means
      self.span = nil
    case .log:
      unit = "ln energy" + order
      values = means
      self.span = isEnergy ? span * log(10) / 10 : nil
    case .decibels:
      unit = "dB" + order
      values = means
      self.span = isEnergy ? span : nil
    case .pcen:
      unit = "PCEN" + order
      values = means
      self.span = nil
    }
  }

  /// From the darkest to the brightest value: all but one in a hundred below and one in a thousand
  /// above, so that a click doesn't darken all the rest.
  func range(of cells: Range<Int>) -> ClosedRange<Float> {
    var some: [Float] = []
    // Enough of them for a thousandth; a sort of all would take longer than the rest of the plot.
    // Steps that don't divide a column meet each of its cells.
    let every =
      [1, 2, 3, 5, 7, 11, 13, 17].first { step in
        values.count / step <= 100_000 && (step == 1 || !self.cells.isMultiple(of: step))
      } ?? 19
    for index in stride(from: 0, to: columns * self.cells, by: self.cells) {
      for cell in cells where (index + cell).isMultiple(of: every) {
        some.append(values[index + cell])
      }
    }
    if some.isEmpty { some = [values[cells.lowerBound]] }
    some.sort()
    func share(_ part: Double) -> Float { some[Int(Double(some.count - 1) * part)] }
    var (low, high) = (share(0.01), share(0.999))
    if isSymmetric, cells.count > 1 || low < 0 && high > 0 {
      high = max(abs(low), abs(high))
      low = -high
    }
    if let span { low = max(low, high - span) }
    // Values that are all the same have a middle colour.
    let least = max(1, abs(high) / 1_000)
    if high - low < least {
      let middle = low + (high - low) / 2
      (low, high) = (middle - least / 2, middle + least / 2)
    }
    return low...high
  }

  /// A pixel for each column and cell, the first cell at the bottom.
  func raster(of cells: Range<Int>, _ range: ClosedRange<Float>) -> Raster {
    var raster = Raster(width: columns, height: cells.count, filledWith: 0)
    let scale = Float(ColourMap.size - 1) / (range.upperBound - range.lowerBound)
    for column in 0..<columns {
      for cell in cells {
        let value = values[column * self.cells + cell]
        let colour = ((value - range.lowerBound) * scale).rounded()
        raster[column, cells.upperBound - 1 - cell] = UInt8(
          min(max(colour, 0), Float(ColourMap.size - 1)))
      }
    }
    return raster
  }
}
