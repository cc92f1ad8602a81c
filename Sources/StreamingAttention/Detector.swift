/// When a posterior becomes a detection; all of it in stream time.
public struct DetectorSettings: Sendable, Equatable {
  /// Threshold of each keyword on its smoothed posterior, 0 to 1.
  public var thresholds: [Float]
  /// Steps whose mean is the smoothed posterior, 1 to 1,000.
  public var smoothingSteps: Int
  /// Fraction of the threshold that the smoothed posterior must fall below before the keyword
  /// may be detected again, 0 to 1.
  public var release: Float
  /// Seconds that must pass between two detections of one keyword.
  public var refractorySeconds: Double

  /// Gathers the settings; `validate` checks them.
  ///
  /// - Parameters:
  ///   - thresholds: Threshold of each keyword.
  ///   - smoothingSteps: Steps whose mean is compared with the threshold.
  ///   - release: Fraction of the threshold below which a keyword is armed again.
  ///   - refractorySeconds: Seconds between two detections of one keyword.
  public init(
    thresholds: [Float], smoothingSteps: Int, release: Float, refractorySeconds: Double
  ) {
    self.thresholds = thresholds
    self.smoothingSteps = smoothingSteps
    self.release = release
    self.refractorySeconds = refractorySeconds
  }

  /// Checks every number against its limits.
  ///
  /// - Throws: `DetectorSettingsError` naming the first number that cannot be.
  public func validate() throws(DetectorSettingsError) {
    for threshold in thresholds where !(0...1).contains(threshold) {
      throw DetectorSettingsError(
        field: "threshold", found: "\(threshold)", expected: "0 to 1")
    }
    guard (1...1_000).contains(smoothingSteps) else {
      throw DetectorSettingsError(
        field: "smoothing_steps", found: "\(smoothingSteps)", expected: "1 to 1000")
    }
    guard (0...1).contains(release) else {
      throw DetectorSettingsError(field: "release", found: "\(release)", expected: "0 to 1")
    }
    guard (0...3_600).contains(refractorySeconds) else {
      throw DetectorSettingsError(
        field: "refractory_seconds", found: "\(refractorySeconds)", expected: "0 to 3600")
    }
  }
}

/// A number of the detector that cannot be.
public struct DetectorSettingsError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Name of the number, as the model file spells it.
  public let field: String
  /// What was given.
  public let found: String
  /// What can be.
  public let expected: String

  /// One line: the number, what was found, what was expected.
  public var description: String { "detector: \(field) is \(found), expected \(expected)" }
}
