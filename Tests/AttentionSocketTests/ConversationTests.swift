import AttentionSocket
import JSONText
import NIOCore
import NIOEmbedded
import Simulated
import Testing

/// Requests and events of one connection, without sockets and with a clock that stands still.
@Suite struct ConversationTests {
  @Test("The server speaks first and tells what a client must know") func hello() throws {
    let daemon = EmbeddedDaemon()
    daemon.publisher().running(epoch: 2)
    daemon.drain()
    let events = try daemon.connect().events()
    guard case .hello(let hello)? = events.first, events.count == 1 else {
      throw UnexpectedEvent(event: events[0])
    }
    var expected = Example.identity()
    expected.streams[0].epoch = 2
    expected.streams[0].state = .running
    expected.mayControl = true
    #expect(hello == expected)
    #expect(hello.features == ["weights", "spectrum", "replay", "snapshot", "control"])
    #expect(hello.limits["queue_events"] == 256 && hello.limits["history"] == 1_024)
  }

  @Test("A hello is answered with a hello, as often as it comes") func helloAgain() throws {
    let client = try EmbeddedDaemon().connect()
    _ = try client.wireEvents()
    try client.send("hello", "{\"client\":\"test\",\"id\":\"a b\"}")
    try client.send("hello")
    let events = try client.wireEvents()
    #expect(events.map(\.type) == ["hello", "hello"])
    #expect(events[0].fields["id"] == .string("a b"))
    #expect(events[1].fields["id"] == nil)
  }

  @Test("A subscription without fields is all but attention, of all streams")
  func defaults() throws {
    let reply = try EmbeddedDaemon().connect().subscribe(SubscriptionRequest())
    #expect(reply.events == [.detection, .state, .discontinuity, .warning])
    #expect(reply.streams == ["mic"] && reply.every == 1)
    #expect(reply.weights == .none && reply.spectrum == .none)
    #expect(reply.replayed == 0 && reply.missed == 0)
  }

  @Test(
    "A request with a wrong field has no effect and names the field",
    arguments: [
      ("{\"id\":1,\"every\":0}", "bad-value", "every"),
      ("{\"id\":1,\"every\":100001}", "bad-value", "every"),
      ("{\"id\":1,\"every\":\"2\"}", "bad-value", "every"),
      ("{\"id\":1,\"every\":1.5}", "bad-value", "every"),
      ("{\"id\":1,\"events\":[\"everything\"]}", "bad-value", "events"),
      ("{\"id\":1,\"events\":\"state\"}", "bad-value", "events"),
      ("{\"id\":1,\"weights\":\"float64\"}", "bad-value", "weights"),
      ("{\"id\":1,\"spectrum\":1}", "bad-value", "spectrum"),
      ("{\"id\":1,\"streams\":[\"self\"]}", "unknown-stream", "streams"),
      ("{\"id\":1,\"since\":{\"seq\":1}}", "missing-field", "since.run"),
      ("{\"id\":1,\"since\":{\"run\":\"x\",\"seq\":-1}}", "bad-value", "since.seq"),
    ])
  func refusals(json: String, code: String, field: String) throws {
    let client = try EmbeddedDaemon().connect()
    _ = try client.wireEvents()
    try client.send("subscribe", json)
    let events = try client.wireEvents()
    let error = try #require(events.first?.fields)
    #expect(events.count == 1 && events[0].type == "error")
    #expect(error["code"] == .string(code) && error["field"] == .string(field))
    #expect(error["id"] == .number("1") && error["verb"] == .string("subscribe"))
    #expect(error["fatal"] == .bool(false))
  }

  @Test("A pong has the text of its ping: a string, null or none")
  func pong() throws {
    let client = try EmbeddedDaemon().connect()
    _ = try client.wireEvents()
    for json in ["{\"text\":\"a\"}", "{\"text\":null}", "{\"id\":1}"] {
      try client.send("ping", json)
    }
    let fields = try client.wireEvents().map(\.fields)
    #expect(fields == [["text": .string("a")], ["text": .null], ["id": .number("1")]])
  }

  @Test(
    "An id is a small integer or a short string",
    arguments: [
      "-1", "9007199254740992", "1.5", "true", "\"\"", "\"\(String(repeating: "x", count: 65))\"",
    ])
  func badID(_ id: String) throws {
    let client = try EmbeddedDaemon().connect()
    _ = try client.wireEvents()
    try client.send("ping", "{\"id\":\(id)}")
    let error = try #require(try client.wireEvents().first?.fields)
    #expect(error["code"] == .string("bad-value") && error["field"] == .string("id"))
    #expect(error["id"] == nil)
  }

