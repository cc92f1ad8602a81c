import JSONText
import Logging
import NIOCore
import Synchronization

/// One client: reads its requests and its audio, keeps its subscription, writes its queue.
///
/// Reading and writing don't wait for each other. What is written goes through the queue, in order; the
/// channel holds a few kilobytes of it at a time, so that the queue, which knows what may be dropped,
/// is where a slow reader's backlog lies. What is read is acted on in order; where an action must wait
/// (audio that isn't heard yet, an answer that takes a hop), nothing more is read from the socket.
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

  let hub: Hub
  let peer: Peer
  private var context: ChannelHandlerContext?
  private var life = Life.open
  private var decoder: EventDecoder
  private var queue: SubscriberQueue
  private var replay: Replay?
  /// A request for retained frames under way; other requests wait for its end.
  var frameReplay: FrameReplay?
  var subscription: Subscription?
  /// What it sends to be heard; made at its first word of it.
  var audio: ClientAudio?
  /// A request whose answer comes with a later frame; other requests wait for it.
  var awaitedSince: NIODeadline?
  var hasLoggedRefusal = false
  private var isInputClosed = false
  private var isReading = true
  private var isProceeding = false

  /// Whether it still takes requests and events.
  var isOpen: Bool { life == .open }

  /// When the first byte of an event came whose last one hasn't.
  private var eventBegan: NIODeadline?
  /// Bytes given to the channel since the start, and how many of them had left at the last look.
  private var bytesGiven = 0
  private var bytesGone = 0
  private var lastProgress: NIODeadline

  /// - Parameters:
  ///   - hub: What the server knows.
  ///   - peer: Who is at the other end.
  package init(hub: Hub, peer: Peer) {
    self.hub = hub
    self.peer = peer
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

  /// Speaks first on a Unix socket: a client needs no question to know what it is connected to.
  ///
  /// Elsewhere clients may not bear it.
  private func greet() {
    guard hub.admit(self) else {
      hub.counters.refused.wrappingAdd(1, ordering: .relaxed)
      fail(.busy, "there are \(hub.limits.connections) connections already; try again later")
      return
    }
    guard peer.isGreeted else { return }
    offer(hub.hello(for: self).encoded(id: nil))
    write()
  }

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard life == .open else { return }
    let wasInside = decoder.isInsideEvent
    decoder.feed(unwrapInboundIn(data))
    let acted = proceed()
    if isWaiting || !decoder.isInsideEvent {
      eventBegan = nil
    } else if !wasInside || acted {
      eventBegan = hub.eventLoop.now
    }
  }

  /// Acts on what has been read, as far as nothing has to be waited for.
  ///
  /// - Returns: Whether there was a whole event.
  @discardableResult
  private func proceed() -> Bool {
    guard !isProceeding else { return false }
    isProceeding = true
    defer { isProceeding = false }
    var acted = false
    do throws(FramingError) {
      while life == .open, !isWaiting, let event = try decoder.next() {
        acted = true
        answer(event)
        write()
      }
    } catch {
      fail(error.code, error.text)
    }
    endInputWhenDone()
    return acted
  }

  /// Whether what was asked last isn't done, so that nothing more may be read.
  var isWaiting: Bool {
    audio?.isFull == true || awaitedSince != nil || frameReplay != nil
  }

  /// Goes on with what has been read when there is nothing to wait for any more, and reads on.
  func goOn() {
    guard life == .open else { return }
    if proceed(), decoder.isInsideEvent, !isWaiting { eventBegan = hub.eventLoop.now }
    write()
    let mayRead = life != .open || !isWaiting
    guard mayRead != isReading, let context else { return }
    isReading = mayRead
    try? context.channel.syncOptions?.setOption(.autoRead, value: mayRead)
    if mayRead { context.read() }
  }

  /// Goes on when what the loop does now is done.
  func goOnSoon() { hub.eventLoop.assumeIsolated().execute { [weak self] in self?.goOn() } }

  package func channelReadComplete(context: ChannelHandlerContext) {
    // After the whole of what was there: the option can't be changed while the channel reads.
    if isWaiting, isReading, life == .open { goOn() }
  }

  package func channelWritabilityChanged(context: ChannelHandlerContext) { write() }

  package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ChannelEvent, event == .inputClosed else { return }
    isInputClosed = true
    switch life {
    case .open: endInputWhenDone()
    case .discarding: abandon()
    case .finishing, .closed: break
    }
  }

  /// After the peer's last byte: what is due is still sent; an event without an end is dropped.
  private func endInputWhenDone() {
    guard isInputClosed, life == .open, !isWaiting else { return }
    if audio?.finishInput() == true { return }
    finish()
    write()
  }

  package func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // A peer that goes away at any byte is the normal end.
    hub.logger.debug("connection ends: \(error)")
    abandon()
  }

  package func channelInactive(context: ChannelHandlerContext) {
    life = .closed
    self.context = nil
    audio?.close()
    audio = nil
    hub.forget(self)
  }

  // MARK: The queue

  /// Queues an attention frame; the oldest ones make room for it.
  func offerFrame(_ bytes: ByteBuffer, of header: FrameLayout.Header, stream: Int) {
    guard life == .open else { return }
    let dropped = queue.offerFrame(
      bytes, stream: stream, epoch: header.epoch, index: header.index, began: header.began,
      isLive: header.captured.isFinite)
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

  /// Queues a replay of the history, behind what is queued already.
  func offer(_ replay: Replay) {
    guard life == .open else { return }
    queue.offer(replay)
  }

  private func endAsSlowReader(_ why: String) {
    guard life == .open else { return }
    hub.counters.refused.wrappingAdd(1, ordering: .relaxed)
    queue.offerLast(slowReader(why).encoded())
    finish()
  }

  /// Queues the last event and ends the connection when it has left.
  func sayBye(_ bye: Bye) {
    guard life == .open else { return }
    queue.offerLast(bye.encoded())
    finish()
    write()
  }

  /// Queues an error as the last event and ends the connection when it has left.
  func fail(_ code: ErrorCode, _ text: String) {
    guard life == .open else { return }
    hub.logger.debug("connection of \(peer.name) refused: \(code.rawValue): \(text)")
    let error = ErrorReply(
      code: code, text: text, isFatal: true, id: nil, verb: nil, field: nil)
    queue.offerLast(error.encoded())
    finish()
    write()
  }

  private func finish() {
    if subscription != nil {
      subscription = nil
      hub.subscriptionsChanged()
    }
    audio?.close()
    audio = nil
    frameReplay = nil
    awaitedSince = nil
    life = .finishing(until: hub.eventLoop.now + TimeAmount(hub.limits.drainTime))
    // What still comes is read, to be thrown away: unread bytes would turn the end into a reset.
    if !isReading, let context {
      isReading = true
      try? context.channel.syncOptions?.setOption(.autoRead, value: true)
      context.read()
    }
  }

  /// Writes from the queue as long as the channel takes more.
  func write() {
    guard let context, life != .closed else { return }
    var wrote = false
    while life != .closed, context.channel.isWritable, let next = nextBytes() {
      let bytes = next.bytes
      // What was given before was gone but for what is still held: progress starts anew.
      if bytesGiven == bytesGone { lastProgress = hub.eventLoop.now }
      bytesGiven += bytes.readableBytes
      context.write(wrapOutboundOut(bytes), promise: nil)
      context.flush()
      if let (stream, began) = next.frame {
        hub.hasWritten(frameOf: stream, began: began, for: self)
      }
      wrote = true
    }
    if wrote { noteProgress() }
    if case .finishing = life, queue.isEmpty, replay == nil { shutWritingSide(context) }
  }

  /// What to write next, and of a frame when its sound came.
  private typealias Outgoing = (bytes: ByteBuffer, frame: (stream: Int, began: Double)?)

  private func nextBytes() -> Outgoing? {
    shedLateFrames()
    if let detection = nextOfHistory() { return (detection, nil) }
    switch queue.next() {
    case nil: return nextReplayedFrame().map { ($0, nil) }
    case .bytes(let bytes): return (bytes, nil)
    case .frame(let bytes, let stream, let began): return (bytes, (stream, began))
    case .dropped(let hole, let total):
      let dropped = DroppedFrames(
        stream: hub.streamDescriptions[hole.stream].name, epoch: hole.epoch, count: hole.count,
        fromIndex: hole.fromIndex, toIndex: hole.toIndex, total: total)
      return (dropped.encoded(), nil)
    case .replay(let next):
      replay = next
      return nextBytes()
    }
  }

  /// Frames that are late by more than the budget don't hold up newer ones.
  private func shedLateFrames() {
    let dropped = queue.shedFrames(before: hub.oldestBeginning)
    if dropped > 0 { hub.counters.dropped.wrappingAdd(dropped, ordering: .relaxed) }
  }

  private func nextOfHistory() -> ByteBuffer? {
    if let replay, replay.isOvertaken(by: hub.history) {
      endReplay()
    }
    if let detection = replay?.advance(in: hub.history) { return detection.encoded() }
    replay = nil
    return nil
  }

  /// Detections that were promised are gone: nothing that came after them may be seen, or who comes again
  /// would ask from there on.
  private func endReplay() {
    replay = nil
    queue.removeAll()
    let why = "the history has moved past what is being replayed"
    if life == .open { return endAsSlowReader(why) }
    queue.offerLast(slowReader(why).encoded())
  }

  private func slowReader(_ why: String) -> Bye {
    Bye(reason: .slowReader, text: why + "; reconnect and subscribe with since")
  }

  /// Retained frames go out only while nothing else waits: they push nothing out.
  private func nextReplayedFrame() -> ByteBuffer? {
    guard life == .open, let (event, isLast) = frameReplay?.advance() else { return nil }
    if isLast {
      frameReplay = nil
      goOnSoon()
    }
    return event
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
      } else if let awaitedSince, now - awaitedSince >= TimeAmount(hub.limits.answerTime) {
        giveUpWaiting()
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
}
