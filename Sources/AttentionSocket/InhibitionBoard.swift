import Synchronization

/// Up to which positions a stream's detections are suppressed: written by the event loop, which keeps
/// them back, read by whoever must not act on them either.
final class InhibitionBoard: @unchecked Sendable {
  // Unchecked: the memory holds atomics only.
  private let positions: UnsafeMutablePointer<Atomic<Int>>
  private let count: Int

  init(keywords: Int) {
    count = keywords
    positions = .allocate(capacity: keywords)
    for keyword in 0..<keywords { (positions + keyword).initialize(to: Atomic(0)) }
  }

  deinit {
    positions.deinitialize(count: count)
    positions.deallocate()
  }

  /// The position up to which a keyword's detections are suppressed; set by the event loop alone.
  subscript(keyword: Int) -> Int {
    get { positions[keyword].load(ordering: .relaxed) }
    set { positions[keyword].store(newValue, ordering: .relaxed) }
  }
}