  @Test("Unknown events are counted and skipped; with an id they are answered")
  func unknown() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    _ = try client.wireEvents()
    try client.send(bytes: "{\"type\":\"run-satellite\",\"payload_length\":3}\n\n\n\n")
    try client.send("x-future", "{\"id\":11}")
    try client.send("ping", "{\"text\":\"here\"}")
    try client.send("ping", "{\"text\":null}")
    #expect(try client.events().map(\.summary) == ["error unknown-type", "pong here", "pong -"])
    #expect(daemon.hub.counters.statistics.ignored == 2)
  }

  @Test("After the reply come the states, then the replay, then what is new") func order() throws {
    let daemon = EmbeddedDaemon()
    let publisher = daemon.publisher()
    publisher.running()
    for index in 0..<3 { publisher.detection(at: index) }
    daemon.drain()
    let client = try daemon.connect()
    _ = try client.wireEvents()
    let run = Example.identity().run
    try client.channel.writeInbound(
      SubscriptionRequest(
        events: [.attention, .detection, .state, .discontinuity],
        since: DetectionNumber(run: run, seq: 1)
      ).encoded(id: nil))
    publisher.discontinuity(
      sample: 500, lostSamples: 100, isExact: true, reason: .overrun, isReset: false)
    publisher.frame(3)
    publisher.detection(at: 3)
    publisher.state(.stopped, reason: .endOfFile, text: "end of file", epoch: 0, sample: 1_000)
    daemon.drain()
    #expect(
      try client.events().map(\.summary) == [
        "subscribe-reply", "state running", "detection 2 replayed", "detection 3 replayed",
        "discontinuity 500", "attention 3", "detection 4", "state stopped",
      ])
  }

  @Test("Replay gives what the history has, and says what it has not", arguments: [0, 1, 5, 9, 99])
  func history(seen: Int) throws {
    var limits = ServerLimits()
    limits.history = 4
    let daemon = EmbeddedDaemon(limits: limits)
    for index in 0..<8 { daemon.publisher().detection(at: index) }
    daemon.drain()
    for run in [Example.identity().run, "0000000000000000"] {
      let client = try daemon.connect()
      _ = try client.wireEvents()
      try client.channel.writeInbound(
        SubscriptionRequest(events: [.detection], since: DetectionNumber(run: run, seq: seen))
          .encoded(id: nil))
      let after = run == Example.identity().run ? seen : 0
      let events = try client.events()
      guard case .subscribed(let reply)? = events.first else {
        throw UnexpectedEvent(event: events[0])
      }
      let shown = (5...8).filter { $0 > after }
      #expect(reply.replayed == shown.count)
      #expect(reply.missed == max(0, 4 - after))
      #expect(events.dropFirst(2).map(\.summary) == shown.map { "detection \($0) replayed" })
    }
  }

  @Test("Every n-th frame is the one whose index is a multiple", arguments: [1, 2, 7, 10])
  func every(n: Int) throws {
    let daemon = EmbeddedDaemon()
    let clients = try [daemon.connect(), daemon.connect()]
    try clients[0].subscribe(SubscriptionRequest(events: [.attention], every: n))
    for index in 0..<15 { daemon.publisher().frame(index) }
    daemon.drain()
    // One that comes later sees the same ones.
    try clients[1].subscribe(SubscriptionRequest(events: [.attention], every: n))
    for index in 15..<50 { daemon.publisher().frame(index) }
    daemon.drain()
    let frames = try clients.map { try $0.events().compactMap(\.frameIndex) }
    #expect(frames[0] == (0..<50).filter { $0 % n == 0 })
    #expect(frames[1] == frames[0].filter { $0 >= 15 })
  }

  @Test("A frame says what the publisher wrote") func frameFields() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.attention]))
    daemon.publisher().running(epoch: 4)
    daemon.publisher().frame(1_199)
    daemon.drain()
    let event = try #require(try client.wireEvents().last)
    #expect(event.fields["captured"] == .null)
    guard case .attention(let frame) = try Event(event) else {
      throw UnexpectedEvent(event: .unsubscribed)
    }
    #expect(frame.stream == "mic" && frame.epoch == 4 && frame.index == 1_199)
    #expect(frame.sample == 192_240 && frame.time == 12.015)
    #expect(frame.level == -27.5 && frame.span == 3)
    #expect(frame.posteriors == ["alexa": Float(35) / 131, "computer": Float(36) / 131])
    // The keyword with the highest posterior has the say.
    #expect(frame.focus == frame.focuses["computer"])
    #expect(frame.focuses["alexa"] == Focus(expected: 0, spread: 0.05, peak: 0.2))
    #expect(frame.weights.isEmpty && frame.spectrum.isEmpty)
  }

  @Test("With shared heads there is one focus") func sharedHeads() throws {
    let daemon = EmbeddedDaemon(heads: .shared)
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.attention]))
    daemon.publisher().frame(0)
    daemon.drain()
    guard case .attention(let frame)? = try client.events().first else {
      Issue.record("no frame")
      return
    }
    #expect(frame.focuses.isEmpty)
    #expect(frame.focus == Focus(expected: 0, spread: 0.05, peak: 0.2))
  }

  @Test("Weights and spectrum are the same numbers in JSON and in float32") func forms() throws {
    let daemon = EmbeddedDaemon()
    let publisher = daemon.publisher()
    #expect(!publisher.wantsWeights && !publisher.wantsSpectrum)
    let clients = try [BulkForm.json, .float32, .none].map { form in
      let client = try daemon.connect()
      try client.subscribe(
        SubscriptionRequest(events: [.attention], weights: form, spectrum: form))
      return client
    }
    #expect(publisher.wantsWeights && publisher.wantsSpectrum)
    for index in 0..<9 { publisher.frame(index, span: min(index + 1, 8)) }
    daemon.drain()
    let frames = try clients.map { client in
      try client.events().compactMap { event in
        if case .attention(let frame) = event { frame } else { nil }
      }
    }
    #expect(frames[0] == frames[1])
    #expect(
      frames[0].map { $0.weights.map(\.count) } == (0..<9).map { [min($0 + 1, 8), min($0 + 1, 8)] })
    #expect(frames[0][4].weights[1] == (0..<5).map { Float($0 + 2) / 11 })
    #expect(frames[0][0].spectrum == (0..<4).map { Float($0) * 0.3 - 1.1 })
    #expect(frames[2].allSatisfy { $0.weights.isEmpty && $0.spectrum.isEmpty })
    try clients[0].send("unsubscribe")
    _ = try clients[1].channel.finish(acceptAlreadyClosed: true)
    #expect(!publisher.wantsWeights && !publisher.wantsSpectrum)
  }

  @Test("Weights too large for a client's limits are refused") func tooLarge() throws {
    var stream = Example.stream
    stream.window = 50_000
    let client = try EmbeddedDaemon(streams: [stream]).connect()
    _ = try client.wireEvents()
    try client.send("subscribe", "{\"weights\":\"json\"}")
    try client.send("subscribe", "{\"weights\":\"float32\"}")
    #expect(
      try client.events().map(\.summary) == [
        "error not-available", "subscribe-reply", "state starting",
      ])
  }

  @Test("A new subscription replaces the old one whole, and unsubscribe ends it")
  func replaced() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.attention]))
    daemon.publisher().frame(0)
    daemon.drain()
    try client.channel.writeInbound(SubscriptionRequest(events: [.detection]).encoded(id: nil))
    daemon.publisher().frame(1)
    daemon.publisher().detection(at: 1)
    daemon.drain()
    try client.send("unsubscribe")
    daemon.publisher().detection(at: 2)
    daemon.drain()
    #expect(
      try client.events().map(\.summary) == [
        "attention 0", "subscribe-reply", "state starting", "detection 1", "unsubscribe-reply",
      ])
  }

  @Test("Warnings of a code come at most once in ten seconds, with their number")
  func warnings() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest())
    for lag in [0.1, 0.4, 0.2] { daemon.publisher().warn(.late, lag: lag) }
    daemon.drain()
    for _ in 0..<5 { daemon.publisher().warn(.late, lag: 0.05) }
    daemon.publisher().warn(.clipping)
    daemon.drain()
    let first = try client.events()
    #expect(first.map(\.summary) == ["warning late 3", "warning clipping 1"])
    if case .warning(let warning)? = first.first { #expect(warning.lag == 0.4) }
    daemon.loop.advanceTime(by: .seconds(9))
    daemon.hub.sweep()
    #expect(try client.events().isEmpty)
    daemon.loop.advanceTime(by: .seconds(1))
    daemon.hub.sweep()
    #expect(try client.events().map(\.summary) == ["warning late 5"])
  }

  @Test("Framing errors get one error, and nothing after it") func fatal() throws {
    let client = try EmbeddedDaemon().connect()
    _ = try client.wireEvents()
    try client.send(bytes: "{\"type\":\"ping\",\"data\":{\"text\":\"1\"}}\nGET / HTTP/1.1\r\n")
    _ = try? client.send("ping")
    #expect(try client.events().map(\.summary) == ["pong 1", "error bad-header"])
  }

  @Test("An event that isn't complete in ten seconds ends the connection") func timeout() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    _ = try client.wireEvents()
    try client.send(bytes: "{\"type\":\"ping\"}\n{\"type\":")
    daemon.loop.advanceTime(by: .seconds(9))
    try client.send(bytes: "\"pi")
    daemon.hub.sweep()
    #expect(try client.events().map(\.summary) == ["pong -"])
    daemon.loop.advanceTime(by: .seconds(1))
    daemon.hub.sweep()
    #expect(try client.events().map(\.summary) == ["error timeout"])
  }

  @Test("One connection too many is told so, and there is room again afterwards")
  func busy() throws {
    var limits = ServerLimits()
    limits.connections = 2
    let daemon = EmbeddedDaemon(limits: limits)
    let clients = try (0..<3).map { _ in try daemon.connect() }
    let first = try clients.map { try $0.events().map(\.summary) }
    #expect(first == [["hello"], ["hello"], ["error busy"]])
    _ = try clients[0].channel.finish(acceptAlreadyClosed: true)
    #expect(try daemon.connect().events().map(\.summary) == ["hello"])
  }
}
