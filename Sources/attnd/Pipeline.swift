import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention

/// One stream of sound on its way: samples -> rows -> steps of the network -> frames, detections.
///
/// Start reading here. The samples of a step are read, the front end makes rows of them, the network
/// takes the rows, and what comes of it is handed to whoever called: the daemon publishes it, the
/// batch command prints it. Used by one thread; after `init` it allocates nothing.
package struct Pipeline: ~Copyable {
  /// What a step of the network has to say, with positions in samples of the stream.
  package struct Frame {
    /// Number of the step.
    package let index: Int
    /// Position just after the last sample that the step has seen.
    package let position: Int
    /// When that sample was captured, Unix seconds; nil for files and pipes.
    package let captured: Double?
    /// Since when its newest sample is under way, in seconds since boot; NaN where nobody asked for it.
    package let began: Double
    /// Whether that sample was there already when it was asked for: more than one step waits.
    package let isBehind: Bool
    /// Level of the samples since the frame before, dBFS; NaN where there is no sound, only rows.
    package let level: Float
  }

  /// A hole in the sound: so many samples before `position` are missing.
  package struct Gap {
    package let position: Int
    package let samples: Int
    /// Why they are missing.
    package let reason: LossReason
    /// Whether what was heard before it is forgotten: a hole is a silence.
    package let isForgotten: Bool
  }

  private var rows: SoundRows
  private var stream: AttentionStream
  private var gauge = StepGauge()

  /// - Parameters:
  ///   - model: What to listen for, and every number of it.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - timekeeper: Tells when samples are read; nil where nobody asks for latencies.
  /// - Throws: What the parts find wrong with their numbers.
  package init(
    _ model: ModelFile, threshold: Float? = nil, timekeeper: (any Timekeeper)? = nil
  ) throws {
    let front = try model.frontEnd()
    // Both before either is stored: a throwing init may not leave half of it.
    let rows = try SoundRows(
      front, mean: model.mean, scale: model.scale, reset: model.reset,
      timekeeper: timekeeper, rowsAtOnce: model.architecture.rowsPerStep)
    let stream = try AttentionStream(
      model.parameters, detector: model.detector(threshold: threshold),
      sampleRate: front.sampleRate, hop: front.hop)
    self.rows = rows
    self.stream = stream
  }

  /// Samples of the stream so far, the lost ones included.
  package var position: Int { rows.position }

  /// Goes on where another one is, before anything is read.
  ///
  /// Positions and numbers of frames follow its own; nothing of what it has heard is known here.
  ///
  /// - Parameter other: The one whose place this takes.
  package mutating func goOn(after other: borrowing Pipeline) {
    rows.begin(at: other.position)
    gauge.begin(with: other.gauge.frames)
  }

  /// Changes from which smoothed posterior on a keyword is detected.
  ///
  /// - Parameters:
  ///   - threshold: Within the detector's range.
  ///   - keyword: Index of the keyword.
  package mutating func setThreshold(_ threshold: Float, of keyword: Int) {
    stream.setThreshold(threshold, of: keyword)
  }

  /// Reads what the next step of the network still needs, and hands out what comes of it, in the order
  /// of the stream.
  ///
  /// The first step may take several calls, and one before a gap too.
  ///
  /// - Parameters:
  ///   - source: Where the samples come from.
  ///   - gap: Called first when samples are missing before those that were read.
  ///   - sound: Called with the samples that were read, before anything comes of them.
  ///   - frame: Called for each step of the network, with its state.
  ///   - detection: Called after a step for each keyword that it detected.
  /// - Returns: Whether there was anything to read; false at the end of the source, after which the
  ///   pipeline takes no more.
  /// - Throws: `AudioInputError` when the source fails.
  package mutating func advance(
    reading source: borrowing any AudioSource,
    gap: (Gap) -> Void = { _ in },
    sound: (UnsafeBufferPointer<Float>) -> Void = { _ in },
    frame: (Frame, borrowing AttentionStream) -> Void = { _, _ in },
    detection: (Detection) -> Void = { _ in }
  ) throws(AudioInputError) -> Bool {
    try Self.advance(&rows, &stream, &gauge, source, gap, sound, frame, detection)
  }

  /// A row's way: from the front end through the network.
  ///
  /// Static, so that each part may be written while the one before it is.
  private static func advance(
    _ rows: inout SoundRows, _ stream: inout AttentionStream, _ gauge: inout StepGauge,
    _ source: borrowing any AudioSource, _ gap: (Gap) -> Void,
    _ sound: (UnsafeBufferPointer<Float>) -> Void,
    _ frame: (Frame, borrowing AttentionStream) -> Void, _ detection: (Detection) -> Void
  ) throws(AudioInputError) -> Bool {
    try rows.read(source, rows: stream.rowsToStep, gap: gap, sound: sound) { row, origin in
      gauge.take(origin)
      if origin.followsSilence { stream.forget() }
      guard stream.push(row, position: origin.position) else { return }
      frame(gauge.frame(of: stream), stream)
      stream.forEachDetection(detection)
    }
  }
}
