import AttentionSocket
import Logging
import NIOCore
import NIOEmbedded

// A whole connection without sockets, driven by bytes: the fuzzer of the socket makes them up, and a
// test plays again those that it found of interest.
//
// The first byte chooses: raw bytes in pieces, or a script, in which bytes choose what happens next,
// so that most of it is read far into. Whatever comes, the server must write whole events that its
// own client understands, nothing after its last word, and let go of everything at the end.

/// Holds a conversation; ends the process when the server breaks a promise.
func converse(_ bytes: UnsafeBufferPointer<UInt8>) {
  var script = Script(bytes: bytes)
  let mode = script.byte()
  let conversation = Conversation(mode)
  if mode & 1 == 0 {
    conversation.hasSentRaw = true
    while let piece = script.piece() { conversation.send(piece) }
  } else {
    while !script.isAtEnd { conversation.act(&script) }
  }
  conversation.end()
}

/// The input, read as choices.
private struct Script {
  private var bytes: UnsafeBufferPointer<UInt8>.SubSequence

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes[...] }

  var isAtEnd: Bool { bytes.isEmpty }

  mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

  mutating func choose<Value>(_ values: [Value]) -> Value { values[Int(byte()) % values.count] }

  /// Some of the bytes as they are.
  mutating func raw(_ count: Int) -> [UInt8] {
    defer { bytes = bytes.dropFirst(count) }
    return Array(bytes.prefix(count))
  }

  /// The next piece of a raw conversation: as long as its first byte says.
  mutating func piece() -> [UInt8]? {
    guard !bytes.isEmpty else { return nil }
    let length = Int(byte())
    return raw(length == 255 ? bytes.count : length + 1)
  }
}

/// A listener that does what the script says.
private final class OddListener: AudioListener {
  let publisher: FramePublisher
  var room = 1 << 20
  var refuses = false
  var epoch = -1
  var position = 0
  var index = 0
  var isClosed = false

  init(_ publisher: FramePublisher) { self.publisher = publisher }

  func begin(_ format: AudioFormat, epoch: Int) -> Bool {
    precondition(!isClosed && epoch > self.epoch, "Epochs rise")
    guard !refuses else { return false }
    self.epoch = epoch
    (position, index) = (0, 0)
    publisher.hasHeard(0)
    publisher.state(.running, reason: .ok, text: "listening", epoch: epoch, sample: 0)
    return true
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    precondition(!isClosed && epoch >= 0, "Audio comes after a beginning")
    let taken = min(bytes.count, room)
    room -= taken
    return taken
  }

  func end() -> Bool {
    precondition(!isClosed, "An end comes before the close")
    return !refuses
  }

  func show() {}
  func publicationsRead() {}
  func close() { isClosed = true }
}

private final class OddListening: AudioListening, @unchecked Sendable {
  struct Refused: Error {}
  var listener: OddListener?
  var refuses = false

  func makeListener(publisher: FramePublisher) throws -> any AudioListener {
    guard !refuses else { throw Refused() }
    precondition(listener == nil, "One listener for a connection")
    let listener = OddListener(publisher)
    self.listener = listener
    return listener
  }
}

/// A connection to a server that has a clock of its own.
private final class Conversation {
  private static let limits: ServerLimits = {
    var limits = ServerLimits()
    // Small, so that short inputs reach them.
    (limits.header, limits.data, limits.payload) = (512, 1_024, 4_096)
    (limits.queueEvents, limits.queueBytes, limits.mustArriveEvents) = (4, 2_048, 16)
    (limits.history, limits.retainedFrames) = (4, 16)
    return limits
  }()
  private static let stream = StreamDescription(
    name: "mic", kind: .device, rate: 16_000, hop: 160, window: 4, bins: 2)
  private static let own = StreamDescription(
    name: "self", kind: .client, rate: 16_000, hop: 160, window: 4, bins: 2)
  private static let peers = [
    Peer(isGreeted: true, usesNative: true, controls: true, name: "trusted"),
    Peer(isGreeted: true, usesNative: true, controls: false, name: "stranger"),
    Peer(isGreeted: false, usesNative: false, controls: false, name: "remote"),
    Peer(isGreeted: false, usesNative: true, controls: true, name: "loopback"),
  ]

  private let loop = EmbeddedEventLoop()
  private let listening = OddListening()
  private let hub: Hub
  private let channel: EmbeddedChannel
  private var decoder = EventDecoder(limits: .fromServer)
  private var hasSaidLast = false
  private var frames = 0
  /// Bytes that may be anything, stops among them.
  var hasSentRaw = false
  private var stops = 0
  private var answeredStops = 0
  private var dropped = 0

