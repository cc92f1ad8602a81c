import AttentionSocket
import JSONText
import NIOCore
import NIOEmbedded
import Simulated
import Testing

/// `set`, `inhibit`, `status`, `snapshot` and `replay`, without sockets.
@Suite("A client that controls or looks back")
struct ControlTests {
  private let listening = ScriptedListening()
  private let daemon: EmbeddedDaemon

  init() { daemon = EmbeddedDaemon(listening: listening) }

  private func connect(as peer: Peer = .trusted) throws -> EmbeddedSubscriber {
    let client = try daemon.connect(as: peer)
    _ = try client.wireEvents()
    return client
  }

  private func answer(
    _ client: EmbeddedSubscriber, _ verb: String, _ json: String
  ) throws -> WireEvent {
    try client.send(verb, json)
    return try #require(try client.wireEvents().last)
  }

  @Test(
    "may not control without the right to", arguments: ["set", "inhibit", "reload"])
  func notPermitted(verb: String) throws {
    let reply = try answer(
      try connect(as: .stranger), verb, "{\"id\":1,\"keyword\":\"alexa\",\"threshold\":0.1}")
    #expect(reply.type == "error" && reply.fields["code"] == .string("not-permitted"))
    #expect(reply.fields["verb"] == .string(verb))
  }

  @Test("controls as root, as the daemon's own user, or as a member of its group")
  func credentials() {
    func may(_ user: UInt32, _ groups: [UInt32], own: UInt32 = 990, group: UInt32? = 29) -> Bool {
      Credentials(process: 1, user: user, groups: groups).mayControl(own: own, group: group)
    }
    #expect(may(0, [0]))
    #expect(may(990, [990]))
    #expect(may(1_000, [1_000, 29]))
    #expect(may(1_000, [29]))
    #expect(!may(1_000, [1_000]))
    #expect(!may(1_000, [1_000, 29], group: nil))
    #expect(!may(65_534, [29]), "users of another name space are nobody")
    #expect(!may(65_534, [65_534], own: 65_534))
  }

  @Test("changes the threshold of all streams, and gets the one before")
  func set() throws {
    let client = try connect()
    let first = try answer(client, "set", "{\"id\":1,\"keyword\":\"computer\",\"threshold\":0.75}")
    #expect(first.type == "set-reply" && first.fields["previous"]?.float == 0.5)
    let second = try answer(client, "set", "{\"keyword\":\"computer\",\"threshold\":0.25}")
    #expect(second.fields["previous"]?.float == 0.75 && second.fields["threshold"]?.float == 0.25)
    var thresholds: [Float] = []
    daemon.publisher().changedThresholds { thresholds.append($1) }
    #expect(thresholds == [0.5, 0.25])
    daemon.publisher().changedThresholds { _, _ in Issue.record("told once") }
    // Who comes later finds the new one.
    try client.send("audio-chunk", "{\"rate\":16000,\"width\":2,\"channels\":1}")
    guard case .hello(let hello)? = try daemon.connect().events().first else { return }
    #expect(hello.keywords.map(\.threshold) == [0.5, 0.25])
  }

  @Test("changes the threshold of one stream alone")
  func setOne() throws {
    let client = try connect()
    let reply = try answer(
      client, "set", "{\"keyword\":\"alexa\",\"threshold\":1,\"stream\":\"self\"}")
    #expect(reply.type == "set-reply")
    daemon.publisher().changedThresholds { _, _ in Issue.record("mic is left alone") }
  }

