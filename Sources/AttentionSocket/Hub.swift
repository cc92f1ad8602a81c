import Logging
import NIOCore
import Synchronization

/// Everything the server knows, on its event loop: streams, connections, history.
///
/// Reads what the processing threads published, in each stream's order, and offers it to the connections
/// that subscribed. Only the event loop touches it.
package final class Hub {
  package let eventLoop: any EventLoop
  let limits: ServerLimits
  let logger: Logger
  package let counters = ServerCounters()
  let doorbell: Doorbell
  private(set) var identity: Hello
  private let attentionHeads: AttentionHeads
  private let clients: ClientAudioService?
  private let reloading: (any Reloading)?
  /// Done when nobody reads anew any more.
  private var newestReload: EventLoopFuture<Void>
  private let clock: ServerClock
  private let kernels: String
  /// The daemon's own streams.
  let feeds: [StreamFeed]
  /// Streams of connections that sent audio.
  private var clientFeeds: [ObjectIdentifier: StreamFeed] = [:]
  private var connections: [ObjectIdentifier: Connection] = [:]
  /// Connections with a subscription, beside what it asks for.
  private var subscribers: [Connection] = []
  private(set) var history: DetectionHistory
  /// The thresholds of what clients send, and of streams that nobody set apart.
  private(set) var thresholds: [Float]
  /// The wake-word service's description of itself: the same for all.
  private(set) var info: ByteBuffer
  private let began: NIODeadline
  private var whenEmpty: (() -> Void)?

  /// Records of one stream read before other work of the loop gets its turn.
  ///
  /// Far fewer than a queue holds: after each turn the connections write, so that a reader who keeps up
  /// loses nothing however fast the stream is.
  private static let recordsPerTurn = 16

  /// A hub for the streams of `identity`, with a publisher for each.
  ///
  /// - Parameters:
  ///   - eventLoop: Whose thread owns the hub.
  ///   - identity: What the server says of itself.
  ///   - attentionHeads: Whose attention the frames show.
  ///   - clients: Who hears what clients send; nil when nobody does.
  ///   - reloading: Who takes in a new model; nil when nobody does.
  ///   - limits: Bounds on what clients can cost.
  ///   - clock: What time it is.
  ///   - kernels: The instruction set in use, for `status`.
  ///   - logger: For what the operator should know.
  package init(
    eventLoop: any EventLoop, identity: Hello, attentionHeads: AttentionHeads,
    clients: ClientAudioService? = nil, reloading: (any Reloading)? = nil, limits: ServerLimits,
    clock: ServerClock = .system, kernels: String = "", logger: Logger
  ) {
    self.clock = clock
    self.kernels = kernels
    self.eventLoop = eventLoop
    self.identity = identity
    self.attentionHeads = attentionHeads
    self.clients = clients
    self.reloading = reloading
    newestReload = eventLoop.makeSucceededVoidFuture()
    self.limits = limits
    self.logger = logger
    let doorbell = Doorbell()
    self.doorbell = doorbell
    history = DetectionHistory(capacity: limits.history)
    thresholds = identity.keywords.map(\.threshold)
    info = ServiceDescription(of: identity).encoded()
    began = eventLoop.now
    let now = clock.unix()
    let budget = limits.latencyBudget.seconds
    feeds = identity.streams.enumerated().map { index, stream in
      StreamFeed(
        index: index,
        publisher: FramePublisher(
          stream: stream.description, model: identity.model, keywords: identity.keywords,
          attentionHeads: attentionHeads, doorbell: doorbell),
        keywords: identity.keywords.map(\.name), retainedFrames: limits.retainedFrames, now: now,
        latencyBudget: budget)
    }
  }

  /// The ways in for the daemon's own streams.
  package var publishers: [FramePublisher] { feeds.map(\.publisher) }

  // MARK: What connections ask

  var run: String { identity.run }
  /// The number by which a connection calls its own audio.
  var clientIndex: Int { feeds.count }
  var hearsClients: Bool { clients != nil }

  /// Every stream that a connection can name, its own last.
  var streamDescriptions: [StreamDescription] {
    feeds.map(\.publisher.stream) + (clients.map { [$0.stream] } ?? [])
  }

  /// The daemon's description, with the streams as they are now.
  func hello(for connection: Connection) -> Hello {
    var hello = identity
    for (index, feed) in feeds.enumerated() {
      hello.streams[index].epoch = feed.status.epoch
      hello.streams[index].state = feed.status.state
    }
    if let clients {
      let own = clientFeeds[ObjectIdentifier(connection)]?.status
      hello.streams.append(
        Hello.Stream(
          description: clients.stream, epoch: own?.epoch ?? 0, state: own?.state ?? .waiting))
    }
    for index in hello.keywords.indices { hello.keywords[index].threshold = thresholds[index] }
    hello.mayControl = connection.peer.controls
    return hello
  }

  /// A stream by its number, a connection's own made at its first mention.
  func feed(_ index: Int, for connection: Connection) -> StreamFeed? {
    if index < feeds.count { return feeds[index] }
    return clients.map { clientFeed(of: connection, $0) }
  }

  private func clientFeed(of connection: Connection, _ clients: ClientAudioService) -> StreamFeed {
    if let known = clientFeeds[ObjectIdentifier(connection)] { return known }
    var keywords = identity.keywords
    for index in keywords.indices { keywords[index].threshold = thresholds[index] }
    let feed = StreamFeed(
      index: clientIndex,
      publisher: FramePublisher(
        stream: clients.stream, model: identity.model, keywords: keywords,
        attentionHeads: attentionHeads, doorbell: doorbell),
      keywords: keywords.map(\.name), retainedFrames: limits.retainedFrames,
      now: clock.unix(), latencyBudget: limits.latencyBudget.seconds)
    feed.owner = connection
    clientFeeds[ObjectIdentifier(connection)] = feed
    return feed
  }

  /// A listener to what a connection sends.
  ///
  /// - Throws: What the program finds wrong with making one.
  func makeListener(for connection: Connection) throws -> (any AudioListener)? {
    guard let clients else { return nil }
    return try clients.listening.makeListener(
      publisher: clientFeed(of: connection, clients).publisher)
  }

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
    clientFeeds[ObjectIdentifier(connection)] = nil
    guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
    counters.connections.store(connections.count, ordering: .relaxed)
    if connection.subscription != nil { subscriptionsChanged() }
    if connections.isEmpty { whenEmpty?() }
  }

  /// Tells the publishers what anybody wants.
  func subscriptionsChanged() {
    subscribers = connections.values.filter { $0.subscription != nil }
    counters.subscribers.store(subscribers.count, ordering: .relaxed)
    for feed in feeds { tellWishes(to: feed, subscribers) }
    for feed in clientFeeds.values { tellWishes(to: feed, feed.owner.map { [$0] } ?? []) }
  }

  private func tellWishes(to feed: StreamFeed, _ connections: [Connection]) {
    let ofFrames = connections.compactMap(\.subscription).filter {
      $0.events.contains(.attention) && $0.streams.contains(feed.index)
    }
    feed.publisher.weightsWanted.store(
      ofFrames.contains { $0.weights != .none }, ordering: .relaxed)
    feed.publisher.spectrumWanted.store(
      ofFrames.contains { $0.spectrum != .none }, ordering: .relaxed)
  }

  // MARK: What control does

  /// Changes a threshold, of one stream or of all and of what clients will send.
  ///
  /// - Parameters:
  ///   - keyword: Index of the keyword.
  ///   - threshold: Asked for; the nearest that may be is taken.
  ///   - feed: The stream; nil for all.
  /// - Returns: The threshold in force now, and the one before.
  func setThreshold(
    of keyword: Int, to threshold: Float, on feed: StreamFeed?
  ) -> (threshold: Float, previous: Float) {
    let threshold = min(max(threshold, limits.thresholds.lowerBound), limits.thresholds.upperBound)
    if let feed {
      let previous = feed.publisher.thresholds[keyword]
      feed.publisher.thresholds.set(threshold, of: keyword)
      return (threshold, previous)
    }
    let previous = thresholds[keyword]
    thresholds[keyword] = threshold
    for feed in feeds + clientFeeds.values {
      feed.publisher.thresholds.set(threshold, of: keyword)
    }
    return (threshold, previous)
  }

  /// Whether a model can be replaced.
  var canReload: Bool { reloading != nil }

  /// Reads model or configuration anew, after those who asked before.
  ///
  /// - Parameter target: What to read.
  /// - Returns: Whether anything has changed; fails with what is wrong with what was read.
  func reload(_ target: ReloadTarget) -> EventLoopFuture<Bool> {
    guard let reloading else { return eventLoop.makeSucceededFuture(false) }
    let loop = eventLoop
    let reloaded = newestReload.flatMap {
      loop.makeFutureWithTask { try await reloading.reload(target) }
    }.assumeIsolated().map { reloaded in
      if let reloaded { self.take(reloaded) }
      return reloaded != nil
    }.nonisolated()
    newestReload = reloaded.map { _ in }.recover { _ in }
    return reloaded
  }

  /// Says from now on what is true of a new model; its thresholds replace those that were set.
  ///
  /// A connection that has sent audio keeps the model that it began with, and hears of its thresholds only.
  ///
  /// - Parameter reloaded: The new model.
  package func take(_ reloaded: Reloaded) {
    // What the streams say of it is read after this.
    reloaded.begin()
    let isOtherModel = identity.model != reloaded.model
    identity.model = reloaded.model
    identity.keywords = reloaded.keywords
    thresholds = reloaded.keywords.map(\.threshold)
    info = ServiceDescription(of: identity).encoded()
    for feed in isOtherModel ? feeds : feeds + clientFeeds.values {
      for (index, threshold) in thresholds.enumerated() {
        feed.publisher.thresholds.set(threshold, of: index)
      }
    }
  }

  /// Suppresses detections of a stream, and tells who listens to its state.
  ///
  /// - Returns: Until when, in seconds of stream time.
  func inhibit(_ feed: StreamFeed, seconds: Double, keywords: [Int]) -> Double {
    let until = feed.inhibit(seconds: seconds, keywords: keywords)
    tellState(of: feed)
    for connection in connections.values { connection.write() }
    return until
  }

  /// What `status` answers.
  func status(for connection: Connection) -> DaemonStatus {
    let own = clientFeeds[ObjectIdentifier(connection)]
    let all = feeds + clientFeeds.values
    let times = DurationHistogram.summary(of: all.map(\.publisher.stepTimes))
    let now = clock.sinceBoot()
    let statistics = counters.statistics
    let uptime = eventLoop.now - began
    return DaemonStatus(
      run: identity.run, program: identity.program, version: identity.version,
      uptime: Double(uptime.nanoseconds) / 1e9, model: identity.model,
      streams: (feeds + (own.map { [$0] } ?? [])).map { feed in
        DaemonStatus.Stream(feed, now: now, subscribers: subscribers(of: feed))
      },
      connections: statistics.connections, subscribers: statistics.subscribers,
      dropped: statistics.dropped, ignored: statistics.ignored,
      stepMicroseconds: DaemonStatus.StepTimes(
        p50: times.p50 / 1e3, p99: times.p99 / 1e3, max: times.max / 1e3),
      memory: ProcessUsage.residentBytes, latencyBudget: limits.latencyBudget.seconds * 1e3,
      kernels: kernels, descriptors: ProcessUsage.descriptors,
      threads: ProcessUsage.threads)
  }

  private func subscribers(of feed: StreamFeed) -> Int {
    let candidates =
      feed.index == clientIndex ? feed.owner.map { [$0] } ?? [] : subscribers
    return candidates.count { $0.subscription?.streams.contains(feed.index) == true }
  }

  /// Live frames whose sound came before this are late, in seconds since boot.
  var oldestBeginning: Double { clock.sinceBoot() - limits.latencyBudget.seconds }

  /// A connection has handed a frame to the socket.
  func hasWritten(frameOf stream: Int, began: Double, for connection: Connection) {
    let feed =
      stream < feeds.count ? feeds[stream] : clientFeeds[ObjectIdentifier(connection)]
    feed?.wasWritten(began: began, now: clock.sinceBoot())
  }

  // MARK: What the streams say

  /// Reads what was published, and returns for other work after a while.
  ///
  /// - Returns: Whether everything was read.
  @discardableResult
  package func drain() -> Bool {
    doorbell.answer()
    var isComplete = true
    for feed in feeds where !drain(feed) { isComplete = false }
    for feed in clientFeeds.values {
      guard feed.publisher.hasNews.exchange(false, ordering: .acquiring) else { continue }
      if !drain(feed) {
        feed.publisher.hasNews.store(true, ordering: .relaxed)
        isComplete = false
      }
      feed.owner?.listenerHasMoved()
    }
    for connection in subscribers { connection.write() }
    return isComplete
  }

  /// - Returns: Whether everything of the stream was read.
  private func drain(_ feed: StreamFeed) -> Bool {
    let now = clock.unix()
    let epoch = feed.status.epoch
    let position = feed.publisher.position.load(ordering: .acquiring)
    var budget = Self.recordsPerTurn
    while budget > 0,
      feed.read(
        now: now, lost: { tell(of: $0, epoch: $1, in: feed) },
        { tell($0, of: feed) })
    {
      budget -= 1
    }
    if budget > 0 {
      reportLostEvents(of: feed)
      // Everything that was decided up to there has been read; in a new epoch it means nothing.
      if feed.status.epoch == epoch { feed.owner?.hasHeard(upTo: position, epoch: epoch) }
    }
    collectWarnings(of: feed)
    return budget > 0
  }

  private func tell(_ news: StreamFeed.News, of feed: StreamFeed) {
    switch news {
    case .frame(let header, let slot):
      counters.frames.wrappingAdd(1, ordering: .relaxed)
      show(header, slot, of: feed)
      if feed.inhibitionsEnd() { tellState(of: feed) }
    case .detection(let found, let epoch):
      guard !feed.isInhibited(found.keyword, at: found.sample) else { return }
      counters.detections.wrappingAdd(1, ordering: .relaxed)
      if let owner = feed.owner {
        owner.hasDetected(found, epoch: epoch, in: feed)
      } else {
        tell(found, epoch: epoch, in: feed)
      }
    case .state: tellState(of: feed)
    case .discontinuity(let hole): offer(hole.encoded(), as: .discontinuity, of: feed)
    case .ended:
      feed.owner?.hasHeardToTheEnd()
      tellState(of: feed)
    case .silent: break
    }
  }

  /// Offers a frame to those who want it, or tells them that it was shed.
  private func show(
    _ header: FrameLayout.Header, _ slot: UnsafeRawPointer, of feed: StreamFeed
  ) {
    let now = clock.sinceBoot()
    if feed.sheds(header, now: now) {
      return tell(
        of: LostFrames(count: 1, fromIndex: header.index, toIndex: header.index),
        epoch: header.epoch, in: feed)
    }
    var isShown = false
    for (connection, subscription) in audience(of: .attention, in: feed)
    where header.index % subscription.every == 0 {
      isShown = true
      connection.offerFrame(
        feed.encoding(of: slot, for: subscription), of: header, stream: feed.index)
    }
    if !isShown { feed.couldBeWritten(header, now: now) }
  }

  private func tell(_ found: EventRecord.Detection, epoch: Int, in feed: StreamFeed) {
    _ = feed.countDetection()
    let detection = feed.detection(
      found, epoch: epoch, number: history.nextNumber, name: identity.keywords[found.keyword].name,
      timestamp: nil)
    history.append(detection)
    offer(detection.encoded(), as: .detection, of: feed)
  }

  /// Those who subscribed to an event of a stream.
  private func audience(
    of event: SubscribableEvent, in feed: StreamFeed
  ) -> [(Connection, Subscription)] {
    let candidates =
      feed.index == clientIndex ? feed.owner.map { [$0] } ?? [] : subscribers
    return candidates.compactMap { connection in
      guard let subscription = connection.subscription, subscription.events.contains(event),
        subscription.streams.contains(feed.index)
      else { return nil }
      return (connection, subscription)
    }
  }

  private func tellState(of feed: StreamFeed) {
    offer(feed.status.encoded(), as: .state, of: feed)
  }

  private func offer(_ bytes: ByteBuffer, as event: SubscribableEvent, of feed: StreamFeed) {
    for (connection, _) in audience(of: event, in: feed) { connection.offer(bytes) }
  }

  /// Tells of frames that found the ring full, as far as each subscription would have got them.
  private func tell(of lost: LostFrames, epoch: Int, in feed: StreamFeed) {
    counters.dropped.wrappingAdd(lost.count, ordering: .relaxed)
    for (connection, subscription) in audience(of: .attention, in: feed) {
      let every = subscription.every
      let first = (lost.fromIndex + every - 1) / every * every
      let last = lost.toIndex / every * every
      guard first <= last else { continue }
      connection.offerHole(
        SubscriberQueue.Hole(
          stream: feed.index, epoch: epoch, count: (last - first) / every + 1, fromIndex: first,
          toIndex: last))
    }
  }

  /// Events that found their ring full: the one loss inside the daemon, and it is not silent.
  private func reportLostEvents(of feed: StreamFeed) {
    let lost = feed.publisher.lostEvents.exchange(0, ordering: .relaxed)
    guard lost > 0 else { return }
    let name = feed.publisher.stream.name
    let text = "\(lost) events of stream \(name) were lost: the daemon's event loop was late"
    logger.critical("\(text)")
    counters.lostEvents.wrappingAdd(lost, ordering: .relaxed)
    let concerned =
      feed.owner.map { [$0] }
      ?? subscribers.filter { $0.subscription?.streams.contains(feed.index) == true }
    for connection in concerned { connection.sayBye(Bye(reason: .error, text: text)) }
  }

  private func collectWarnings(of feed: StreamFeed) {
    feed.collectHeld { code, holds in
      let name = feed.publisher.stream.name
      if holds {
        logger.warning("stream \(name): \(code.rawValue): \(code.text)")
      } else {
        logger.info("stream \(name): \(code.rawValue) is over")
      }
    }
    feed.collectWarnings(now: eventLoop.now) { offer($0.encoded(), as: .warning, of: feed) }
  }

  // MARK: Time

  /// Looks after what hangs: events that don't end, readers that don't read.
  ///
  /// Called some times a second.
  package func sweep() {
    for feed in feeds { collectWarnings(of: feed) }
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

/// Who hears what clients send, and what their streams are.
package struct ClientAudioService: Sendable {
  package var stream: StreamDescription
  package var listening: any AudioListening

  package init(stream: StreamDescription, listening: any AudioListening) {
    precondition(stream.kind == .client, "A client's stream is of that kind")
    self.stream = stream
    self.listening = listening
  }
}

extension Duration {
  fileprivate var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
