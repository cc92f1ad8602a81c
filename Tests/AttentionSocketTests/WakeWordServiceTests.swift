import AttentionSocket
import JSONText
import NIOCore
import NIOEmbedded
import Simulated
import Testing

private let format = "\"rate\":16000,\"width\":2,\"channels\":1"

extension EmbeddedSubscriber {
  fileprivate func start(_ fields: String = format) throws {
    try send("audio-start", "{\(fields)}")
  }

  fileprivate func chunk(
    _ bytes: Int, _ fields: String = format, timestamp: Int? = nil, fill: UInt8 = 0
  ) throws {
    let stamp = timestamp.map { ",\"timestamp\":\($0)" } ?? ""
    let data = "{\(fields)\(stamp)}"
    var event = ByteBuffer(
      string: "{\"type\":\"audio-chunk\",\"data_length\":\(data.utf8.count),"
        + "\"payload_length\":\(bytes)}\n\(data)")
    event.writeRepeatingByte(fill, count: bytes)
    try channel.writeInbound(event)
  }

  fileprivate func types() throws -> [String] { try wireEvents().map(\.type) }
}

/// What Wyoming clients send and expect, without sockets and with a listener that the test plays.
@Suite("The wake-word service")
struct WakeWordServiceTests {
  private let listening = ScriptedListening()
  private let daemon: EmbeddedDaemon

  init() { daemon = EmbeddedDaemon(listening: listening) }

  private func connect(as peer: Peer = .remote) throws -> EmbeddedSubscriber {
    let client = try daemon.connect(as: peer)
    _ = try client.wireEvents()
    return client
  }

  @Test("describes itself as Home Assistant wants it, and needs no listener for that")
  func info() throws {
    let client = try connect()
    try client.send(bytes: "{\"type\":\"describe\"}\n")
    let event = try #require(try client.wireEvents().first)
    #expect(event.type == "info")
    for empty in ["asr", "tts", "handle", "intent", "mic", "snd"] {
      #expect(event.fields[empty] == .array([]), "\(empty) is an empty list")
    }
    #expect(event.fields["satellite"] == nil)
    let wake = try Fields(event.fields).objects("wake")
    #expect(wake.count == 1)
    let program = try #require(wake.first)
    #expect(try program.string("name") == "attnd")
    #expect(try program.bool("installed"))
    #expect(try program.string("version") == "1.0.0")
    #expect(try program.object("attribution").string("name") == "attnd")
    _ = try program.object("attribution").string("url")
    let models = try program.objects("models")
    #expect(try models.map { try $0.string("name") } == ["alexa", "computer"])
    for model in models {
      #expect(try model.bool("installed"))
      #expect(try model.string("phrase") == model.string("name"))
      _ = try model.strings("languages")
      _ = try model.object("attribution").string("url")
    }
    #expect(listening.listeners.isEmpty)
  }

  @Test("is silent on TCP until it is spoken to, and refuses attnd's own events to other machines")
  func remote() throws {
    let client = try daemon.connect(as: .remote)
    #expect(try client.types() == [])
    for verb in ["hello", "subscribe", "status", "snapshot", "replay", "set", "inhibit"] {
      try client.send(verb, "{\"id\":7}")
      let error = try #require(try client.wireEvents().first)
      #expect(error.type == "error" && error.fields["code"] == .string("not-permitted"), "\(verb)")
      #expect(error.fields["fatal"] == .bool(false) && error.fields["id"] == .number("7"))
    }
    try client.send("ping", "{\"text\":\"a\"}")
    #expect(try client.types() == ["pong"])
  }

