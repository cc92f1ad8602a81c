/// One attention frame in the ring, while the processing thread fills it.
///
/// The buffers point into the slot and hold what an older frame left there: every value must be written. They must not leave the closure that got the record.
public struct FrameRecord: ~Copyable {
  /// Number of the frame in its epoch: rises by one from frame to frame.
  public var index = 0
  /// Position just after the last sample that the frame has seen.
  public var sample = 0
  /// Unix seconds at which that sample was captured; NaN when nobody knows (files, pipes).
  public var captured = Double.nan
  /// Seconds since boot from which the frame's latency counts: when its newest sample was captured, or,
  /// of files and pipes, when it was read; NaN when nobody knows.
  public var began = Double.nan
  /// Whether more sound waited already when that sample was read: the processing is behind.
  public var isBehind = false
  /// RMS of the last hop in dBFS.
  public var level: Float = -120
  /// Frames in the window now, this one included: 1 to the stream's window.
  public var span = 1
  /// A posterior per keyword, in the order of the keywords.
  public let posteriors: UnsafeMutableBufferPointer<Float>
  /// One focus, of head 0; with heads per keyword one per keyword.
  public let focuses: UnsafeMutableBufferPointer<Focus>
  /// Heads x window weights; empty unless some subscriber wants them.
  ///
  /// Those of head h, oldest first, are the `span` values from h x window on; the rest isn't read.
  public let weights: UnsafeMutableBufferPointer<Float>
  /// The feature row, bins values; empty unless some subscriber wants it.
  public let spectrum: UnsafeMutableBufferPointer<Float>
}

/// How a frame lies in its slot: a header, then the arrays one after the other.
struct FrameLayout: Sendable {
  /// What stands at the start of a slot.
  struct Header {
    var ticket = 0
    var lost = LostFrames()
    var epoch = 0
    var index = 0
    var sample = 0
    var captured = Double.nan
    var began = Double.nan
    var isBehind = false
    var level: Float = -120
    var span = 1
    var hasWeights = false
    var hasSpectrum = false
    /// Whether it answers `snapshot` requests.
    var answersSnapshot = false
    /// Whether it is shown once more, for a `snapshot` alone.
    var isRepeated = false
  }

  let keywords: Int
  let heads: Int
  let window: Int
  let bins: Int
  let focuses: Int
  /// Whether weights of this shape can be sent at all.
  let carriesWeights: Bool

  /// A window longer than the largest payload gives no weights: they couldn't be sent.
  init(keywords: Int, heads: Int, window: Int, bins: Int, attentionHeads: AttentionHeads) {
    self.keywords = keywords
    self.heads = heads
    self.window = window
    self.bins = bins
    focuses = attentionHeads == .shared ? 1 : keywords
    carriesWeights = 4 * (heads * window + bins) <= EventLimits.fromServer.payload
  }

  private var focusesOffset: Int { MemoryLayout<Header>.stride }
  private var posteriorsOffset: Int { focusesOffset + focuses * MemoryLayout<Focus>.stride }
  private var spectrumOffset: Int { posteriorsOffset + 4 * keywords }
  private var weightsOffset: Int { spectrumOffset + 4 * bins }
  private var weightsCount: Int { carriesWeights ? heads * window : 0 }
  /// Bytes of header, focuses and posteriors, a multiple of eight.
  var beliefBytes: Int { (spectrumOffset + 7) / 8 * 8 }
  var slotBytes: Int { weightsOffset + 4 * weightsCount }

  func focuses(in slot: UnsafeMutableRawPointer) -> UnsafeMutableBufferPointer<Focus> {
    UnsafeMutableBufferPointer(
      start: (slot + focusesOffset).assumingMemoryBound(to: Focus.self), count: focuses)
  }

  func posteriors(in slot: UnsafeMutableRawPointer) -> UnsafeMutableBufferPointer<Float> {
    floats(in: slot, at: posteriorsOffset, count: keywords)
  }

  func spectrum(in slot: UnsafeMutableRawPointer) -> UnsafeMutableBufferPointer<Float> {
    floats(in: slot, at: spectrumOffset, count: bins)
  }

  func weights(in slot: UnsafeMutableRawPointer) -> UnsafeMutableBufferPointer<Float> {
    floats(in: slot, at: weightsOffset, count: weightsCount)
  }

  private func floats(
    in slot: UnsafeMutableRawPointer, at offset: Int, count: Int
  ) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      start: (slot + offset).assumingMemoryBound(to: Float.self), count: count)
  }
}

/// A run of frames that found the ring full: one after the other, of one epoch.
struct LostFrames {
  var count = 0
  var fromIndex = 0
  var toIndex = 0

  mutating func add(index: Int) {
    if count == 0 { fromIndex = index }
    toIndex = index
    count += 1
  }
}
