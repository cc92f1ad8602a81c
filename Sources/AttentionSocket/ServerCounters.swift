import Synchronization

/// What the server has done so far.
public struct ServerStatistics: Equatable, Sendable {
  /// Connections now.
  public var connections: Int
  /// Connections with a subscription now.
  public var subscribers: Int
  /// Attention frames read from the processing threads.
  public var frames: Int
  /// Detections read from the processing threads.
  public var detections: Int
  /// Attention frames dropped: for full rings once, for slow readers once per reader.
  public var dropped: Int
  /// Events that had to arrive and found the ring to the event loop full: 0, or something is wrong.
  public var lostEvents: Int
  /// Events of unknown type.
  public var ignored: Int
  /// Connections refused or ended by the server.
  public var refused: Int
}

/// The counters behind the statistics: written by the event loop, read by anybody.
package final class ServerCounters: Sendable {
  let connections = Atomic<Int>(0)
  let subscribers = Atomic<Int>(0)
  let frames = Atomic<Int>(0)
  let detections = Atomic<Int>(0)
  let dropped = Atomic<Int>(0)
  let lostEvents = Atomic<Int>(0)
  let ignored = Atomic<Int>(0)
  let refused = Atomic<Int>(0)

  package init() {}

  package var statistics: ServerStatistics {
    ServerStatistics(
      connections: connections.load(ordering: .relaxed),
      subscribers: subscribers.load(ordering: .relaxed),
      frames: frames.load(ordering: .relaxed),
      detections: detections.load(ordering: .relaxed),
      dropped: dropped.load(ordering: .relaxed),
      lostEvents: lostEvents.load(ordering: .relaxed),
      ignored: ignored.load(ordering: .relaxed),
      refused: refused.load(ordering: .relaxed))
  }
}