  @Test(
    "is told which field is wrong",
    arguments: [
      ("set", "{\"threshold\":0.5}", "missing-field", "keyword"),
      ("set", "{\"keyword\":\"alexa\"}", "missing-field", "threshold"),
      ("set", "{\"keyword\":\"alexa\",\"threshold\":1.1}", "bad-value", "threshold"),
      ("set", "{\"keyword\":\"alexa\",\"threshold\":\"1\"}", "bad-value", "threshold"),
      ("set", "{\"keyword\":\"xyzzy\",\"threshold\":1}", "unknown-keyword", "keyword"),
      (
        "set", "{\"keyword\":\"alexa\",\"threshold\":1,\"stream\":\"x\"}", "unknown-stream",
        "stream"
      ),
      ("inhibit", "{}", "missing-field", "seconds"),
      ("inhibit", "{\"seconds\":-1}", "bad-value", "seconds"),
      ("inhibit", "{\"seconds\":3601}", "bad-value", "seconds"),
      ("inhibit", "{\"seconds\":1,\"keywords\":[\"xyzzy\"]}", "unknown-keyword", "keywords"),
      ("snapshot", "{}", "missing-field", "stream"),
      ("snapshot", "{\"stream\":\"x\"}", "unknown-stream", "stream"),
      ("replay", "{\"stream\":\"mic\",\"from_sample\":0,\"to_sample\":1}", "missing-field", "id"),
      ("replay", "{\"id\":1,\"stream\":\"mic\",\"to_sample\":1}", "missing-field", "from_sample"),
      (
        "replay", "{\"id\":1,\"stream\":\"mic\",\"from_sample\":-1,\"to_sample\":1}", "bad-value",
        "from_sample"
      ),
      (
        "replay",
        "{\"id\":1,\"stream\":\"mic\",\"from_sample\":0,\"to_sample\":1,\"weights\":\"json\"}",
        "bad-value", "weights"
      ),
    ])
  func wrongFields(verb: String, json: String, code: String, field: String) throws {
    let reply = try answer(try connect(), verb, json)
    #expect(reply.type == "error" && reply.fields["code"] == .string(code))
    #expect(reply.fields["field"] == .string(field), "\(reply.fields)")
    #expect(reply.fields["fatal"] == .bool(false))
  }

  @Test("inhibits detections for so much stream time, and no longer")
  func inhibit() throws {
    let client = try connect()
    try client.subscribe(SubscriptionRequest(events: [.detection, .state]))
    let publisher = daemon.publisher()
    publisher.running()
    publisher.frame(0)
    daemon.drain()
    _ = try client.wireEvents()
    try client.send("inhibit", "{\"id\":1,\"seconds\":1,\"keywords\":[\"computer\"]}")
    let events = try client.wireEvents()
    #expect(events.map(\.type) == ["state", "inhibit-reply"])
    #expect(events[1].fields["until"]?.text == "{\"mic\":1.025}")
    #expect(events[0].fields["inhibited_until"]?.double == 1.025)
    #expect(events[0].fields["inhibited"]?.text == "[\"computer\"]")
    for index in [10, 99] {
      publisher.frame(index)
      publisher.detection(at: index)
    }
    publisher.detection(at: 99, keyword: 0)
    publisher.frame(100)
    publisher.detection(at: 100)
    daemon.drain()
    let after = try client.events()
    #expect(after.map(\.summary) == ["detection 1", "state running", "detection 2"])
    guard case .detection(let other) = after[0], case .state(let state) = after[1] else { return }
    #expect(other.name == "alexa", "keywords that weren't named go on")
    #expect(state.inhibitedUntil == nil && state.inhibited.isEmpty)
  }

  @Test("ends an inhibition by one of no seconds; what is left of one goes on in the next epoch")
  func endInhibition() throws {
    let client = try connect()
    try client.subscribe(SubscriptionRequest(events: [.detection]))
    _ = try client.wireEvents()
    let publisher = daemon.publisher()
    publisher.running()
    publisher.frame(100)
    daemon.drain()
    #expect(try answer(client, "inhibit", "{\"seconds\":10}").type == "inhibit-reply")
    publisher.frame(600)
    publisher.running(epoch: 1)
    publisher.detection(at: 400)
    daemon.drain()
    #expect(try client.events().isEmpty, "5 s are left, and 4 have gone")
    publisher.detection(at: 500)
    daemon.drain()
    #expect(try client.events().map(\.summary) == ["detection 1"])
    _ = try answer(client, "inhibit", "{\"seconds\":100}")
    #expect(try answer(client, "inhibit", "{\"seconds\":0}").type == "inhibit-reply")
    publisher.detection(at: 600)
    daemon.drain()
    #expect(try client.events().map(\.summary) == ["detection 2"])
  }

