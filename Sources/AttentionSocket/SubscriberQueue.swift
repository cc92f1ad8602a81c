import NIOCore

/// What waits to be written to one connection, in order, in two lanes.
///
/// * Attention frames may be dropped: bounded by number and bytes. When the lane is full the oldest frame
///   goes, and a `dropped` in its place tells of it; adjoining ones become one.
/// * Everything else must arrive: bounded too, but when that lane is full the connection is over. The
///   owner closes it with a `bye`.
///
/// Each entry carries a ticket, its place in the order; the lanes are merged by ticket when they are read.
package struct SubscriberQueue {
  /// The bounds of one connection's queue.
  package struct Bounds: Sendable {
    package var frames: Int
    /// Or twice the largest frame, if that is more.
    package var frameBytes: Int
    package var mustArrive: Int
    package var mustArriveBytes: Int

    package init(frames: Int, frameBytes: Int, mustArrive: Int, mustArriveBytes: Int) {
      self.frames = frames
      self.frameBytes = frameBytes
      self.mustArrive = mustArrive
      self.mustArriveBytes = mustArriveBytes
    }
  }

  /// Frames that a reader will miss, of one stream and epoch.
  package struct Hole: Equatable, Sendable {
    package var stream: Int
    package var epoch: Int
    package var count: Int
    package var fromIndex: Int
    package var toIndex: Int

    package init(stream: Int, epoch: Int, count: Int, fromIndex: Int, toIndex: Int) {
      self.stream = stream
      self.epoch = epoch
      self.count = count
      self.fromIndex = fromIndex
      self.toIndex = toIndex
    }
  }

  /// What the owner writes next.
  package enum Next: Equatable {
    case bytes(ByteBuffer)
    /// A frame of a stream, whose latency counts from `began`, in seconds since boot.
    case frame(ByteBuffer, stream: Int, began: Double)
    /// A `dropped` to write; `total` as the protocol defines it.
    case dropped(Hole, total: Int)
    /// Detections of the history to write before anything else.
    case replay(Replay)
  }

  private struct Frame {
    let ticket: Int
    let stream: Int
    let epoch: Int
    let index: Int
    let bytes: ByteBuffer
    let began: Double
    /// Whether it may be shed when it is late.
    let isLive: Bool
  }

  private struct Due {
    enum Content {
      case bytes(ByteBuffer)
      case replay(Replay)
    }
    let ticket: Int
    let content: Content
    var byteCount: Int {
      switch content {
      case .bytes(let bytes): bytes.readableBytes
      case .replay: 0
      }
    }
  }

  private struct TicketedHole {
    let ticket: Int
    var hole: Hole
  }

  private let bounds: Bounds
  private var ticket = 0
  private var frames = CircularBuffer<Frame>()
  private var frameBytes = 0
  private var largestFrame = 0
  private var due = CircularBuffer<Due>()
  private var dueBytes = 0
  /// In the order of their tickets: at most one per stream and epoch more than there are frames.
  private var holes: [TicketedHole] = []

  /// Frames that were told of as dropped.
  package private(set) var droppedTotal = 0

  package init(bounds: Bounds) { self.bounds = bounds }

  package var isEmpty: Bool { frames.isEmpty && due.isEmpty && holes.isEmpty }

  /// Bytes that wait in both lanes.
  package var byteCount: Int { frameBytes + dueBytes }

  /// Queues an attention frame, in place of older ones if need be.
  ///
  /// - Parameters:
  ///   - bytes: The event.
  ///   - stream: Number of its stream.
  ///   - epoch: Of the stream.
  ///   - index: Number of the frame.
  ///   - began: When its newest sample came, in seconds since boot; NaN when nobody knows.
  ///   - isLive: Whether it may be shed when it is late.
  /// - Returns: How many frames were dropped for it.
  package mutating func offerFrame(
    _ bytes: ByteBuffer, stream: Int, epoch: Int, index: Int, began: Double = .nan,
    isLive: Bool = false
  ) -> Int {
    largestFrame = max(largestFrame, bytes.readableBytes)
    frames.append(
      Frame(
        ticket: nextTicket(), stream: stream, epoch: epoch, index: index, bytes: bytes,
        began: began, isLive: isLive))
    frameBytes += bytes.readableBytes
    var dropped = 0
    while frames.count > bounds.frames || frameBytes > max(bounds.frameBytes, 2 * largestFrame) {
      dropOldestFrame()
      dropped += 1
    }
    return dropped
  }

  /// Drops live frames that came before a time and have newer ones of their stream behind them.
  ///
  /// - Parameter oldest: Seconds since boot; what began earlier is too late.
  /// - Returns: How many frames were dropped.
  package mutating func shedFrames(before oldest: Double) -> Int {
    var dropped = 0
    while let frame = frames.first, frame.isLive, frame.began < oldest,
      frames.dropFirst().contains(where: { $0.stream == frame.stream })
    {
      dropOldestFrame()
      dropped += 1
    }
    return dropped
  }

  /// Notes frames that were lost before they could be queued.
  package mutating func offerHole(_ hole: Hole) {
    let last = holes.lastIndex { $0.hole.isOf(hole.stream, hole.epoch) }
    if let last, !hasFrame(of: hole, after: holes[last].ticket, before: .max) {
      holes[last].hole.extend(by: hole)
    } else {
      holes.append(TicketedHole(ticket: nextTicket(), hole: hole))
    }
  }

  /// Queues an event that must arrive.
  ///
  /// - Returns: Whether there was room; if not, the connection must be closed.
  package mutating func offer(_ bytes: ByteBuffer) -> Bool {
    guard due.count < bounds.mustArrive,
      dueBytes + bytes.readableBytes <= bounds.mustArriveBytes
    else { return false }
    append(.bytes(bytes))
    return true
  }

  /// Queues a replay of the history, read with a cursor when its turn comes.
  package mutating func offer(_ replay: Replay) { append(.replay(replay)) }

  /// Queues the last event, if its bytes fit; its place is not counted.
  package mutating func offerLast(_ bytes: ByteBuffer) {
    guard dueBytes + bytes.readableBytes <= bounds.mustArriveBytes else { return }
    append(.bytes(bytes))
  }

  /// Throws away what waits, in both lanes.
  package mutating func removeAll() {
    frames.removeAll()
    due.removeAll()
    holes.removeAll()
    (frameBytes, dueBytes) = (0, 0)
  }

  private mutating func append(_ content: Due.Content) {
    let entry = Due(ticket: nextTicket(), content: content)
    due.append(entry)
    dueBytes += entry.byteCount
  }

  /// Takes the entry whose turn it is.
  package mutating func next() -> Next? {
    let frameTicket = frames.first?.ticket ?? .max
    let dueTicket = due.first?.ticket ?? .max
    if let hole = holes.first, hole.ticket < min(frameTicket, dueTicket) {
      holes.removeFirst()
      droppedTotal += hole.hole.count
      return .dropped(hole.hole, total: droppedTotal)
    }
    if frameTicket < dueTicket {
      let frame = frames.removeFirst()
      frameBytes -= frame.bytes.readableBytes
      return .frame(frame.bytes, stream: frame.stream, began: frame.began)
    }
    guard let entry = due.popFirst() else { return nil }
    dueBytes -= entry.byteCount
    switch entry.content {
    case .bytes(let bytes): return .bytes(bytes)
    case .replay(let replay): return .replay(replay)
    }
  }

  private mutating func nextTicket() -> Int {
    ticket += 1
    return ticket
  }

  private mutating func dropOldestFrame() {
    let frame = frames.removeFirst()
    frameBytes -= frame.bytes.readableBytes
    let hole = Hole(
      stream: frame.stream, epoch: frame.epoch, count: 1, fromIndex: frame.index,
      toIndex: frame.index)
    // No frame stands before the oldest one, so an earlier hole of the stream adjoins it.
    let following = holes.firstIndex { $0.ticket > frame.ticket } ?? holes.endIndex
    var place = following
    if let before = holes[..<following].lastIndex(where: { $0.hole.isOf(hole.stream, hole.epoch) })
    {
      holes[before].hole.extend(by: hole)
      place = before
    } else {
      holes.insert(TicketedHole(ticket: frame.ticket, hole: hole), at: following)
    }
    mergeFollowing(place)
  }

  /// Joins a hole with the next one of its stream when no frame is left between them.
  private mutating func mergeFollowing(_ place: Int) {
    let hole = holes[place].hole
    let next = holes[(place + 1)...].firstIndex { $0.hole.isOf(hole.stream, hole.epoch) }
    guard let next,
      !hasFrame(of: hole, after: holes[place].ticket, before: holes[next].ticket)
    else { return }
    holes[place].hole.extend(by: holes[next].hole)
    holes.remove(at: next)
  }

  private func hasFrame(of hole: Hole, after low: Int, before high: Int) -> Bool {
    frames.contains {
      $0.ticket > low && $0.ticket < high && hole.isOf($0.stream, $0.epoch)
    }
  }
}

extension SubscriberQueue.Hole {
  fileprivate func isOf(_ stream: Int, _ epoch: Int) -> Bool {
    self.stream == stream && self.epoch == epoch
  }

  fileprivate mutating func extend(by later: Self) {
    count += later.count
    toIndex = later.toIndex
  }
}
