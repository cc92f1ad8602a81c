/// The detections that a client which was away can still ask for.
package struct DetectionHistory {
  private let capacity: Int
  /// Ring of the newest detections; the one with number `seq` is at `seq % capacity`.
  private var ring: [Detection] = []
  /// The newest detection's number; 0 before the first.
  package private(set) var newest = 0

  package init(capacity: Int) {
    precondition(capacity > 0, "A history holds at least one detection.")
    self.capacity = capacity
  }

  /// The number of the oldest detection that is still here.
  package var oldest: Int { newest - ring.count + 1 }

  /// The number that the next detection must bear.
  package var nextNumber: Int { newest + 1 }

  /// Keeps a detection, instead of the oldest when the ring is full.
  package mutating func append(_ detection: Detection) {
    precondition(detection.seq == nextNumber, "Detections are numbered without holes.")
    newest += 1
    if ring.count < capacity {
      ring.append(detection)
    } else {
      ring[(newest - 1) % capacity] = detection
    }
  }

  package subscript(seq: Int) -> Detection? {
    seq >= oldest && seq <= newest && seq > 0 ? ring[(seq - 1) % capacity] : nil
  }

  /// Where a replay of what came after `seq` begins, and how many detections it can't show any more.
  package func start(after seq: Int) -> (first: Int, missed: Int) {
    let first = min(seq, newest) + 1
    return (max(first, oldest), max(0, oldest - first))
  }
}

/// A replay under way: a cursor into the history.
package struct Replay: Equatable, Sendable {
  /// Number of the next detection to look at.
  package var next: Int
  /// Number of the last one; later detections reach the subscriber live.
  package let last: Int
  /// Names of the streams whose detections are wanted.
  package let streams: Set<String>

  package init(next: Int, last: Int, streams: Set<String>) {
    self.next = next
    self.last = last
    self.streams = streams
  }

  /// The next detection that is wanted, marked as replayed; nil at the end.
  package mutating func advance(in history: DetectionHistory) -> Detection? {
    while next <= last {
      defer { next += 1 }
      guard var detection = history[next], streams.contains(detection.stream) else { continue }
      detection.replayed = true
      return detection
    }
    return nil
  }
}