  @Test("learns what has become of the streams, and what the daemon costs")
  func status() throws {
    let client = try connect()
    let publisher = daemon.publisher()
    publisher.running()
    for index in 0..<5 { publisher.frame(index) }
    publisher.detection(at: 4)
    publisher.discontinuity(
      sample: 1_040, lostSamples: 320, isExact: true, reason: .overrun, isReset: false)
    for microseconds in 1...100 { publisher.stepTook(nanoseconds: UInt64(microseconds) * 1_000) }
    daemon.drain()
    try client.send("nonsense")
    let status = Fields(try answer(client, "status", "{\"id\":\"s\"}").fields)
    let stream = try #require(try status.objects("streams").first)
    #expect(try stream.string("name") == "mic" && stream.string("state") == "running")
    #expect(try stream.integer("index") == 4 && stream.integer("sample") == 1_040)
    #expect(try stream.integer("detections") == 1 && stream.integer("discontinuities") == 1)
    #expect(try stream.integer("lost_samples") == 320 && stream.float("level") == -27.5)
    #expect(try status.integer("connections") == 1 && status.integer("ignored") == 1)
    #expect(try status.integer("memory") > 1 << 20)
    let times = try status.object("step_us")
    #expect((49.2...50.8).contains(try times.number("p50")))
    #expect((97.4...100).contains(try times.number("p99")))
    #expect(try times.number("max") == 100)
    #expect(try status.string("run") == "9f3c1a7b20e4d581")
  }

  @Test("sees the next frame of a running stream with all its values; requests behind it wait")
  func snapshot() throws {
    let client = try connect()
    let publisher = daemon.publisher()
    publisher.running()
    daemon.drain()
    try client.send("snapshot", "{\"id\":1,\"stream\":\"mic\"}")
    try client.send("ping")
    #expect(try client.wireEvents().isEmpty)
    publisher.frame(7)
    publisher.frame(8)
    daemon.drain()
    daemon.loop.run()
    let events = try client.wireEvents()
    #expect(events.map(\.type) == ["snapshot-reply", "pong"])
    #expect(events[0].fields["index"] == .number("7") && events[0].fields["id"] == .number("1"))
    let blocks = try Fields(events[0].fields).objects("blocks")
    #expect(try blocks.map { try $0.string("name") } == ["weights", "spectrum"])
    #expect(events[0].payload.readableBytes == 4 * (2 * 3 + 4))
    #expect(!publisher.wantsWeights)
  }

  @Test("asks the listener for the newest frame of its own stream; there may be none")
  func ownSnapshot() throws {
    let client = try connect()
    let early = try answer(client, "snapshot", "{\"stream\":\"self\"}")
    #expect(early.fields["code"] == .string("not-available"))
    try client.send("audio-chunk", "{\"rate\":16000,\"width\":2,\"channels\":1}")
    let listener = try #require(listening.listeners.first)
    try client.send("snapshot", "{\"id\":2,\"stream\":\"self\"}")
    #expect(listener.calls.last == .show)
    listener.publisher.noFrame()
    daemon.drain()
    #expect(try client.wireEvents().last?.fields["code"] == .string("not-available"))
    daemon.loop.run()
    try client.send("snapshot", "{\"id\":3,\"stream\":\"self\"}")
    listener.publisher.attention(isRepeated: true) { record in
      record.index = 12
      record.sample = 2_320
      for i in record.posteriors.indices { record.posteriors[i] = 0 }
      for i in record.focuses.indices {
        record.focuses[i] = Focus(expected: 0, spread: 0, peak: 0)
      }
      for i in record.weights.indices { record.weights[i] = 0 }
      for i in record.spectrum.indices { record.spectrum[i] = 0 }
    }
    daemon.drain()
    let reply = try #require(try client.wireEvents().last)
    #expect(reply.type == "snapshot-reply" && reply.fields["index"] == .number("12"))
  }

  @Test("is told when the frame that a snapshot waits for doesn't come")
  func lateSnapshot() throws {
    let client = try connect()
    daemon.publisher().running()
    daemon.drain()
    try client.send("snapshot", "{\"id\":1,\"stream\":\"mic\"}")
    daemon.loop.advanceTime(by: .milliseconds(1_100))
    daemon.hub.sweep()
    daemon.loop.run()
    let error = try #require(try client.wireEvents().last)
    #expect(error.fields["code"] == .string("not-available") && error.fields["id"] == .number("1"))
    try client.send("ping")
    #expect(try client.wireEvents().map(\.type) == ["pong"])
  }

