import JSONText
import Logging
import NIOCore
import Synchronization

// What a client asks by attnd's own events. The wake-word service is in Connection+Audio.swift.

extension Connection {
  /// Acts on an event of the client.
  func answer(_ event: WireEvent) {
    let fields = Fields(event.fields)
    let id: RequestID?
    do throws(FieldError) {
      id = try RequestID(fields)
    } catch {
      refuse(Refusal(error, verb: event.type.shortened), verb: event.type, id: nil)
      return
    }
    if serveWakeWord(event, fields) { return }
    guard let verb = Verb(rawValue: event.type) else {
      ignore(event.type, id)
      return
    }
    do throws(Refusal) {
      try permit(verb)
      try answer(verb, fields, id)
    } catch {
      refuse(error, verb: verb.rawValue, id: id)
    }
  }

  private enum Verb: String {
    case hello, subscribe, unsubscribe, ping, status, set, inhibit, reload, replay, snapshot

    var isControl: Bool {
      switch self {
      case .set, .inhibit, .reload: true
      default: false
      }
    }
  }

  private func permit(_ verb: Verb) throws(Refusal) {
    guard verb != .ping else { return }
    guard peer.usesNative else {
      throw refusal(of: verb, "only the wake-word service is open to other machines")
    }
    if verb.isControl, !peer.controls {
      throw refusal(of: verb, "this connection may not control the daemon")
    }
  }

  private func refusal(of verb: Verb, _ why: String) -> Refusal {
    if !hasLoggedRefusal {
      hasLoggedRefusal = true
      hub.logger.notice("\(peer.name) was refused '\(verb.rawValue)': \(why)")
    }
    return Refusal(code: .notPermitted, text: "\(verb.rawValue): \(why)", field: nil)
  }

  private func answer(_ verb: Verb, _ fields: Fields, _ id: RequestID?) throws(Refusal) {
    switch verb {
    case .hello: try greetAgain(fields, id)
    case .subscribe: try subscribe(fields, id)
    case .unsubscribe: unsubscribe(id)
    case .ping: try pong(fields, id)
    case .status: offer(hub.status(for: self).encoded(id: id))
    case .set: try set(fields, id)
    case .inhibit: try inhibit(fields, id)
    case .reload: try reload(fields, id)
    case .replay: try replay(fields, id)
    case .snapshot: try snapshot(fields, id)
    }
  }

  private func greetAgain(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let name = try Refusal.reading("hello") { () throws(FieldError) in
      try fields.optionalString("client")
    }
    if let name { hub.logger.debug("client \(name.shortened)") }
    offer(hub.hello(for: self).encoded(id: id))
  }

