import JSONText
import Logging
import NIOCore
import Synchronization

/// One client: reads its requests, keeps its subscription, writes its queue.
///
/// Reading and writing don't wait for each other. What is written goes through the queue, in order; the
/// channel holds a few kilobytes of it at a time, so that the queue, which knows what may be dropped,
/// is where a slow reader's backlog lies.
package final class Connection: ChannelInboundHandler {
  package typealias InboundIn = ByteBuffer
  package typealias OutboundOut = ByteBuffer

  private enum Life: Equatable {
    case open
    /// The last event is queued: write the rest, take nothing new, give up at the deadline.
    case finishing(until: NIODeadline)
    /// Everything is written and the writing side shut; what still comes is thrown away.
    case discarding(until: NIODeadline)
    case closed
  }

  private let hub: Hub
  private var context: ChannelHandlerContext?
  private var life = Life.open
  private var decoder: EventDecoder
  private var queue: SubscriberQueue
  private var replay: Replay?
  private(set) var subscription: Subscription?
  private var isInputClosed = false

  /// Whether it still takes requests and events.
  var isOpen: Bool { life == .open }

  /// When the first byte of an event came whose last one hasn't.
  private var eventBegan: NIODeadline?
  /// Bytes given to the channel since the start, and how many of them had left at the last look.
  private var bytesGiven = 0
  private var bytesGone = 0
  private var lastProgress: NIODeadline

  package init(hub: Hub) {
    self.hub = hub
    decoder = EventDecoder(limits: hub.limits.events)
    queue = SubscriberQueue(
      bounds: SubscriberQueue.Bounds(
        frames: hub.limits.queueEvents, frameBytes: hub.limits.queueBytes,
        mustArrive: hub.limits.mustArriveEvents, mustArriveBytes: hub.limits.mustArriveBytes))
    lastProgress = hub.eventLoop.now
  }

  // MARK: Events of the channel

  package func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { greet() }
  }

  package func channelActive(context: ChannelHandlerContext) { greet() }

  /// The server speaks first: a client needs no question to know what it is connected to.
  private func greet() {
    guard hub.admit(self) else {
      hub.counters.refused.wrappingAdd(1, ordering: .relaxed)
      fail(.busy, "there are \(hub.limits.connections) connections already; try again later")
      return
    }
    offer(hub.hello().encoded(id: nil))
    write()
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard life == .open else { return }
    let wasInside = decoder.isInsideEvent
    var sawEvent = false
    decoder.feed(unwrapInboundIn(data))
    do throws(FramingError) {
      while life == .open, let event = try decoder.next() {
        sawEvent = true
        answer(event)
        write()
      }
    } catch {
      fail(error.code, error.text)
      return
    }
    if !decoder.isInsideEvent {
      eventBegan = nil
    } else if !wasInside || sawEvent {
      eventBegan = hub.eventLoop.now
    }
  }

  package func channelWritabilityChanged(context: ChannelHandlerContext) { write() }

  package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    isInputClosed = true
    switch life {
    case .open:  // What is due is still sent; an event without an end is dropped.
      finish()
      write()
    case .discarding: abandon()
    case .finishing, .closed: break
    }
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A peer that goes away at any byte is the normal end.
    hub.logger.debug("connection ends: \(error)")
    abandon()
  }

  package func channelInactive(context: ChannelHandlerContext) {
    life = .closed
    self.context = nil
    hub.forget(self)
  }

  // MARK: Requests

  private func answer(_ event: WireEvent) {
    let fields = Fields(event.fields)
    let id: RequestID?
    do throws(FieldError) {
      id = try RequestID(fields)
    } catch {
      refuse(Subscription.Refusal(error, verb: event.type.shortened), verb: event.type, id: nil)
      return
    }
    switch event.type {
    case "hello": greetAgain(fields, id)
    case "subscribe": subscribe(fields, id)
    case "unsubscribe": unsubscribe(id)
    case "ping": pong(fields, id)
    default: ignore(event.type, id)
    }
  }

  private func greetAgain(_ fields: Fields, _ id: RequestID?) {
    do throws(FieldError) {
      if let name = try fields.optionalString("client") {
        hub.logger.debug("client \(name.shortened)")
      }
    } catch {
      refuse(Subscription.Refusal(error, verb: "hello"), verb: "hello", id: id)
      return
    }
    offer(hub.hello().encoded(id: id))
  }

  private func pong(_ fields: Fields, _ id: RequestID?) {
    let text: String?
    do throws(FieldError) {
      text = try fields.optionalString("text")
    } catch {
      refuse(Subscription.Refusal(error, verb: "ping"), verb: "ping", id: id)
      return
    }
    offer(
      EventEncoder.encode("pong") { json in
        if let text { json.field("text", text) }
        json.field("id", id)
      })
  }

  /// Wyoming's rule is to skip what one doesn't know; an `id` asks for an answer all the same.
  private func ignore(_ type: String, _ id: RequestID?) {
    hub.counters.ignored.wrappingAdd(1, ordering: .relaxed)
    guard let id else { return }
    let type = type.shortened
    send(
      ErrorReply(
        code: .unknownType, text: "\(type): no such request in this version of the daemon",
        isFatal: false, id: id, verb: type, field: nil))
  }

  private func subscribe(_ fields: Fields, _ id: RequestID?) {
    let new: Subscription
    do throws(Subscription.Refusal) {
      new = try Subscription(fields, streams: hub.streams, heads: hub.heads)
    } catch {
      refuse(error, verb: "subscribe", id: id)
      return
    }
    subscription = new
    let (replay, missed) = replay(for: new)
    let reply = SubscribeReply(
      events: SubscribableEvent.allCases.filter(new.events.contains),
      streams: new.streams.map { hub.streams[$0].name }, every: new.every, weights: new.weights,
      spectrum: new.spectrum, replayed: replay?.count(in: hub.history) ?? 0, missed: missed)
    offer(reply.encoded(id: id))
    // Whoever subscribes gets the present state, whether it wants the changes or not.
    for index in new.streams { offer(hub.status(ofStream: index).encoded()) }
    if let replay, life == .open { queue.offer(replay) }
    hub.subscriptionsChanged()
  }

  private func replay(for subscription: Subscription) -> (Replay?, missed: Int) {
    guard let since = subscription.since, subscription.events.contains(.detection) else {
      return (nil, 0)
    }
    let (first, missed) = hub.history.start(after: since.run == hub.run ? since.seq : 0)
    return (
      Replay(
        next: first, last: hub.history.newest,
        streams: Set(subscription.streams.map { hub.streams[$0].name })), missed
    )
  }

  private func unsubscribe(_ id: RequestID?) {
    subscription = nil
    hub.subscriptionsChanged()
    offer(EventEncoder.encode("unsubscribe-reply") { $0.field("id", id) })
  }

  private func refuse(_ refusal: Subscription.Refusal, verb: String, id: RequestID?) {
    send(
      ErrorReply(
        code: refusal.code, text: refusal.text, isFatal: false, id: id, verb: verb.shortened,
        field: refusal.field))
  }

  private func send(_ error: ErrorReply) { offer(error.encoded()) }

  // MARK: The queue

  /// Queues an attention frame; the oldest ones make room for it.
  func offerFrame(_ bytes: ByteBuffer, stream: Int, epoch: Int, index: Int) {
    guard life == .open else { return }
    let dropped = queue.offerFrame(bytes, stream: stream, epoch: epoch, index: index)
    if dropped > 0 { hub.counters.dropped.wrappingAdd(dropped, ordering: .relaxed) }
  }

  /// Queues the news of frames that never came here.
  func offerHole(_ hole: SubscriberQueue.Hole) {
    guard life == .open else { return }
    queue.offerHole(hole)
  }

  /// Queues an event that must arrive; where it can't, the connection ends: never a silent loss.
  func offer(_ bytes: ByteBuffer) {
    guard life == .open else { return }
    guard !queue.offer(bytes) else { return }
    endAsSlowReader(
      "more than \(hub.limits.mustArriveEvents) events or \(hub.limits.mustArriveBytes) bytes wait")
  }

  private func endAsSlowReader(_ why: String) {
    guard life == .open else { return }
    hub.counters.refused.wrappingAdd(1, ordering: .relaxed)
    let bye = Bye(reason: .slowReader, text: why + "; reconnect and subscribe with since")
    queue.offerLast(bye.encoded())
    finish()
  }

  /// Queues the last event and ends the connection when it has left.
  func sayBye(_ bye: Bye) {
    guard life == .open else { return }
    queue.offerLast(bye.encoded())
    finish()
    write()
  }

  private func fail(_ code: ErrorCode, _ text: String) {
    guard life == .open else { return }
    hub.logger.debug("connection refused: \(code.rawValue): \(text)")
    let error = ErrorReply(
      code: code, text: text, isFatal: true, id: nil, verb: nil, field: nil)
    queue.offerLast(error.encoded())
    finish()
    write()
  }

  private func finish() {
    subscription = nil
    hub.subscriptionsChanged()
    life = .finishing(until: hub.eventLoop.now + TimeAmount(hub.limits.drainTime))
  }

  /// Writes from the queue as long as the channel takes more.
  func write() {
    guard let context, life != .closed else { return }
    var wrote = false
    while life != .closed, context.channel.isWritable, let bytes = nextBytes() {
      // What was given before was gone but for what is still held: progress starts anew.
      if bytesGiven == bytesGone { lastProgress = hub.eventLoop.now }
      bytesGiven += bytes.readableBytes
      context.write(wrapOutboundOut(bytes), promise: nil)
      context.flush()
      wrote = true
    }
    if wrote { noteProgress() }
    if case .finishing = life, queue.isEmpty, replay == nil { shutWritingSide(context) }
  }

  private func nextBytes() -> ByteBuffer? {
    if let replay, replay.isOvertaken(by: hub.history) {
      self.replay = nil
      endAsSlowReader("the history has moved past what is being replayed")
    }
    if let detection = replay?.advance(in: hub.history) { return detection.encoded() }
    replay = nil
    switch queue.next() {
    case nil: return nil
    case .bytes(let bytes): return bytes
    case .dropped(let hole, let total):
      return DroppedFrames(
        stream: hub.streams[hole.stream].name, epoch: hole.epoch, count: hole.count,
        fromIndex: hole.fromIndex, toIndex: hole.toIndex, total: total
      ).encoded()
    case .replay(let next):
      replay = next
      return nextBytes()
    }
  }

  /// Half-closes behind the last byte, so that the peer can read it before the connection goes.
  private func shutWritingSide(_ context: ChannelHandlerContext) {
    life = .discarding(until: hub.eventLoop.now + TimeAmount(hub.limits.drainTime))
    let everythingWritten = context.writeAndFlush(wrapOutboundOut(ByteBuffer()))
    everythingWritten.assumeIsolated().whenComplete { [self] _ in
      self.context?.close(mode: isInputClosed ? .all : .output, promise: nil)
    }
  }

  // MARK: Time

  /// How many of the given bytes have left the process.
  private func noteProgress() {
    guard let options = context?.channel.syncOptions,
      let held = try? options.getOption(.bufferedWritableBytes)
    else { return }
    let gone = bytesGiven - held
    guard gone > bytesGone else { return }
    bytesGone = gone
    lastProgress = hub.eventLoop.now
  }

  /// Ends what hangs.
  func checkTime(_ now: NIODeadline) {
    noteProgress()
    switch life {
    case .open:
      if let eventBegan, now - eventBegan >= TimeAmount(hub.limits.eventTime) {
        fail(.timeout, "an event wasn't complete \(hub.limits.eventTime) after its first byte")
      } else if bytesGone < bytesGiven, now - lastProgress >= TimeAmount(hub.limits.stallTime) {
        hub.counters.refused.wrappingAdd(1, ordering: .relaxed)
        hub.logger.debug("connection closed: it took no byte for \(hub.limits.stallTime)")
        abandon()
      }
    case .finishing(let deadline), .discarding(let deadline):
      if now >= deadline { abandon() }
    case .closed: break
    }
  }

  /// Closes without another word.
  func abandon() {
    guard life != .closed, let context else { return }
    life = .closed
    context.close(promise: nil)
  }
}

extension Replay {
  /// Whether detections that it promised are gone.
  fileprivate func isOvertaken(by history: DetectionHistory) -> Bool {
    next <= last && next < history.oldest
  }

  /// How many detections it will send.
  fileprivate func count(in history: DetectionHistory) -> Int {
    var cursor = self
    var count = 0
    while cursor.advance(in: history) != nil { count += 1 }
    return count
  }
}

extension String {
  /// What a peer said, short enough to say again.
  fileprivate var shortened: String { String(prefix(64)) }
}
