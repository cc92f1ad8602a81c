import Kernels

/// Samples -> frames: keeps the tail between pushes and counts samples.
///
/// Frames come out as soon as their last sample is in, whatever the pieces in which the samples
/// arrive. Owns one frame of samples; the oldest `hop` are dropped after each frame.
struct FrameBuffer: ~Copyable {
  private let frame: FloatBuffer
  private let hop: Int
  /// Samples that the first frame reaches back before the start, and mirrors.
  private let mirrored: Int
  private var filled = 0
  private var isAtStart = true
  /// Samples pushed since the start.
  private(set) var samples = 0

  init(_ frontEnd: FrontEnd) {
    frame = FloatBuffer(count: frontEnd.frameLength)
    hop = frontEnd.hop
    mirrored = frontEnd.mirroredStart
  }

  /// The present frame, while `push` or `finish` calls out.
  var pointer: UnsafePointer<Float> { UnsafePointer(frame.pointer) }

  /// Takes samples until a frame is full or none is left; after a full frame call `advance`.
  ///
  /// - Returns: Samples taken, and whether the frame is full.
  mutating func fill(from source: UnsafePointer<Float>, count: Int) -> (taken: Int, isFull: Bool) {
    let lead = isAtStart ? mirrored : 0
    let taken = min(count, frame.count - lead - filled)
    (frame.pointer + filled).update(from: source, count: taken)
    filled += taken
    samples += taken
    guard filled == frame.count - lead else { return (taken, false) }
    if lead > 0 { mirrorStart(lead) }
    return (taken, true)
  }

  /// Drops the oldest hop.
  mutating func advance() {
    let kept = frame.count - hop
    frame.pointer.update(from: frame.pointer + hop, count: kept)
    filled = max(0, filled - hop)
    isAtStart = false
  }

  /// Moves the first samples up and mirrors them into the room before: -1 is 0, -2 is 1, ...
  private mutating func mirrorStart(_ lead: Int) {
    (frame.pointer + lead).update(from: frame.pointer, count: filled)
    for k in 0..<lead { frame.pointer[lead - 1 - k] = frame.pointer[lead + k] }
    filled = frame.count
  }

  /// Completes the frame after the recording has ended: n is n - 1, n + 1 is n - 2, ...
  ///
  /// Leaves the number of known samples as it is, so that the next frame mirrors at the same
  /// place.
  func mirrorEnd() {
    for k in 0..<frame.count - filled { frame.pointer[filled + k] = frame.pointer[filled - 1 - k] }
  }

  mutating func reset() {
    filled = 0
    samples = 0
    isAtStart = true
  }
}
