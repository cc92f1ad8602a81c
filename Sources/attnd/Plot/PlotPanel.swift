import FeatureExtraction
import Glibc

/// One picture of a plot, with what its axis and its colours mean.
struct PlotPanel {
  /// What it shows, where that isn't plain from its axis.
  let name: String
  /// The unit of its values.
  let unit: String
  /// The unit of its axis; none where it counts coefficients.
  let axisUnit: String
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
  ///
  /// - Parameters:
  ///   - frontEnd: What the rows were made by.
  ///   - rows: The rows.
  ///   - columns: Columns of the pictures; those that the rows have not are paper.
  ///   - parts: How many parts of the rows to show.
  ///   - smallest: Pixels that a picture is high at least.
  /// - Returns: The pictures, from the top down.
  static func panels(
    of frontEnd: FrontEnd, _ rows: PooledRows, columns: Int, parts: Int, smallest: Int
  ) -> [PlotPanel] {
    (0..<parts).flatMap { part -> [PlotPanel] in
      let name = ["", "differences", "differences of differences"][part]
      let values = PlotValues(frontEnd, rows, part: part)
      guard let cepstra = frontEnd.cepstra else {
        return [
          PlotPanel(
            name, frequencies: FrequencyAxis(frontEnd), values, columns: columns,
            smallest: smallest)
        ]
      }
      let first = part == 0 && cepstra.count > 1 ? 1 : 0
      let others = PlotPanel(
        name.isEmpty ? "cepstral coefficients" : name, coefficients: first..<cepstra.count,
        elementsPerCell: rows.elementsPerCell, values, columns: columns, smallest: smallest)
      guard first == 1, rows.elementsPerCell == 1 else { return [others] }
      return [
        PlotPanel(
          cepstra.energy ? "energy" : "coefficient 0", coefficients: 0..<1, elementsPerCell: 1,
          values, columns: columns, smallest: 36), others,
      ]
    }
  }

  /// The picture of rows that are no sound: an element upwards, whatever it may be.
  ///
  /// - Parameters:
  ///   - rows: The rows, of one part.
  ///   - columns: Columns of the picture; those that the rows have not are paper.
  ///   - smallest: Pixels that it is high at least.
  /// - Returns: The picture.
  static func elements(_ rows: PooledRows, columns: Int, smallest: Int) -> PlotPanel {
    PlotPanel(
      "", coefficients: 0..<rows.partLength, elementsPerCell: rows.elementsPerCell,
      PlotValues(rows), columns: columns, smallest: smallest, axisUnit: "element",
      marks: 6)
  }

  private init(
    _ name: String, frequencies axis: FrequencyAxis, _ values: PlotValues, columns: Int,
    smallest: Int
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
      name: name, axisUnit: "Hz", cellHeight: cellHeight, ticks: ticks, values, 0..<values.cells,
      columns: columns)
  }

  private init(
    _ name: String, coefficients: Range<Int>, elementsPerCell: Int, _ values: PlotValues,
    columns: Int, smallest: Int, axisUnit: String = "", marks: Int? = nil
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
      name: name, axisUnit: axisUnit, cellHeight: cellHeight, ticks: ticks, values, shown,
      columns: columns, marks: marks)
  }

  private init(
    name: String, axisUnit: String, cellHeight: Int, ticks: [Tick], _ values: PlotValues,
    _ cells: Range<Int>, columns: Int, marks: Int? = nil
  ) {
    let range = values.range(of: cells)
    self.init(
      name: name, unit: values.unit, axisUnit: axisUnit, cellHeight: cellHeight, ticks: ticks,
      range, raster: values.raster(of: cells, range, columns: columns), marks: marks)
  }

  /// Puts a picture and its axes together.
  ///
  /// - Parameters:
  ///   - name: What it shows.
  ///   - unit: The unit of its values.
  ///   - axisUnit: The unit of its axis.
  ///   - cellHeight: Pixels of a cell.
  ///   - ticks: Marks of the axis.
  ///   - range: The values of the darkest and the brightest colour.
  ///   - raster: A pixel for each column and cell.
  ///   - marks: Most marks of the colour bar; as many as there is ample room for when absent.
  init(
    name: String, unit: String, axisUnit: String, cellHeight: Int, ticks: [Tick],
    _ range: ClosedRange<Float>, raster: Raster, marks: Int? = nil
  ) {
    let height = raster.height * cellHeight
    let width = Double(range.upperBound) - Double(range.lowerBound)
    self.name = name
    self.unit = unit
    self.axisUnit = axisUnit
    self.cellHeight = cellHeight
    self.ticks = ticks
    self.raster = raster
    colourTicks = Ticks.decimal(
      in: Double(range.lowerBound)...Double(range.upperBound),
      atMost: marks ?? max(2, height / (2 * Self.labelDistance))
    ).map { Tick(value: ($0.value - Double(range.lowerBound)) / width, label: $0.label) }
  }

  /// Pixels from one label to the next.
  static let labelDistance = 18

  static func cellHeight(_ cells: Int, smallest: Int) -> Int {
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
  /// Least that the values of the darkest and the brightest colour differ by.
  private let least: Float
  /// Most that two values may differ by to have different colours; nil for any.
  private let span: Float?

  init(_ frontEnd: FrontEnd, _ rows: PooledRows, part: Int) {
    cells = rows.cells
    elementsPerCell = rows.elementsPerCell
    columns = rows.columns
    least = 1
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

  /// The values of rows that are no sound: below and above 0 alike where they have both signs.
  init(_ rows: PooledRows) {
    unit = "value"
    cells = rows.cells
    elementsPerCell = rows.elementsPerCell
    columns = rows.columns
    values = rows.means(ofPart: 0)
    isSymmetric = values.contains { $0 < 0 } && values.contains { $0 > 0 }
    least = 1e-6
    span = nil
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
    let least = max(self.least, abs(high) / 1_000)
    if high - low < least {
      let middle = low + (high - low) / 2
      (low, high) = (middle - least / 2, middle + least / 2)
    }
    return low...high
  }

  /// A pixel for each column and cell, the first cell at the bottom.
  ///
  /// - Parameters:
  ///   - cells: Which cells.
  ///   - range: The values of the darkest and the brightest colour.
  ///   - width: Columns of the picture; beyond the values' own it is paper.
  /// - Returns: The picture.
  func raster(of cells: Range<Int>, _ range: ClosedRange<Float>, columns width: Int) -> Raster {
    var raster = Raster(width: width, height: cells.count, filledWith: Drawing.Palette.paper)
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