  @Test("gives the listener what is sent, chunk by chunk, and not-detected at the stop")
  func audio() throws {
    let client = try connect()
    try client.send("detect", "{\"names\":null}")
    try client.start()
    try client.chunk(64, fill: 1)
    try client.chunk(0)
    try client.chunk(10, fill: 2)
    try client.send("audio-stop")
    let listener = try #require(listening.listeners.first)
    #expect(
      listener.calls == [
        .begin(AudioFormat(rate: 16_000, width: 2, channels: 1), epoch: 0), .bytes(64), .bytes(10),
        .end,
      ])
    #expect(listener.audio == Array(repeating: 1, count: 64) + Array(repeating: 2, count: 10))
    daemon.drain()
    #expect(try client.types() == [], "not before everything was heard")
    listener.publisher.ended()
    daemon.drain()
    #expect(try client.types() == ["not-detected"])
    #expect(client.channel.isActive, "the connection is kept")
  }

  @Test(
    "tells of a detection by the name that was asked for, with the chunk's time and the context")
  func detection() throws {
    let client = try connect()
    try client.send("detect", "{\"names\":[\"Computer_v2\"],\"context\":{\"turn\":[7,null]}}")
    try client.start()
    for chunk in 0..<20 { try client.chunk(2_048, timestamp: 900 + 64 * chunk) }
    let listener = try #require(listening.listeners.first)
    listener.detect(0, at: 3_000)
    listener.detect(1, at: 4_097)
    daemon.drain()
    let events = try client.wireEvents()
    #expect(events.map(\.type) == ["detection"], "of the other keyword nothing is told")
    let fields = try #require(events.first?.fields)
    #expect(fields["name"] == .string("Computer_v2"))
    #expect(fields["timestamp"] == .number(String(900 + 64 * 4)))
    #expect(fields["stream"] == .string("self") && fields["seq"] == .number("1"))
    #expect(fields["context"]?.text == "{\"turn\":[7,null]}")
    // It was detected: the stop has nothing more to say.
    try client.send("audio-stop")
    listener.publisher.ended()
    daemon.drain()
    #expect(try client.types() == [])
  }

  @Test("gives the stream's time where the client sends none")
  func ownTime() throws {
    let client = try connect()
    try client.start()
    for _ in 0..<20 { try client.chunk(2_048) }
    listening.listeners[0].detect(at: 4_097)
    daemon.drain()
    #expect(try client.wireEvents().first?.fields["timestamp"] == .number("256"))
  }

  @Test("counts a chunk without a start, or in another format, as a start")
  func implicitStarts() throws {
    let client = try connect()
    try client.chunk(4)
    try client.chunk(4, "\"rate\":8000,\"width\":1,\"channels\":2")
    try client.send("audio-stop")
    try client.chunk(6, "\"rate\":8000,\"width\":1,\"channels\":2")
    let listener = try #require(listening.listeners.first)
    #expect(
      listener.calls == [
        .begin(AudioFormat(rate: 16_000, width: 2, channels: 1), epoch: 0), .bytes(4),
        .begin(AudioFormat(rate: 8_000, width: 1, channels: 2), epoch: 1), .bytes(4), .end,
        .begin(AudioFormat(rate: 8_000, width: 1, channels: 2), epoch: 2), .bytes(6),
      ])
    #expect(listening.listeners.count == 1, "one listener for the connection's life")
  }

  @Test("answers every stop: at once when there is nothing to hear")
  func stops() throws {
    let client = try connect()
    try client.send("audio-stop")
    try client.send("audio-stop")
    #expect(try client.types() == ["not-detected", "not-detected"])
    try client.chunk(4)
    try client.send("audio-stop")
    try client.send("audio-stop")
    #expect(try client.types() == [])
    listening.listeners[0].publisher.ended()
    daemon.drain()
    #expect(try client.types() == ["not-detected", "not-detected"])
  }

  @Test("takes a re-arming client at its word: no not-detected for what it left")
  func rearming() throws {
    let client = try connect()
    for _ in 0..<3 {
      try client.send("detect", "{}")
      try client.start()
      try client.chunk(64)
    }
    try client.send("audio-stop")
    listening.listeners[0].publisher.ended()
    daemon.drain()
    #expect(try client.types() == ["not-detected"])
  }

  @Test(
    "ends a connection whose audio can't be, in one sentence",
    arguments: [
      "{}", "{\"rate\":16000,\"width\":2}", "{\"rate\":0,\"width\":2,\"channels\":1}",
      "{\"rate\":192001,\"width\":2,\"channels\":1}", "{\"rate\":16000,\"width\":5,\"channels\":1}",
      "{\"rate\":16000,\"width\":2,\"channels\":17}",
      "{\"rate\":\"16000\",\"width\":2,\"channels\":1}",
      "{\"rate\":16000.5,\"width\":2,\"channels\":1}", "{\"rate\":1e99,\"width\":2,\"channels\":1}",
    ])
  func badAudio(json: String) throws {
    let client = try connect()
    try client.send("audio-start", json)
    let error = try #require(try client.wireEvents().first)
    #expect(error.fields["code"] == .string("bad-audio") && error.fields["fatal"] == .bool(true))
    #expect(listening.listeners.isEmpty)
  }

  @Test("ends a connection that sends half a sample")
  func halfSample() throws {
    let client = try connect()
    try client.start()
    try client.chunk(3)
    let error = try #require(try client.wireEvents().first)
    #expect(error.fields["code"] == .string("bad-audio"))
    #expect(listening.listeners[0].calls.last == .close)
  }

  @Test("tells of unknown names when none is known, and listens for nothing then")
  func unknownNames() throws {
    let client = try connect()
    try client.send("detect", "{\"names\":[\"xyzzy\",\"plugh\"]}")
    let error = try #require(try client.wireEvents().first)
    #expect(error.fields["code"] == .string("unknown-keyword"))
    #expect(error.fields["fatal"] == .bool(false))
    guard case .string(let text)? = error.fields["text"] else { throw FieldMissing() }
    #expect(text.contains("alexa, computer"), "the known ones are listed: \(text)")
    try client.chunk(20_000)
    listening.listeners[0].detect(at: 4_000)
    daemon.drain()
    #expect(try client.types() == [], "no default word")
    try client.send("detect", "{\"names\":[\"xyzzy\",\"computer\"]}")
    #expect(try client.types() == [], "unknown among known is skipped")
  }

  private struct FieldMissing: Error {}

  @Test("reads no further while the listener is full, and goes on when it has room")
  func backPressure() throws {
    let client = try connect()
    try client.start()
    let listener = listening.listeners[0]
    listener.room = 100
    try client.chunk(300)
    try client.chunk(60)
    try client.send("ping", "{\"text\":\"behind\"}")
    #expect(try client.types() == [], "what comes behind the audio waits")
    #expect(listener.audio.count == 100)
    listener.room = 210
    listener.publisher.ringForRoom()
    daemon.drain()
    #expect(listener.audio.count == 310)
    #expect(try client.types() == [])
    listener.room = 1_000
    listener.publisher.ringForRoom()
    daemon.drain()
    #expect(listener.audio.count == 360)
    #expect(try client.types() == ["pong"])
  }

  @Test("hears everything when the client closes its side, says what is due, then closes")
  func halfClose() throws {
    let client = try connect()
    try client.chunk(640)
    client.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    let listener = listening.listeners[0]
    #expect(listener.calls.last == .end)
    #expect(client.channel.isActive)
    listener.detect(at: 300)
    listener.publisher.ended()
    daemon.drain()
    #expect(try client.types() == ["detection"], "no not-detected: nobody asked by a stop")
    daemon.loop.run()
    #expect(listener.calls.last == .close)
  }

  @Test("lets go of the listener when the client goes at any byte")
  func abruptEnd() throws {
    let client = try connect()
    try client.start()
    try client.send(bytes: "{\"type\":\"audio-chunk\",\"payload_length\":100}\n123")
    try client.channel.close().wait()
    #expect(listening.listeners[0].calls.last == .close)
    #expect(daemon.hub.counters.statistics.connections == 0)
  }

  @Test("says so when the system has no thread for another listener, with a trace for the log")
  func noListener() throws {
    listening.fails = true
    let client = try connect()
    try client.start()
    let error = try #require(try client.wireEvents().first)
    #expect(error.fields["code"] == .string("internal") && error.fields["fatal"] == .bool(true))
    guard case .string(let text)? = error.fields["text"] else { throw FieldMissing() }
    #expect(text.contains("trace"))
  }

  @Test("keeps a client's own stream to itself, and counts its detections by itself")
  func ownStream() throws {
    let speaker = try connect(as: .trusted)
    let listener = try connect(as: .trusted)
    for client in [speaker, listener] {
      try client.subscribe(
        SubscriptionRequest(events: [.attention, .detection, .state], streams: ["*", "self"]))
      _ = try client.wireEvents()
    }
    try speaker.chunk(2_000)
    let voice = listening.listeners[0]
    voice.publisher.frame(0)
    voice.detect(at: 900)
    daemon.drain()
    #expect(
      try speaker.events().map(\.summary) == ["state running", "attention 0", "detection 1"])
    #expect(try listener.events().isEmpty)
  }

  @Test("asks for frames of a client's stream only once attnd's own events are used")
  func framesOnDemand() throws {
    let client = try connect(as: .trusted)
    try client.chunk(2_000)
    let publisher = listening.listeners[0].publisher
    #expect(!publisher.wantsFrames)
    try client.subscribe(SubscriptionRequest(events: [.attention], streams: ["self"]))
    #expect(publisher.wantsFrames)
  }

  @Test("tells attnd's clients of their stream: in hello, by name, with its state")
  func selfInHello() throws {
    let client = try daemon.connect()
    guard case .hello(let hello)? = try client.events().first else { throw FieldMissing() }
    #expect(hello.streams.map(\.description.name) == ["mic", "self"])
    #expect(hello.streams[1].description.kind == .client && hello.streams[1].state == .waiting)
    #expect(hello.features.contains("self"))
    let all = try client.subscribe(SubscriptionRequest())
    #expect(all.streams == ["mic"], "* is all of the daemon's")
    let own = try client.subscribe(SubscriptionRequest(streams: ["*", "self"]))
    #expect(own.streams == ["mic", "self"])
  }
}