  private func pong(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let text = try Refusal.reading("ping") { () throws(FieldError) in
      try fields.optionalString("text")
    }
    // What was null comes back as null: Wyoming's Python package 1.5 falls over a pong without data.
    let isNull = fields.all["text"] == .null
    offer(
      EventEncoder.encode("pong") { json in
        if let text { json.field("text", text) }
        if isNull { json.nullable("text", nil as Int?) }
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

  func refuse(_ refusal: Refusal, verb: String, id: RequestID?) {
    send(
      ErrorReply(
        code: refusal.code, text: refusal.text, isFatal: false, id: id, verb: verb.shortened,
        field: refusal.field))
  }

  private func send(_ error: ErrorReply) { offer(error.encoded()) }

  // MARK: Subscriptions

  private func subscribe(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let known = hub.streamDescriptions
    let new = try Subscription(fields, streams: known, heads: hub.identity.model.heads)
    subscription = new
    let (replay, missed) = replay(for: new)
    let reply = SubscribeReply(
      events: SubscribableEvent.allCases.filter(new.events.contains),
      streams: new.streams.map { known[$0].name }, every: new.every, weights: new.weights,
      spectrum: new.spectrum, replayed: replay?.count(in: hub.history) ?? 0, missed: missed)
    offer(reply.encoded(id: id))
    // Whoever subscribes gets the present state, whether it wants the changes or not.
    for index in new.streams {
      if let feed = feed(index) { offer(feed.status.encoded()) }
    }
    if let replay { offer(replay) }
    hub.subscriptionsChanged()
  }

  private func replay(for subscription: Subscription) -> (Replay?, missed: Int) {
    guard let since = subscription.since, subscription.events.contains(.detection) else {
      return (nil, 0)
    }
    let (first, missed) = hub.history.start(after: since.run == hub.run ? since.seq : 0)
    let known = hub.streamDescriptions
    return (
      Replay(
        next: first, last: hub.history.newest,
        streams: Set(subscription.streams.map { known[$0].name })), missed
    )
  }

  private func unsubscribe(_ id: RequestID?) {
    subscription = nil
    hub.subscriptionsChanged()
    offer(EventEncoder.encode("unsubscribe-reply") { $0.field("id", id) })
  }

  // MARK: Streams by name

  /// A stream by its number; frames of the connection's own are kept from its first mention on.
  private func feed(_ index: Int) -> StreamFeed? {
    guard let feed = hub.feed(index, for: self) else { return nil }
    feed.publisher.framesWanted.store(true, ordering: .relaxed)
    return feed
  }

  private func feed(named name: String, _ verb: String) throws(Refusal) -> StreamFeed {
    let known = hub.streamDescriptions
    guard let index = known.firstIndex(where: { $0.name == name }), let feed = feed(index) else {
      throw Refusal.unknownStream(name, verb: verb, known: known)
    }
    return feed
  }

  private func keyword(named name: String, _ verb: String, _ field: String) throws(Refusal) -> Int {
    let keywords = hub.identity.keywords
    if let index = keywords.firstIndex(where: { $0.name == name }) { return index }
    throw Refusal(
      code: .unknownKeyword,
      text: "\(verb): no keyword '\(name.shortened)'; there are: "
        + keywords.map(\.name).joined(separator: ", "), field: field)
  }

  // MARK: Retained frames

  private func replay(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    guard let id else {
      throw Refusal(
        code: .missingField, text: "replay: id is missing; it marks the frames that answer",
        field: "id")
    }
    let request = try Refusal.reading("replay") { () throws(FieldError) in
      if let weights = try fields.optionalString("weights"), weights != "none" {
        throw fields.wrong("weights", "none: frames are kept without them")
      }
      return (
        stream: try fields.string("stream"), from: try fields.integer("from_sample"),
        to: try fields.integer("to_sample"),
        epoch: try fields.optionalInteger("epoch", in: 0...Int.max),
        every: try fields.optionalInteger("every", in: 1...100_000) ?? 1
      )
    }
    let feed = try feed(named: request.stream, "replay")
    frameReplay = FrameReplay(
      id: id, feed: feed, epoch: request.epoch ?? feed.status.epoch, from: request.from,
      to: request.to, every: request.every)
  }

  private func snapshot(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let name = try Refusal.reading("snapshot") { () throws(FieldError) in
      try fields.string("stream")
    }
    let feed = try feed(named: name, "snapshot")
    let isOwn = feed.index == hub.clientIndex
    guard isOwn ? audio?.hasListener == true : feed.status.state == .running else {
      throw Self.nothingToShow(feed)
    }
    awaitedSince = hub.eventLoop.now
    feed.requestSnapshot(id: id) { [weak self, weak feed] answer in
      guard let self, let feed, awaitedSince != nil else { return }
      awaitedSince = nil
      if let answer {
        offer(answer)
      } else {
        refuse(Self.nothingToShow(feed), verb: "snapshot", id: id)
      }
      goOnSoon()
    }
    if isOwn { audio?.show() }
  }

  private static func nothingToShow(_ feed: StreamFeed) -> Refusal {
    Refusal(
      code: .notAvailable,
      text: "snapshot: there is no frame of stream \(feed.status.stream)"
        + " (\(feed.status.state.rawValue): \(feed.status.text))", field: nil)
  }

  /// The frame that a `snapshot` waits for doesn't come.
  func giveUpWaiting() {
    for index in 0...hub.clientIndex where index < hub.clientIndex || audio != nil {
      hub.feed(index, for: self)?.refuseSnapshots()
    }
    awaitedSince = nil
    goOn()
  }

  // MARK: Control

  private func set(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let request = try Refusal.reading("set") { () throws(FieldError) in
      (
        keyword: try fields.string("keyword"),
        threshold: try fields.number("threshold", in: 0...1),
        stream: try fields.optionalString("stream")
      )
    }
    let keyword = try keyword(named: request.keyword, "set", "keyword")
    var feed: StreamFeed?
    if let stream = request.stream { feed = try self.feed(named: stream, "set") }
    let result = hub.setThreshold(of: keyword, to: Float(request.threshold), on: feed)
    hub.logger.info(
      "\(peer.name) set the threshold of \(request.keyword) to \(result.threshold)",
      metadata: ["before": "\(result.previous)"])
    offer(
      EventEncoder.encode("set-reply") { json in
        json.field("id", id)
        json.field("keyword", request.keyword)
        json.field("threshold", result.threshold)
        json.field("previous", result.previous)
      })
  }

  /// The answer comes when the new model listens, or is found wrong; the connection goes on meanwhile.
  private func reload(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let target = try Refusal.reading("reload") { () throws(FieldError) in
      let text = try fields.optionalString("what") ?? ReloadTarget.all.rawValue
      guard let target = ReloadTarget(rawValue: text) else {
        throw fields.wrong("what", "one of config, model, all")
      }
      return target
    }
    guard hub.canReload else {
      throw Refusal(
        code: .notAvailable, text: "reload: this daemon can't; restart it instead", field: nil)
    }
    hub.logger.info("\(peer.name) asks for a reload of \(target.rawValue)")
    hub.reload(target).assumeIsolated().whenComplete { [self] outcome in
      switch outcome {
      case .success(let hasChanged):
        offer(ReloadReply(model: hub.identity.model, hasChanged: hasChanged).encoded(id: id))
      case .failure(let error):
        hub.logger.warning("reload failed, nothing has changed: \(error)")
        let why = Refusal(code: .reloadFailed, text: "reload: \(error)", field: nil)
        refuse(why, verb: "reload", id: id)
      }
      write()
    }
  }

  private func inhibit(_ fields: Fields, _ id: RequestID?) throws(Refusal) {
    let request = try Refusal.reading("inhibit") { () throws(FieldError) in
      (
        seconds: try fields.number("seconds", in: 0...3_600),
        stream: try fields.optionalString("stream"),
        keywords: try fields.optionalStrings("keywords")
      )
    }
    var keywords = Array(hub.identity.keywords.indices)
    if let names = request.keywords {
      keywords = []
      for name in names { keywords.append(try keyword(named: name, "inhibit", "keywords")) }
    }
    var feeds = hub.feeds
    if let stream = request.stream { feeds = [try feed(named: stream, "inhibit")] }
    var until: [(String, Double)] = []
    for feed in feeds {
      until.append(
        (
          feed.status.stream,
          hub.inhibit(feed, seconds: request.seconds, keywords: keywords)
        ))
    }
    offer(
      EventEncoder.encode("inhibit-reply") { json in
        json.field("id", id)
        json.field("until") { json in
          for (name, seconds) in until { json.field(name, seconds) }
        }
      })
  }
}

extension Replay {
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
  var shortened: String { String(prefix(64)) }
}
