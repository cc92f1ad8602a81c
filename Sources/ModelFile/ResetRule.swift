import JSONText

extension ModelFile {
  /// When what a stream has heard is forgotten.
  public enum ResetRule: Sendable, Equatable {
    /// Never: what lies behind the window lives on in the network's states alone.
    case never
    /// After a silence.
    case silence(Silence)
  }

  /// How long, and how quiet, it must be before what was heard is forgotten.
  public struct Silence: Sendable, Equatable {
    /// Seconds of the stream without a louder sample, 0.1 to 3,600.
    public var seconds: Double
    /// The magnitude that no sample exceeds, in decibels of full scale, -120 to 0.
    public var decibels: Double

    /// Gathers the two.
    ///
    /// - Parameters:
    ///   - seconds: Seconds of the stream without a louder sample.
    ///   - decibels: The magnitude that no sample exceeds, in decibels of full scale.
    public init(seconds: Double, decibels: Double) {
      self.seconds = seconds
      self.decibels = decibels
    }
  }
}

extension ModelFile.ResetRule {
  /// Reads `reset`.
  init(_ json: JSON, for input: ModelFile.Input) throws(ModelFault) {
    guard case .object = json else {
      guard json == .string("never") else {
        throw .value(
          path: "reset", found: json.summary,
          expected: "'never', or an object with silence_seconds and below_dbfs")
      }
      self = .never
      return
    }
    guard case .sound = input else {
      throw .value(
        path: "reset", found: "an object",
        expected: "'never' for a model of rows: silence is a property of sound")
    }
    let fields = try Fields(json, at: "reset", required: ["silence_seconds", "below_dbfs"])
    self = .silence(
      ModelFile.Silence(
        seconds: try fields.double("silence_seconds", in: 0.1...3_600),
        decibels: try fields.double("below_dbfs", in: -120...0)))
  }

  /// `reset`.
  var json: JSON {
    switch self {
    case .never: .string("never")
    case .silence(let silence):
      .object([
        .init("silence_seconds", .number("\(silence.seconds)")),
        .init("below_dbfs", .number("\(silence.decibels)")),
      ])
    }
  }
}