  @Test("gets retained frames again as they were, then the reply")
  func replay() throws {
    let client = try connect()
    try client.subscribe(SubscriptionRequest(events: [.attention]))
    let publisher = daemon.publisher()
    publisher.running()
    for index in 0..<50 { publisher.frame(index) }
    daemon.drain()
    let live = try client.wireEvents().filter { $0.type == "attention" }
    try client.send(
      "replay", "{\"id\":\"r\",\"stream\":\"mic\",\"from_sample\":2000,\"to_sample\":3600}")
    try client.send("ping")
    daemon.loop.run()
    let events = try client.wireEvents()
    let again = events.filter { $0.type == "attention" }
    #expect(
      events.map(\.type) == Array(repeating: "attention", count: 10) + ["replay-reply", "pong"])
    for (old, new) in zip(live[10..<20], again) {
      var fields = new.fields
      #expect(fields.removeValue(forKey: "replay") == .string("r"))
      #expect(fields == old.fields)
    }
    let reply = try #require(events.first { $0.type == "replay-reply" }?.fields)
    #expect(reply["frames"] == .number("10") && reply["complete"] == .bool(true))
    #expect(reply["from_sample"] == .number("2000") && reply["to_sample"] == .number("3441"))
  }

  @Test(
    "learns what of a span was there",
    arguments: [
      // Ten frames are kept, 10 to 19: samples 2000 to 3440.
      ("\"from_sample\":0,\"to_sample\":3000", 7, false),
      ("\"from_sample\":1900,\"to_sample\":3600", 10, true),
      ("\"from_sample\":1800,\"to_sample\":3600", 10, false),
      ("\"from_sample\":2000,\"to_sample\":3601", 10, false),
      ("\"from_sample\":2000,\"to_sample\":3600,\"every\":4", 2, true),
      ("\"from_sample\":2001,\"to_sample\":2160", 0, true),
      ("\"from_sample\":9000,\"to_sample\":9100", 0, false),
      ("\"from_sample\":2000,\"to_sample\":2100,\"epoch\":3", 0, false),
      ("\"from_sample\":3000,\"to_sample\":2000", 0, true),
    ])
  func spans(span: String, frames: Int, isComplete: Bool) throws {
    var limits = ServerLimits()
    limits.retainedFrames = 10
    let daemon = EmbeddedDaemon(limits: limits)
    let publisher = daemon.publisher()
    publisher.running()
    for index in 0..<20 { publisher.frame(index) }
    daemon.drain()
    let client = try daemon.connect()
    _ = try client.wireEvents()
    try client.send("replay", "{\"id\":1,\"stream\":\"mic\",\(span)}")
    let reply = try #require(try client.wireEvents().last)
    #expect(reply.type == "replay-reply")
    #expect(reply.fields["frames"] == .number(String(frames)), "\(span)")
    #expect(reply.fields["complete"] == .bool(isComplete), "\(span)")
    if frames == 0 {
      #expect(reply.fields["from_sample"] == .null && reply.fields["to_sample"] == .null)
    }
  }

  @Test("is replayed to without losing a live frame: those go first")
  func pacedReplay() throws {
    let client = try connect()
    try client.subscribe(SubscriptionRequest(events: [.attention]))
    let publisher = daemon.publisher()
    publisher.running()
    for index in 0..<1_000 {
      publisher.frame(index)
      if index % 100 == 99 { daemon.drain() }
    }
    _ = try client.wireEvents()
    client.read(false)
    try client.send(
      "replay", "{\"id\":1,\"stream\":\"mic\",\"from_sample\":0,\"to_sample\":200000}")
    for index in 1_000..<1_200 { publisher.frame(index) }
    daemon.drain()
    client.read(true)
    daemon.loop.run()
    let events = try client.wireEvents()
    let live = events.filter { $0.type == "attention" && $0.fields["replay"] == nil }
    #expect(live.map { $0.fields["index"]?.integer } == (1_000..<1_200).map { $0 })
    #expect(!events.contains { $0.type == "dropped" })
    let reply = try #require(events.first { $0.type == "replay-reply" })
    #expect(reply.fields["frames"] == .number("1200"))
  }
}