  init(_ mode: UInt8) {
    let keywords = ["alexa", "smart_mirror"].map {
      KeywordDescription(name: $0, phrase: $0, threshold: 0.5)
    }
    let model = ModelDescription(
      name: "fuzz", digest: "sha256:" + String(repeating: "0", count: 64), score: "static",
      heads: 2)
    hub = Hub(
      eventLoop: loop,
      identity: Hello(
        program: "attnd", version: "1", run: "0123456789abcdef", model: model, keywords: keywords,
        streams: [Self.stream], hearsClients: true, limits: Self.limits),
      attentionHeads: .perKeyword,
      clients: ClientAudioService(stream: Self.own, listening: listening), limits: Self.limits,
      logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() })
    listening.refuses = mode & 0x80 != 0
    channel = EmbeddedChannel(handlers: [], loop: loop)
    let peer = Self.peers[Int(mode >> 1) & 3]
    do {
      try channel.pipeline.syncOperations.addHandler(Connection(hub: hub, peer: peer))
      try channel.connect(to: NIOCore.SocketAddress(unixDomainSocketPath: "/fuzz")).wait()
    } catch {
      fatalError("\(error)")
    }
    look()
  }

  func send(_ bytes: [UInt8]) {
    guard channel.isActive else { return }
    // Errors of a channel that is closing are its own.
    _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
    settle()
  }

  private func send(_ type: String, _ json: String, payload: Int = 0) {
    if type == "audio-stop" { stops += 1 }
    let header =
      "{\"type\":\"\(type)\",\"data_length\":\(json.utf8.count),\"payload_length\":\(payload)}\n"
    send(Array((header + json).utf8) + [UInt8](repeating: 7, count: payload))
  }

  /// Lets the server do what is due, and looks at what it wrote.
  private func settle() {
    while !hub.drain() {}
    loop.run()
    look()
  }

  /// Everything that was written must be whole events, in order, and the last the last.
  private func look() {
    while let bytes = try? channel.readOutbound(as: ByteBuffer.self) { decoder.feed(bytes) }
    do {
      while let wire = try decoder.next() {
        precondition(!hasSaidLast, "\(wire.type) after the last word")
        check(wire, try Event(wire))
      }
    } catch {
      fatalError("the server wrote what its client can't read: \(error)")
    }
    precondition(!decoder.isInsideEvent, "an event was torn")
  }

  private func check(_ wire: WireEvent, _ event: Event) {
    precondition(wire.payload.readableBytes <= EventLimits.fromServer.payload)
    switch event {
    case .bye: hasSaidLast = true
    case .error(let reply):
      precondition(!reply.text.isEmpty && reply.text.utf8.count < 4_096, "an error is a line")
      hasSaidLast = reply.isFatal
    case .dropped(let hole):
      dropped += hole.count
      precondition(hole.total == dropped, "holes add up")
    case .other("not-detected"):
      answeredStops += 1
      precondition(hasSentRaw || answeredStops <= stops, "an answer to no stop")
    default: break
    }
  }

  /// The client goes; nothing may be left of it.
  func end() {
    _ = try? channel.finish(acceptAlreadyClosed: true)
    loop.run()
    precondition(hub.counters.statistics.connections == 0, "the connection is still known")
    precondition(listening.listener?.isClosed != false, "the listener is still there")
  }

  // MARK: The script

  private static let numbers = [
    "0", "1", "2", "16000", "-1", "1.5", "1e3", "9007199254740992", "null", "true", "\"x\"", "[]",
    "{}", "0.001", "99999999999999999999", "192000",
  ]
  private static let names = [
    "\"mic\"", "\"self\"", "\"*\"", "\"alexa\"", "\"Smart Mirror_v1\"", "\"\"", "null", "7",
    "\"f\\u00fc\\u0000\"", "\"none\"", "\"json\"", "\"float32\"",
  ]
  private static let fields = [
    "id", "stream", "streams", "events", "every", "weights", "spectrum", "since", "seconds",
    "keyword", "keywords", "threshold", "from_sample", "to_sample", "epoch", "names", "context",
    "text", "client", "what", "rate", "width", "channels", "timestamp",
  ]
  private static let types = [
    "hello", "subscribe", "unsubscribe", "ping", "status", "set", "inhibit", "reload", "replay",
    "snapshot", "describe", "detect", "audio-start", "audio-chunk", "audio-stop", "select-program",
    "user-event",
  ]
  private static let subscriptions = [
    "{\"events\":[\"attention\",\"detection\",\"state\"],\"streams\":[\"*\",\"self\"]}",
    "{\"events\":[\"attention\"],\"every\":2,\"weights\":\"json\",\"spectrum\":\"float32\"}",
    "{\"events\":[\"attention\"],\"streams\":[\"self\"],\"weights\":\"float32\"}",
    "{\"since\":{\"run\":\"0123456789abcdef\",\"seq\":1}}",
  ]
  private static let formats = [
    "\"rate\":16000,\"width\":2,\"channels\":1", "\"rate\":8000,\"width\":1,\"channels\":2",
    "\"rate\":44100,\"width\":3,\"channels\":2", "\"rate\":192000,\"width\":4,\"channels\":16",
  ]

  func act(_ script: inout Script) {
    switch script.byte() % 20 {
    case 0: send(script.choose(Self.types), odd(&script), payload: Int(script.byte()) & 15)
    case 1: send("audio-start", "{\(script.choose(Self.formats))}")
    case 2, 3: chunk(&script)
    case 4: send("audio-stop", "{}")
    case 5: send("detect", "{\"names\":[\(script.choose(Self.names))],\"context\":{\"a\":1}}")
    case 6: send("subscribe", script.choose(Self.subscriptions))
    case 7:
      loop.advanceTime(by: .milliseconds(100 * Int64(script.byte())))
      hub.sweep()
    case 8: publish(Int(script.byte()) & 31, detects: script.byte())
    case 9: listening.listener?.room = Int(script.byte()) << 4
    case 10: listening.listener?.refuses = script.byte() & 1 == 0
    case 11, 12: listen(&script)
    case 13:
      channel.isWritable.toggle()
      channel.pipeline.fireChannelWritabilityChanged()
    case 14: channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    case 15:
      hasSentRaw = true
      send(script.raw(Int(script.byte()) & 63))
    case 16:
      send(
        "replay",
        "{\"id\":1,\"stream\":\(script.choose(Self.names)),\"from_sample\":\(Int(script.byte()) * 40),"
          + "\"to_sample\":\(Int(script.byte()) * 80)}")
    case 17:
      send("snapshot", "{\"id\":\"s\",\"stream\":\(script.choose(Self.names))}")
    case 18:
      send("inhibit", "{\"seconds\":\(Int(script.byte()) * 20)}")
      send("set", "{\"keyword\":\"alexa\",\"threshold\":0.\(script.byte())}")
    default: send("describe", "{}")
    }
    settle()
  }

  private func odd(_ script: inout Script) -> String {
    var members: [String] = []
    for _ in 0..<Int(script.byte()) & 7 {
      let name = script.choose(Self.fields)
      let value = script.byte() & 1 == 0 ? script.choose(Self.numbers) : script.choose(Self.names)
      let isList = script.byte() & 3 == 0
      members.append("\"\(name)\":" + (isList ? "[\(value)]" : value))
    }
    return "{" + members.joined(separator: ",") + "}"
  }

  private func chunk(_ script: inout Script) {
    let stamp = script.byte() & 1 == 0 ? ",\"timestamp\":\(script.byte())" : ""
    send(
      "audio-chunk", "{\(script.choose(Self.formats))\(stamp)}", payload: Int(script.byte()) << 4)
  }

  /// The daemon's own stream says something.
  private func publish(_ count: Int, detects: UInt8) {
    let publisher = hub.publishers[0]
    if frames == 0 { publisher.state(.running, reason: .ok, text: "", epoch: 0, sample: 0) }
    for _ in 0..<count {
      show(publisher, index: frames)
      frames += 1
    }
    if detects & 1 == 0, frames > 0 { detect(publisher, at: 160 * frames) }
    if detects & 6 == 0 { publisher.warn(.clipping) }
  }

  /// The client's listener says something.
  private func listen(_ script: inout Script) {
    guard let listener = listening.listener, !listener.isClosed, listener.epoch >= 0 else { return }
    let publisher = listener.publisher
    // A listener that finds no room waits for it.
    guard publisher.hasRoom else { return }
    switch script.byte() % 6 {
    case 0, 1:
      listener.position += 160
      if publisher.wantsFrames {
        show(publisher, index: listener.index)
      } else {
        publisher.hasHeard(listener.position)
      }
      listener.index += 1
    case 2: detect(publisher, at: max(1, listener.position))
    case 3: publisher.ended()
    case 4: publisher.noFrame()
    default: if listener.index > 0 { show(publisher, index: listener.index - 1, again: true) }
    }
    publisher.ringForRoom()
  }

  private func show(_ publisher: FramePublisher, index: Int, again: Bool = false) {
    publisher.attention(isRepeated: again) { record in
      record.index = index
      record.sample = 160 * (index + 1)
      record.span = min(index + 1, 4)
      for i in record.posteriors.indices { record.posteriors[i] = 0.25 }
      for i in record.focuses.indices {
        record.focuses[i] = Focus(expected: 0.1, spread: 0, peak: 0)
      }
      for i in record.weights.indices { record.weights[i] = 0.25 }
      for i in record.spectrum.indices { record.spectrum[i] = -1 }
    }
  }

  private func detect(_ publisher: FramePublisher, at sample: Int) {
    publisher.detection(
      keyword: sample / 160 & 1, score: 0.9, threshold: 0.5, sample: sample, startSample: 0,
      endSample: sample)
  }
}
