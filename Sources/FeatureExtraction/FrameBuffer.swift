import Kernels

/// Samples -> frames: keeps the tail between pushes and counts samples.
///
/// Frames come out as soon as their last sample is in, whatever the pieces in which the samples
/// arrive. Owns one frame of samples, the one before it, and two after it; the oldest `hop` are
/// dropped after each frame.
struct FrameBuffer: ~Copyable {
  /// The sample before the frame, which the mirrored end of an odd frame can reach; the frame; two
  /// samples after it, which the first reflected frame waits for.
  private let memory: FloatBuffer
  private let edges: FrontEnd.Edges
  /// Samples of a frame.
  private let length: Int
  private let hop: Int
  /// Samples that the first frame reaches back before the start.
  private let lead: Int
  /// Samples that the first frame is made of.
  private let firstCount: Int
  private var filled = 0
  private var isAtStart = true
  /// Samples pushed since the start.
  private(set) var samples = 0

  init(_ frontEnd: FrontEnd) {
    edges = frontEnd.edges
    length = frontEnd.frameLength
    memory = FloatBuffer(count: 1 + length + 2)
    hop = frontEnd.hop
    lead = frontEnd.mirroredStart
    firstCount = frontEnd.samplesNeeded(forRow: 0)
  }

  /// The present frame, `frameLength` samples when it is full.
  var pointer: UnsafePointer<Float> { UnsafePointer(frame) }

  private var frame: UnsafeMutablePointer<Float> { memory.pointer + 1 }

  /// Takes samples until a frame is full or none is left; after a full frame call `advance`.
  ///
  /// - Returns: Samples taken, and whether the frame is full.
  mutating func fill(from source: UnsafePointer<Float>, count: Int) -> (taken: Int, isFull: Bool) {
    let wanted = isAtStart ? firstCount : length
    let taken = max(0, min(count, wanted - filled))
    (frame + filled).update(from: source, count: taken)
    filled += taken
    samples += taken
    guard filled >= wanted else { return (taken, false) }
    if isAtStart { completeStart() }
    return (taken, true)
  }

  /// Drops the oldest hop.
  mutating func advance() {
    memory.pointer.update(from: memory.pointer + hop, count: memory.count - hop)
    filled = max(0, filled - hop)
  }

  /// Moves the first samples up and fills the room before.
  private mutating func completeStart() {
    (frame + lead).update(from: frame, count: filled)
    filled += lead
    isAtStart = false
    switch edges {
    case .snip: break
    case .mirror: for k in 0..<lead { frame[lead - 1 - k] = frame[lead + k] }
    case .reflect: for k in 0..<lead { frame[lead - 1 - k] = frame[lead + 1 + k] }
    case .zero: frame.update(repeating: 0, count: lead)
    }
  }

  /// Completes the frame after the recording has ended.
  ///
  /// Leaves the number of known samples as it is, so that the next frame ends at the same place.
  mutating func completeEnd() {
    // A recording may end before a first frame with zeros does.
    if isAtStart { completeStart() }
    // Rows are centred on places within the recording or at its end: at most half a frame is
    // missing, so that no index below is less than -1.
    for k in 0..<max(0, length - filled) {
      switch edges {
      case .snip: break
      case .mirror: frame[filled + k] = frame[filled - 1 - k]
      case .reflect: frame[filled + k] = frame[filled - 2 - k]
      case .zero: frame[filled + k] = 0
      }
    }
  }

  mutating func reset() {
    filled = 0
    samples = 0
    isAtStart = true
  }
}
