import KernelDispatch
import Kernels

/// When a posterior becomes a detection; all of it in stream time.
public struct DetectorSettings: Sendable, Equatable {
  /// Threshold of each keyword on its smoothed posterior, 0.001 to 1.
  public var thresholds: [Float]
  /// Steps whose mean is the smoothed posterior, 1 to 1,000.
  public var smoothingSteps: Int
  /// Fraction of the threshold that the smoothed posterior must fall below before the keyword
  /// may be detected again, 0.05 to 1.
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

  /// What a threshold may be: at 0 a keyword would never be armed again.
  public static let thresholdRange: ClosedRange<Float> = 0.001...1

  /// Checks every number against its limits.
  ///
  /// Threshold and release have lower limits because a posterior never falls below 0: with either
  /// at 0 a keyword would be detected once and never again.
  ///
  /// - Throws: `DetectorSettingsError` naming the first number that cannot be.
  public func validate() throws(DetectorSettingsError) {
    for threshold in thresholds where !Self.thresholdRange.contains(threshold) {
      throw DetectorSettingsError(
        field: "threshold", found: "\(threshold)",
        expected: "\(Self.thresholdRange.lowerBound) to 1")
    }
    guard (1...1_000).contains(smoothingSteps) else {
      throw DetectorSettingsError(
        field: "smoothing_steps", found: "\(smoothingSteps)", expected: "1 to 1000")
    }
    guard (0.05...1).contains(release) else {
      throw DetectorSettingsError(field: "release", found: "\(release)", expected: "0.05 to 1")
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

/// Posteriors -> detections: smoothing, threshold, hysteresis, refractory time.
///
/// A keyword fires when it is armed, the mean of its last posteriors reaches the threshold, and
/// its last detection is long enough ago. Firing disarms it until the mean has fallen below
/// `release` times the threshold. Time is the position in samples that the caller gives; no clock
/// is read.
package struct Detector: ~Copyable {
  private struct Keyword {
    var threshold: Float
    var isArmed = true
    var lastDetection: Int?
    /// Smoothed posterior at the newest step if the keyword fired at it.
    var firedScore: Float?
  }

  private let settings: DetectorSettings
  private let refractorySamples: Int
  private var keywords: [Keyword]
  /// [keywords][smoothing steps], the last posteriors of each; slot = step mod smoothing steps.
  private let recent: FloatBuffer
  private var steps = 0

  package init(_ settings: DetectorSettings, sampleRate: Int) {
    self.settings = settings
    refractorySamples = Int((settings.refractorySeconds * Double(sampleRate)).rounded())
    keywords = settings.thresholds.map { Keyword(threshold: $0) }
    recent = FloatBuffer(count: settings.smoothingSteps * settings.thresholds.count)
  }

  func threshold(_ keyword: Int) -> Float { keywords[keyword].threshold }

  mutating func setThreshold(_ threshold: Float, of keyword: Int) {
    keywords[keyword].threshold = threshold
  }

  /// Mean of the last posteriors of a keyword; of as many as there are at the start.
  package func smoothed(_ keyword: Int) -> Float {
    let count = min(steps, settings.smoothingSteps)
    guard count > 0 else { return 0 }
    // Summed afresh, so that no error and no NaN outlives the posteriors it came from.
    let latest = recent.pointer + keyword * settings.smoothingSteps
    return kernels.sum(latest, count: count) / Float(count)
  }

  /// The smoothed posterior with which a keyword fired at the newest step; nil if it didn't.
  package func firedScore(_ keyword: Int) -> Float? { keywords[keyword].firedScore }

  /// Takes in the posteriors of a step.
  ///
  /// - Parameters:
  ///   - posteriors: y_t.
  ///   - position: Samples of the stream that the step has seen.
  package mutating func step(_ posteriors: UnsafePointer<Float>, position: Int) {
    let slot = steps % settings.smoothingSteps
    steps += 1
    for i in keywords.indices {
      recent.pointer[i * settings.smoothingSteps + slot] = posteriors[i]
      let smoothed = smoothed(i)
      keywords[i].firedScore = nil
      let threshold = keywords[i].threshold
      if smoothed < settings.release * threshold { keywords[i].isArmed = true }
      guard keywords[i].isArmed, smoothed >= threshold else { continue }
      if let last = keywords[i].lastDetection, position - last < refractorySamples { continue }
      keywords[i].isArmed = false
      keywords[i].lastDetection = position
      keywords[i].firedScore = smoothed
    }
  }

  /// Begins smoothing anew.
  package mutating func forget() {
    steps = 0
    for i in keywords.indices { keywords[i].firedScore = nil }
  }

  package mutating func reset() {
    steps = 0
    for i in keywords.indices {
      keywords[i].isArmed = true
      keywords[i].lastDetection = nil
      keywords[i].firedScore = nil
    }
  }
}
