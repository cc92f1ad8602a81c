import FeatureExtraction
import JSONText
import StreamingAttention

extension ModelFile {
  /// What a model takes in: sound, or rows that were made elsewhere.
  public enum Input: Sendable, Equatable {
    /// Sound, which the front end turns into rows.
    case sound(FrontEnd)
    /// Rows of anything: embeddings of text, lines of an image, a log of sensors.
    case rows(RowSequence)
  }

  /// Rows that were made elsewhere.
  ///
  /// Their time is counted in rows: a row takes the place of a sample, and the hop is one.
  public struct RowSequence: Sendable, Equatable {
    /// Elements of a row, 1 to 4,096.
    public var length: Int
    /// Rows a second, 1 to 384,000: what turns their number into time.
    public var perSecond: Int

    /// Gathers the two.
    ///
    /// - Parameters:
    ///   - length: Elements of a row.
    ///   - perSecond: Rows a second.
    public init(length: Int, perSecond: Int) {
      self.length = length
      self.perSecond = perSecond
    }
  }
}

extension ModelFile.Input {
  /// Elements of a row.
  public var rowLength: Int {
    switch self {
    case .sound(let frontEnd): frontEnd.rowLength
    case .rows(let rows): rows.length
    }
  }

  /// Positions a second: samples of sound, or rows.
  public var sampleRate: Int {
    switch self {
    case .sound(let frontEnd): frontEnd.sampleRate
    case .rows(let rows): rows.perSecond
    }
  }

  /// Positions between two rows.
  public var hop: Int {
    switch self {
    case .sound(let frontEnd): frontEnd.hop
    case .rows: 1
    }
  }

  /// Position just after a row.
  ///
  /// - Parameter row: Index of the row, from 0.
  /// - Returns: A position in samples, or in rows.
  public func endPosition(ofRow row: Int) -> Int {
    switch self {
    case .sound(let frontEnd): frontEnd.endPosition(ofRow: row)
    case .rows: row + 1
    }
  }

  /// Checks what is subtracted from a row, and what it is multiplied by after that.
  ///
  /// - Parameters:
  ///   - mean: A number for each element of a row.
  ///   - scale: A number for each element of a row.
  /// - Throws: `ModelFault` naming the first number that can't be.
  func validate(mean: [Float], scale: [Float]) throws(ModelFault) {
    switch self {
    case .sound(let frontEnd):
      do { try frontEnd.validate(mean: mean, scale: scale) } catch { throw .frontEnd(error) }
    case .rows:
      // The bounds of a front end's, so that one set of statistics fits either input.
      try ModelFile.require(-1e30...1e30, "feature.mean", mean)
      try ModelFile.require(-1e8...1e8, "feature.scale", scale)
    }
  }
}

extension ModelFile {
  fileprivate static func require(
    _ range: ClosedRange<Float>, _ name: String, _ values: [Float]
  ) throws(ModelFault) {
    guard let index = values.firstIndex(where: { !range.contains($0) }) else { return }
    throw .tensor(
      name: name, found: "has \(values[index]) at element \(index)",
      expected: "\(range.lowerBound) to \(range.upperBound)")
  }
}

extension ModelFile.Input {
  /// Reads `front_end` or `rows` of a document, of which there is one.
  init(_ document: Fields) throws(ModelFault) {
    switch (document.has("front_end"), document.has("rows")) {
    case (true, false): self = .sound(try FrontEnd(document.value("front_end")))
    case (false, true): self = .rows(try ModelFile.RowSequence(document.value("rows")))
    case (true, true):
      throw .value(
        path: "rows", found: "given beside front_end",
        expected: "one of the two: front_end where sound comes in, rows where nothing but rows does"
      )
    case (false, false):
      throw .missing(path: "front_end, or rows in its place where no sound comes in,")
    }
  }

  /// The member of a document.
  var member: JSON.Member {
    switch self {
    case .sound(let frontEnd): .init("front_end", frontEnd.json)
    case .rows(let rows): .init("rows", rows.json)
    }
  }
}

extension ModelFile.RowSequence {
  /// Rows a second: the bounds of a sample rate, but for slow sensors.
  static let perSecondRange = 1...384_000

  fileprivate init(_ json: JSON) throws(ModelFault) {
    let fields = try Fields(json, at: "rows", required: ["length", "per_second"])
    length = try fields.integer("length", in: Architecture.Limit.width)
    perSecond = try fields.integer("per_second", in: Self.perSecondRange)
  }

  fileprivate var json: JSON {
    .object([
      .init("length", .number("\(length)")), .init("per_second", .number("\(perSecond)")),
    ])
  }
}
