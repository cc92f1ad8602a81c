import FeatureExtraction
import StreamingAttention

/// What lies between two steps of the network: how loud it was, and when it was captured.
///
/// Belongs to a stream, beside its `AttentionStream`: told of every row that the network takes, and
/// asked at every step.
package struct StepGauge {
  private var level: LevelMeter?
  private var captured: Double?
  private var began = Double.nan
  private var isBehind = false
  /// Frames of a stream before this one, whose place it took.
  private var framesBefore = 0
  /// Frames so far, those before included: the number of the next one.
  package private(set) var frames = 0

  package init() {}

  /// Numbers frames from here on.
  ///
  /// - Parameter frames: Number of the first.
  package mutating func begin(with frames: Int) {
    self.frames = frames
    framesBefore = frames
  }

  /// Takes in what comes with a row.
  package mutating func take(_ origin: SoundRows.Origin) {
    captured = origin.captured
    began = origin.began
    isBehind = origin.isBehind
    guard let heard = origin.heard else { return }
    level = level ?? LevelMeter()
    level?.add(heard)
  }

  /// The frame of the step that a stream has just taken.
  package mutating func frame(of stream: borrowing AttentionStream) -> Pipeline.Frame {
    frames = framesBefore + stream.steps
    return Pipeline.Frame(
      index: frames - 1, position: stream.position, captured: captured, began: began,
      isBehind: isBehind, level: level?.read() ?? .nan)
  }
}
