import KernelDispatch
import Kernels

/// Samples -> frames: keeps what frames still need, and counts samples.
///
/// Frames are ready as soon as their last sample is in, whatever the pieces in which the samples
/// arrive; they lie one after the other at a distance of `hop`, so that eight may be analysed at
/// once. Owns room for eight frames and for what stands in for samples outside of the recording.
struct FrameBuffer: ~Copyable {
  /// Frames that are ready together when the buffer is full.
  static let frames = 8
  /// Samples kept before the present frame: what the mirrored end of the last one may reach.
  private static let history = 2
  private let memory: FloatBuffer
  /// Samples of a frame.
  private let length: Int
  private let hop: Int
  private let edges: FrontEnd.Edges
  /// Places before the first sample that the first frame reaches back to.
  private let lead: Int
  /// The loudest sample that is taken for one; louder ones, infinities and NaN count as zero.
  ///
  /// The largest 32-bit integer, for sound that was never scaled to 1, or less where its power could
  /// overflow.
  private let largestSample: Float
  /// Room for samples; behind it there is some for those after the end.
  private let capacity: Int
  /// Where the present frame begins, and where the next sample goes.
  private var start = 0
  private var end: Int
  /// Whether something stands before the first sample.
  private var hasLead: Bool
  /// Samples pushed since the start.
  private(set) var samples = 0

  init(_ frontEnd: FrontEnd) {
    length = frontEnd.frameLength
    hop = frontEnd.hop
    edges = frontEnd.edges
    lead = frontEnd.mirroredStart
    // A bin is at most four times a frame of such samples, scaled (mean and pre-emphasis can double
    // one each), and a float's square root lies at 2^64.
    largestSample = min(0x1p31, 0x1p60 / (frontEnd.sampleScale * Float(frontEnd.frameLength)))
    capacity = Self.history + length + Self.frames * hop
    memory = FloatBuffer(count: capacity + length + hop)
    end = lead
    hasLead = lead == 0
  }

  /// The present frame; those ready after it follow at a distance of `hop`.
  var pointer: UnsafePointer<Float> { UnsafePointer(memory.pointer + start) }

  /// Whole frames in the buffer.
  var ready: Int { hasLead && end - start >= length ? (end - start - length) / hop + 1 : 0 }

  /// Takes samples, as many as there is room for.
  ///
  /// There is room when fewer than eight frames are ready.
  ///
  /// - Returns: How many were taken.
  mutating func append(_ source: UnsafePointer<Float>, count: Int) -> Int {
    if end + count > capacity { dropPast() }
    let taken = min(count, capacity - end)
    kernels.copyFinite(
      source, into: memory.pointer + end, count: taken, limit: largestSample)
    end += taken
    samples += taken
    if !hasLead && samples >= samplesBeforeLead { fillLead() }
    return taken
  }

  /// Goes on by some frames, all of them ready.
  mutating func advance(by frames: Int = 1) { start += frames * hop }

  /// Completes frames after the recording has ended: those up to one that begins `frames - 1` hops
  /// after the present one become ready.
  mutating func completeEnd(frames: Int) {
    dropPast()
    if !hasLead { fillLead() }
    let recorded = end
    end = max(end, start + (frames - 1) * hop + length)
    let x = memory.pointer
    for (k, i) in (recorded..<end).enumerated() {
      switch edges {
      case .snip, .zero: x[i] = 0
      // n is n - 1, n + 1 is n - 2; with the edge sample as the mirror, n is n - 2.
      case .mirror: x[i] = x[max(0, recorded - 1 - k)]
      case .reflect: x[i] = x[max(0, recorded - 2 - k)]
      }
    }
  }

  mutating func reset() {
    start = 0
    end = lead
    hasLead = lead == 0
    samples = 0
  }

  /// Samples that must be known before what stands before the first one is.
  private var samplesBeforeLead: Int {
    switch edges {
    case .snip, .zero: 0
    case .mirror: lead
    case .reflect: lead + 1
    }
  }

  /// Puts what `edges` says before the first sample: -1 is 0, -2 is 1; reflected, -1 is 1.
  private mutating func fillLead() {
    let first = memory.pointer + lead
    for k in 1...max(1, lead) where k <= lead {
      switch edges {
      case .snip, .zero: first[-k] = 0
      case .mirror: first[-k] = first[k - 1]
      case .reflect: first[-k] = first[k]
      }
    }
    hasLead = true
  }

  /// Moves what is still needed to the front.
  private mutating func dropPast() {
    let past = start - Self.history
    guard past > 0 else { return }
    let x = memory.pointer
    x.update(from: x + past, count: max(0, end - past))
    start -= past
    end -= past
  }
}
