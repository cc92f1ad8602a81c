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

  package init() {}

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
    Pipeline.Frame(
      index: stream.steps - 1, position: stream.position, captured: captured, began: began,
      isBehind: isBehind, level: level?.read() ?? .nan)
  }
}
