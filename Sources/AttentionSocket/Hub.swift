import Glibc
import Logging
import NIOCore
import Synchronization

/// Everything the server knows, on its event loop: streams, connections, history.
///
/// Reads what the processing threads published, in each stream's order, and offers it to the connections
/// that subscribed. Only the event loop touches it.
package final class Hub {
  /// One stream's publisher and what was last heard of it.
  private struct Feed {
    let publisher: FramePublisher
    var encoder: FrameEncoder
    var status: StreamStatus
    /// Number of the record that comes next, over both rings of the publisher.
    var nextTicket = 1
    var warnings: [WarningCode: PendingWarning] = [:]
  }

  private struct PendingWarning {
    var count = 0
    var lag = 0.0
    var lastSent: NIODeadline?
  }

  package let eventLoop: any EventLoop
  let limits: ServerLimits
  let logger: Logger
  package let counters = ServerCounters()
  package let publishers: [FramePublisher]
  let doorbell: Doorbell
  private let identity: Hello
  private var feeds: [Feed]
  private var connections: [ObjectIdentifier: Connection] = [:]
  private(set) var history: DetectionHistory
  private var whenEmpty: (() -> Void)?

  /// Records of one stream read before other work of the loop gets its turn.
  ///
  /// Far fewer than a queue holds: after each turn the connections write, so that a reader who keeps up
  /// loses nothing however fast the stream is.
  private static let recordsPerTurn = 16
  /// At most one warning per code and stream in this time.
  private static let warningInterval = TimeAmount.seconds(10)

  /// A hub for the streams of `identity`, with a publisher for each.
  package init(
    eventLoop: any EventLoop, identity: Hello, attentionHeads: AttentionHeads,
    limits: ServerLimits, logger: Logger
  ) {
    self.eventLoop = eventLoop
    self.identity = identity
    self.limits = limits
    self.logger = logger
    let doorbell = Doorbell()
    self.doorbell = doorbell
    publishers = identity.streams.map {
      FramePublisher(
        stream: $0.description, model: identity.model, keywords: identity.keywords.count,
        attentionHeads: attentionHeads, doorbell: doorbell)
    }
    history = DetectionHistory(capacity: limits.history)
    let now = Self.unixTime()
    feeds = publishers.map { publisher in
      Feed(
        publisher: publisher,
        encoder: FrameEncoder(
          stream: publisher.stream, keywords: identity.keywords.map(\.name),
          layout: publisher.layout),
        status: StreamStatus(
          stream: publisher.stream.name, state: .starting, reason: .start, text: "starting",
          epoch: 0, sample: 0, since: now, attempt: nil))
    }
  }

  /// Seconds since 1970: a label on states, never an input to a decision.
  private static func unixTime() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    // Microseconds are all that a Double holds beside today's seconds.
    return (Double(now.tv_sec) * 1e6 + (Double(now.tv_nsec) / 1e3).rounded()) / 1e6
  }

  // MARK: What connections ask

  var streams: [StreamDescription] { identity.streams.map(\.description) }
  var heads: Int { identity.model.heads }
  var run: String { identity.run }

  /// The daemon's description, with the streams as they are now.
  func hello() -> Hello {
    var hello = identity
    for index in feeds.indices {
      hello.streams[index].epoch = feeds[index].status.epoch
      hello.streams[index].state = feeds[index].status.state
    }
    return hello
  }

  func status(ofStream index: Int) -> StreamStatus { feeds[index].status }

  /// Takes a connection in, to be looked after until it is forgotten.
  ///
  /// - Returns: Whether there was room for it; if not, it must end.
  func admit(_ connection: Connection) -> Bool {
    let hasRoom = connections.values.count(where: \.isOpen) < limits.connections
    connections[ObjectIdentifier(connection)] = connection
    counters.connections.store(connections.count, ordering: .relaxed)
    return hasRoom
  }

  func forget(_ connection: Connection) {
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    counters.connections.store(connections.count, ordering: .relaxed)
    subscriptionsChanged()
    if connections.isEmpty { whenEmpty?() }
  }

  /// Tells the publishers what anybody wants.
  func subscriptionsChanged() {
    let subscriptions = connections.values.compactMap(\.subscription)
    counters.subscribers.store(subscriptions.count, ordering: .relaxed)
    for index in feeds.indices {
      let ofFrames = subscriptions.filter {
        $0.events.contains(.attention) && $0.streams.contains(index)
      }
      let publisher = feeds[index].publisher
      publisher.weightsWanted.store(
        ofFrames.contains { $0.weights != .none }, ordering: .relaxed)
      publisher.spectrumWanted.store(
        ofFrames.contains { $0.spectrum != .none }, ordering: .relaxed)
    }
  }

  // MARK: What the streams say

  /// Reads what was published, and returns for other work after a while.
  ///
  /// - Returns: Whether everything was read.
  @discardableResult
  package func drain() -> Bool {
    doorbell.answer()
    var isComplete = true
    for index in feeds.indices {
      var budget = Self.recordsPerTurn
      while budget > 0, readRecord(ofFeed: index) { budget -= 1 }
      if budget == 0 {
        isComplete = false
      } else {
        reportLostEvents(ofFeed: index)
      }
      collectWarnings(ofFeed: index)
    }
    for connection in connections.values { connection.write() }
    return isComplete
  }

  /// Reads one record of a stream, of whichever ring is next.
  private func readRecord(ofFeed index: Int) -> Bool {
    let publisher = feeds[index].publisher
    let ticket = feeds[index].nextTicket
    // Tickets are numbered without holes over both rings: the next one is at the head of one of them, or
    // not published yet.
    if let slot = publisher.frames.slotToRead(),
      slot.load(as: FrameLayout.Header.self).ticket == ticket
    {
      feeds[index].nextTicket += 1
      distribute(frame: slot, ofFeed: index)
      publisher.frames.release()
      return true
    }
    if let slot = publisher.events.slotToRead() {
      let record = slot.assumingMemoryBound(to: EventRecord.self)
      guard record.pointee.ticket == ticket else { return false }
      feeds[index].nextTicket += 1
      distribute(record.pointee, ofFeed: index)
      publisher.events.release()
      return true
    }
    return false
  }

  private func subscribers(
    to event: SubscribableEvent, ofFeed index: Int
  ) -> [(Connection, Subscription)] {
    connections.values.compactMap { connection in
      guard let subscription = connection.subscription, subscription.events.contains(event),
        subscription.streams.contains(index)
      else { return nil }
      return (connection, subscription)
    }
  }

  private func distribute(frame slot: UnsafeRawPointer, ofFeed index: Int) {
    let header = slot.load(as: FrameLayout.Header.self)
    distribute(header.lost, epoch: header.epoch, ofFeed: index)
    feeds[index].status.sample = header.sample
    counters.frames.wrappingAdd(1, ordering: .relaxed)
    feeds[index].encoder.begin()
    for (connection, subscription) in subscribers(to: .attention, ofFeed: index)
    where header.index % subscription.every == 0 {
      let bytes = feeds[index].encoder.encoding(
        of: slot, weights: subscription.weights, spectrum: subscription.spectrum)
      connection.offerFrame(bytes, stream: index, epoch: header.epoch, index: header.index)
    }
  }

  /// Tells of frames that found the ring full, as far as each subscription would have got them.
  private func distribute(_ lost: LostFrames, epoch: Int, ofFeed index: Int) {
    guard lost.count > 0 else { return }
    counters.dropped.wrappingAdd(lost.count, ordering: .relaxed)
    for (connection, subscription) in subscribers(to: .attention, ofFeed: index) {
      let every = subscription.every
      let first = (lost.fromIndex + every - 1) / every * every
      let last = lost.toIndex / every * every
      guard first <= last else { continue }
      connection.offerHole(
        SubscriberQueue.Hole(
          stream: index, epoch: epoch, count: (last - first) / every + 1, fromIndex: first,
          toIndex: last))
    }
  }

  private func distribute(_ record: EventRecord, ofFeed index: Int) {
    distribute(record.lost, epoch: record.lostEpoch, ofFeed: index)
    switch record.body {
    case .detection(let detection): distribute(detection, epoch: record.epoch, ofFeed: index)
    case .state(let state):
      feeds[index].status = StreamStatus(
        stream: feeds[index].status.stream, state: state.state, reason: state.reason,
        text: record.text.string, epoch: record.epoch, sample: state.sample,
        since: Self.unixTime(), attempt: state.attempt > 0 ? state.attempt : nil)
      offer(feeds[index].status.encoded(), as: .state, ofFeed: index)
    case .discontinuity(let hole):
      let event = Discontinuity(
        stream: feeds[index].status.stream, epoch: record.epoch, sample: hole.sample,
        lostSamples: hole.lostSamples, isExact: hole.isExact, reason: hole.reason,
        isReset: hole.isReset)
      offer(event.encoded(), as: .discontinuity, ofFeed: index)
    }
  }

  private func distribute(_ found: EventRecord.Detection, epoch: Int, ofFeed index: Int) {
    let stream = feeds[index].publisher.stream
    let rate = Double(stream.rate)
    let detection = Detection(
      seq: history.nextNumber, stream: stream.name, epoch: epoch,
      name: identity.keywords[found.keyword].name, score: found.score,
      threshold: found.threshold, sample: found.sample, time: Double(found.sample) / rate,
      startSample: found.startSample, start: Double(found.startSample) / rate,
      endSample: found.endSample, end: Double(found.endSample) / rate,
      captured: found.captured.isFinite ? found.captured : nil, replayed: false)
    history.append(detection)
    counters.detections.wrappingAdd(1, ordering: .relaxed)
    offer(detection.encoded(), as: .detection, ofFeed: index)
  }

  private func offer(_ bytes: ByteBuffer, as event: SubscribableEvent, ofFeed index: Int) {
    for (connection, _) in subscribers(to: event, ofFeed: index) { connection.offer(bytes) }
  }

  /// Events that found their ring full: the one loss inside the daemon, and it is not silent.
  private func reportLostEvents(ofFeed index: Int) {
    let lost = feeds[index].publisher.lostEvents.exchange(0, ordering: .relaxed)
    guard lost > 0 else { return }
    let name = feeds[index].publisher.stream.name
    let text = "\(lost) events of stream \(name) were lost: the daemon's event loop was late"
    logger.critical("\(text)")
    counters.lostEvents.wrappingAdd(lost, ordering: .relaxed)
    for connection in connections.values
    where connection.subscription?.streams.contains(index) == true {
      connection.sayBye(Bye(reason: .error, text: text))
    }
  }

  private func collectWarnings(ofFeed index: Int) {
    for code in WarningCode.allCases {
      let new = feeds[index].publisher.takeWarnings(code)
      if new.count > 0 {
        feeds[index].warnings[code, default: PendingWarning()].count += new.count
        let lag = feeds[index].warnings[code]?.lag ?? 0
        feeds[index].warnings[code]?.lag = max(lag, new.lag)
      }
      sendWarning(code, ofFeed: index)
    }
  }

  private func sendWarning(_ code: WarningCode, ofFeed index: Int) {
    guard let pending = feeds[index].warnings[code], pending.count > 0 else { return }
    let now = eventLoop.now
    if let last = pending.lastSent, now - last < Self.warningInterval { return }
    feeds[index].warnings[code] = PendingWarning(lastSent: now)
    let warning = Warning(
      code: code, text: code.text, stream: feeds[index].publisher.stream.name,
      count: pending.count, lag: pending.lag > 0 ? pending.lag : nil)
    offer(warning.encoded(), as: .warning, ofFeed: index)
  }

  // MARK: Time

  /// Looks after what hangs: events that don't end, readers that don't read.
  ///
  /// Called some times a second.
  package func sweep() {
    for index in feeds.indices { collectWarnings(ofFeed: index) }
    for connection in connections.values {
      connection.checkTime(eventLoop.now)
      connection.write()
    }
  }

  /// Reads what was published and says goodbye to everybody; `whenEmpty` is called when all have gone.
  package func close(_ bye: Bye, whenEmpty: @escaping () -> Void) {
    // Both rings, once full, are read in this many turns; who publishes on after that isn't waited for.
    for _ in 0..<256 where drain() { break }
    self.whenEmpty = whenEmpty
    for connection in connections.values { connection.sayBye(bye) }
    if connections.isEmpty { whenEmpty() }
  }

  /// Ends the connections that are left.
  package func abandonAll() {
    for connection in connections.values { connection.abandon() }
  }
}

extension WarningCode {
  /// For people.
  fileprivate var text: String {
    switch self {
    case .late: "processing is behind the capture"
    case .clipping: "the input clips; turn its gain down"
    case .silence: "the input has been digital silence for 10 s; is the microphone muted?"
    case .clockDrift: "the card's clock and the system's drift apart"
    case .noSpace: "no space left on the device"
    case .other: "something is wrong"
    }
  }
}

extension Hello {
  /// Optional abilities of this version.
  private static let implemented = ["weights", "spectrum"]

  /// What a server says of itself before any stream has started.
  package init(
    program: String, version: String, run: String, model: ModelDescription,
    keywords: [KeywordDescription], streams: [StreamDescription], limits: ServerLimits
  ) {
    self.init(
      protocolVersion: Self.protocolVersion, program: program, version: version, run: run,
      model: model,
      streams: streams.map { Stream(description: $0, epoch: 0, state: .starting) },
      keywords: keywords, features: Self.implemented,
      limits: [
        "header": limits.header, "data": limits.data, "payload": limits.payload,
        "queue_events": limits.queueEvents, "queue_bytes": limits.queueBytes,
        "history": limits.history,
      ])
  }
}
