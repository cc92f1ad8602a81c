import JSONText
import NIOCore

/// The newest attention frames of a stream, without weights and feature rows, for `replay`.
///
/// A ring that grows to its bound as frames come.
struct FrameStore {
  private let capacity: Int
  private let frameBytes: Int
  private var bytes: [UInt8] = []
  /// Frames ever kept; the one with number n is at n % capacity.
  private(set) var count = 0

  /// - Parameters:
  ///   - capacity: Most frames.
  ///   - layout: How a frame lies in its slot.
  init(capacity: Int, layout: FrameLayout) {
    precondition(capacity > 0, "A store keeps a frame at least")
    self.capacity = capacity
    frameBytes = layout.beliefBytes
  }

  /// Number of the oldest frame that is still here.
  var oldest: Int { max(0, count - capacity) }

  /// Keeps the frame in a slot, in place of the oldest when the store is full.
  mutating func append(_ slot: UnsafeRawPointer) {
    let new = UnsafeRawBufferPointer(start: slot, count: frameBytes)
    if count < capacity {
      if bytes.isEmpty { bytes.reserveCapacity(64 * frameBytes) }
      bytes.append(contentsOf: new)
    } else {
      bytes.withUnsafeMutableBytes { all in
        UnsafeMutableRawBufferPointer(
          rebasing: all[count % capacity * frameBytes..<(count % capacity + 1) * frameBytes]
        ).copyMemory(from: new)
      }
    }
    count += 1
  }

  /// Lends the slot of a frame.
  ///
  /// - Parameters:
  ///   - number: From `oldest` to `count` - 1.
  ///   - body: Given the slot, of which header, focuses and posteriors are there.
  /// - Returns: What `body` returns.
  func withSlot<Result>(_ number: Int, _ body: (UnsafeRawPointer) -> Result) -> Result {
    precondition(number >= oldest && number < count, "Only frames that are here")
    return bytes.withUnsafeBytes { all in
      guard let base = all.baseAddress else { preconditionFailure("A store with frames has bytes") }
      return body(base + number % capacity * frameBytes)
    }
  }

  func header(_ number: Int) -> FrameLayout.Header {
    withSlot(number) { $0.loadUnaligned(as: FrameLayout.Header.self) }
  }

  /// The first frame of an epoch that lies at `sample` or after it; `count` when there is none.
  ///
  /// Frames are in the order of epoch and sample.
  func first(epoch: Int, from sample: Int) -> Int {
    var low = oldest
    var high = count
    while low < high {
      let middle = (low + high) / 2
      let header = header(middle)
      if (header.epoch, header.sample) < (epoch, sample) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// A `replay` under way: which frames are still to be sent, and what was.
struct FrameReplay {
  let id: RequestID
  let feed: StreamFeed
  let epoch: Int
  let from: Int
  let to: Int
  let every: Int
  /// Number of the next frame to look at.
  private var next: Int
  private var sent = 0
  private var firstSample: Int?
  private var lastSample: Int?
  private var lastIndex: Int?
  private var hasHole: Bool

  init(
    id: RequestID, feed: StreamFeed, epoch: Int, from: Int, to: Int, every: Int
  ) {
    self.id = id
    self.feed = feed
    self.epoch = epoch
    self.from = from
    self.to = to
    self.every = every
    next = feed.store.first(epoch: epoch, from: from)
    hasHole = !feed.reaches(back: from, epoch: epoch)
  }

  /// The next event: a frame, or the reply after the last.
  mutating func advance() -> (event: ByteBuffer, isLast: Bool) {
    if next < feed.store.oldest {
      hasHole = true
      next = feed.store.oldest
    }
    while next < feed.store.count {
      let header = feed.store.header(next)
      guard header.epoch == epoch, header.sample < to else { break }
      let number = next
      next += 1
      if let lastIndex, header.index != lastIndex + 1 { hasHole = true }
      lastIndex = header.index
      guard header.index % every == 0 else { continue }
      sent += 1
      firstSample = firstSample ?? header.sample
      lastSample = header.sample
      return (feed.replayed(number, id: id), false)
    }
    return (reply, true)
  }

  private var reply: ByteBuffer {
    let isComplete = !hasHole && feed.reaches(forward: to, epoch: epoch)
    return EventEncoder.encode("replay-reply") { json in
      json.field("id", id)
      json.field("frames", sent)
      json.nullable("from_sample", firstSample)
      json.nullable("to_sample", lastSample.map { $0 + 1 })
      json.field("complete", isComplete)
    }
  }
}
