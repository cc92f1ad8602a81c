import Kernels

/// Samples -> frames: keeps the tail between pushes and counts samples.
///
/// Frames come out as soon as their last sample is in, whatever the pieces in which the samples
/// arrive. Owns one frame of samples, and the one before it; the oldest `hop` are dropped after
/// each frame.
struct FrameBuffer: ~Copyable {
  /// The sample before the frame, which the mirrored end of an odd frame can reach; the frame.
  private let memory: FloatBuffer
  /// Samples of a frame.
  private let length: Int
  private let hop: Int
  /// Samples that the first frame reaches back before the start, and mirrors.
  private let mirrored: Int
  private var filled = 0
  private var isAtStart = true
  /// Samples pushed since the start.
  private(set) var samples = 0

  init(_ frontEnd: FrontEnd) {
    length = frontEnd.frameLength
    memory = FloatBuffer(count: 1 + length)
    hop = frontEnd.hop
    mirrored = frontEnd.mirroredStart
  }

  /// The present frame, `frameLength` samples when it is full.
  var pointer: UnsafePointer<Float> { UnsafePointer(frame) }

  private var frame: UnsafeMutablePointer<Float> { memory.pointer + 1 }

  /// Takes samples until a frame is full or none is left; after a full frame call `advance`.
  ///
  /// - Returns: Samples taken, and whether the frame is full.
  mutating func fill(from source: UnsafePointer<Float>, count: Int) -> (taken: Int, isFull: Bool) {
    let lead = isAtStart ? mirrored : 0
    let taken = min(count, length - lead - filled)
    (frame + filled).update(from: source, count: taken)
    filled += taken
    samples += taken
    guard filled == length - lead else { return (taken, false) }
    if lead > 0 { mirrorStart(lead) }
    return (taken, true)
  }

  /// Drops the oldest hop.
  mutating func advance() {
    memory.pointer.update(from: memory.pointer + hop, count: memory.count - hop)
    filled = max(0, filled - hop)
    isAtStart = false
  }

  /// Moves the first samples up and mirrors them into the room before: -1 is 0, -2 is 1, ...
  private mutating func mirrorStart(_ lead: Int) {
    (frame + lead).update(from: frame, count: filled)
    for k in 0..<lead { frame[lead - 1 - k] = frame[lead + k] }
    filled = length
  }

  /// Completes the frame after the recording has ended: n is n - 1, n + 1 is n - 2, ...
  ///
  /// Leaves the number of known samples as it is, so that the next frame mirrors at the same
  /// place.
  mutating func mirrorEnd() {
    // Rows are centred on hops that begin within the recording: at most half a frame is missing,
    // rounded up, so that filled - 1 - k is -1 or more.
    for k in 0..<length - filled { frame[filled + k] = frame[filled - 1 - k] }
  }

  mutating func reset() {
    filled = 0
    samples = 0
    isAtStart = true
  }
}
