import AttentionSocket
import Logging
import Synchronization
import TestSupport
import Testing

/// What a client hears from a peer that keeps to the protocol.
enum Said {
  static let hello =
    """
    {"protocol":1,"program":"attnd","version":"1.0.0","run":"9f3c1a7b20e4d581",\
    "model":{"name":"six-words","digest":"sha256:4c","score":"additive","heads":2},\
    "streams":[{"name":"mic","kind":"device","rate":16000,"hop":160,"window":8,"bins":4,"epoch":0,\
    "state":"running"}],"keywords":[{"name":"alexa","phrase":"alexa","threshold":0.5}],\
    "features":[],"permissions":{"control":true},"limits":{"payload":1048576}}
    """

  static func frame(_ index: Int, more: String = "") -> String {
    """
    {"stream":"mic","epoch":0,"index":\(index),"sample":\(400 + 160 * index),"time":0.5,\
    "captured":null,"posteriors":{"alexa":0.25},"focus":{"expected":0,"spread":0,"peak":0},\
    "level":-27.5,"span":2\(more)}
    """
  }

  static let subscribed =
    "{\"id\":1,\"events\":[\"detection\"],\"streams\":[\"mic\"],\"every\":1,\"weights\":\"none\","
    + "\"spectrum\":\"none\",\"replayed\":0,\"missed\":0}"

  static let warning = "{\"code\":\"late\",\"text\":\"late\",\"count\":3}"
}

@Suite("A client", .timeLimit(.minutes(2)))
struct ClientTests {
  /// A conversation with a peer that greets and then does what the script says.
  private func talk<Result: Sendable>(
    _ script: @escaping ScriptedPeer.Script,
    _ body: @escaping @Sendable (AttentionClient) async throws -> Result
  ) async throws -> Result {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      connection.send("hello", Said.hello)
      script(connection)
      connection.waitForEnd()
    }
    defer { withExtendedLifetime(peer) {} }
    return try await AttentionClient.withConnection(to: folder("s"), body)
  }

  @Test("keeps what comes between a request and its reply, in order")
  func order() async throws {
    let found = try await talk({ connection in
      connection.send("attention", Said.frame(0))
      _ = connection.receive()
      connection.send("attention", Said.frame(1))
      connection.send("novelty", "{\"x\":1}", payload: [1, 2, 3])
      connection.send("subscribe-reply", Said.subscribed)
      connection.send("attention", Said.frame(2))
      _ = connection.receive()
      connection.send("attention", Said.frame(3))
      connection.send("pong", "{\"id\":2}")
      connection.send("attention", Said.frame(4))
    }) { client in
      try await client.subscribe(SubscriptionRequest())
      try await client.ping()
      var found: [String] = []
      while found.count < 6, let event = try await client.next() { found.append(event.summary) }
      return found
    }
    #expect(
      found
        == [
          "attention 0", "attention 1", "other novelty", "attention 2", "attention 3",
          "attention 4",
        ])
  }

  @Test("tells the frames of a replay from those that come meanwhile")
  func replay() async throws {
    let (reply, live) = try await talk({ connection in
      let request = connection.receive()
      #expect(
        request?.json
          == "{\"id\":1,\"stream\":\"mic\",\"from_sample\":560,\"to_sample\":1200,\"epoch\":3,\"every\":2}"
      )
      connection.send("attention", Said.frame(2, more: ",\"replay\":1"))
      connection.send("attention", Said.frame(900))
      connection.send("attention", Said.frame(4, more: ",\"replay\":1"))
      connection.send("attention", Said.frame(6, more: ",\"replay\":\"1\""))
      connection.send(
        "replay-reply",
        "{\"id\":1,\"frames\":2,\"from_sample\":720,\"to_sample\":1040,\"complete\":false}")
      _ = connection.receive()
      connection.send(
        "replay-reply",
        "{\"id\":2,\"frames\":0,\"from_sample\":null,\"to_sample\":null,\"complete\":false}")
    }) { client in
      let reply = try await client.replay(
        stream: "mic", fromSample: 560, toSample: 1_200, epoch: 3, every: 2)
      let none = try await client.replay(stream: "mic", fromSample: 0, toSample: 0)
      #expect(none.frames.isEmpty && none.fromSample == nil && none.toSample == nil)
      var live: [String] = []
      while live.count < 2, let event = try await client.next() { live.append(event.summary) }
      return (reply, live)
    }
    #expect(reply.frames.map(\.index) == [2, 4])
    #expect(reply.fromSample == 720 && reply.toSample == 1_040 && !reply.isComplete)
    #expect(live == ["attention 900", "attention 6"])
  }

  @Test("sends every request as the protocol has it, and reads every reply")
  func requests() async throws {
    try await talk({ connection in
      func answer(_ type: String, _ json: String, with reply: String, _ fields: String) {
        guard let request = connection.receive() else { return }
        #expect(request.type == type && request.json == json)
        connection.send(reply, fields)
      }
      answer("unsubscribe", "{\"id\":1}", with: "unsubscribe-reply", "{\"id\":1}")
      answer(
        "set", "{\"id\":2,\"keyword\":\"alexa\",\"threshold\":0.75}", with: "set-reply",
        "{\"id\":2,\"keyword\":\"alexa\",\"threshold\":0.75,\"previous\":0.5}")
      answer(
        "inhibit", "{\"id\":3,\"seconds\":2.5,\"stream\":\"mic\",\"keywords\":[\"alexa\"]}",
        with: "inhibit-reply", "{\"id\":3,\"until\":{\"mic\":12.5}}")
      answer(
        "reload", "{\"id\":4,\"what\":\"model\"}", with: "reload-reply",
        "{\"id\":4,\"changed\":true,\"model\":{\"name\":\"m\",\"digest\":\"d\",\"score\":\"dot\","
          + "\"heads\":1}}")
      answer(
        "snapshot", "{\"id\":5,\"stream\":\"mic\"}", with: "snapshot-reply",
        Said.frame(
          7, more: ",\"id\":5,\"weights\":[[0.25,0.75]],\"spectrum\":[1,2,3,4]"))
    }) { client in
      try await client.unsubscribe()
      let threshold = try await client.set(keyword: "alexa", threshold: 0.75)
      #expect(threshold.keyword == "alexa")
      #expect(threshold.threshold == 0.75 && threshold.previous == 0.5)
      #expect(
        try await client.inhibit(seconds: 2.5, stream: "mic", keywords: ["alexa"])
          == ["mic": 12.5])
      let reload = try await client.reload(.model)
      #expect(reload.hasChanged && reload.model.score == "dot")
      let frame = try await client.snapshot(stream: "mic")
      #expect(
        frame.index == 7 && frame.weights == [[0.25, 0.75]] && frame.spectrum == [1, 2, 3, 4])
    }
  }

  @Test("cuts audio into events that the daemon takes, with the time of each")
  func audioChunks() async throws {
    try await talk({ connection in
      #expect(
        connection.receive()?.json
          == "{\"rate\":48000,\"width\":3,\"channels\":2,\"timestamp\":1000}")
      // 1 MiB holds 174,762 sample frames of six bytes.
      let format = "\"rate\":48000,\"width\":3,\"channels\":2"
      for (payload, timestamp) in [(1_048_572, 1_000), (1_048_572, 4_640), (6, 8_281)] {
        let chunk = connection.receive()
        #expect(chunk?.type == "audio-chunk" && chunk?.payload == payload)
        #expect(chunk?.json == "{\(format),\"timestamp\":\(timestamp)}")
      }
      #expect(connection.receive()?.type == "audio-stop")
      connection.send("not-detected")
    }) { client in
      let audio = try await client.startAudio(
        AudioFormat(rate: 48_000, width: 3, channels: 2), timestamp: 1_000)
      try await audio.send([UInt8](repeating: 0, count: 2 * 1_048_572 + 6), timestamp: 1_000)
      try await audio.send([])
      try await audio.stop()
      #expect(try await client.next() == .other(type: "not-detected"))
    }
  }
}

/// Hears nothing: detects the second keyword in every second chunk.
private final class EagerListener: AudioListener {
  private let publisher: FramePublisher
  private var chunks = 0

  init(_ publisher: FramePublisher) { self.publisher = publisher }

  func begin(_ format: AudioFormat, epoch: Int) -> Bool {
    publisher.state(.running, reason: .ok, text: "listening", epoch: epoch, sample: 0)
    return true
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    chunks += 1
    if chunks % 2 == 0 { publisher.detection(at: 10) }
    return bytes.count
  }

  func end() -> Bool {
    publisher.ended()
    return true
  }

  func show() { publisher.noFrame() }
  func publicationsRead() {}
  func close() {}
}

private struct EagerListening: AudioListening {
  func makeListener(publisher: FramePublisher) throws -> any AudioListener {
    EagerListener(publisher)
  }
}

@Suite("A client of a real server", .timeLimit(.minutes(2)))
struct ClientOfServerTests {
  /// A client of a daemon with a stream, which hears what clients send.
  private func serve(
    _ body: (AttentionClient, FramePublisher) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder()
    var limits = ServerLimits()
    // Who publishes may have to wait for a thread.
    limits.answerTime = .seconds(60)
    let server = AttentionServer(
      AttentionServer.Description(
        program: "attnd", version: "1.0.0", model: Example.model, keywords: Example.keywords,
        attentionHeads: .perKeyword, streams: [Example.stream],
        clientStream: Example.clientStream), listening: EagerListening(), limits: limits,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    try await server.listen(at: folder("s"))
    let publisher = server.publisher(forStream: 0)
    publisher.running()
    do {
      try await AttentionClient.withConnection(to: folder("s")) { client in
        try await body(client, publisher)
      }
    } catch {
      await server.shutdown(reason: .error, text: "")
      throw error
    }
    await server.shutdown(reason: .shutdown, text: "")
  }

  @Test("learns what it can listen for, and who is there")
  func describes() async throws {
    try await serve { client, _ in
      let programs = try await client.describe()
      #expect(programs.map(\.name) == ["attnd"])
      #expect(programs.first?.models.map(\.name) == ["alexa", "computer"])
      #expect(programs.first?.models.allSatisfy { $0.isInstalled && $0.phrase == $0.name } == true)
      let status = try await client.status()
      #expect(status.run == client.hello.run && status.model == Example.model)
      #expect(status.streams.map(\.name).first == "mic" && status.connections == 1)
      #expect(status.memory > 0 && status.uptime >= 0)
    }
  }

  @Test("hears of the keywords that it chose, in the audio that it sends")
  func audio() async throws {
    try await serve { client, _ in
      await #expect(throws: SocketError.self) { try await client.detect(["hey nobody"]) }
      try await client.detect(["Computer"])
      let audio = try await client.startAudio(AudioFormat(rate: 16_000, width: 2, channels: 1))
      for chunk in 0..<4 {
        try await audio.send([UInt8](repeating: 0, count: 6_400), timestamp: 200 * chunk)
      }
      try await audio.stop()
      _ = try await client.startAudio(audio.format)
      try await audio.stop()
      var found: [String] = []
      while found.count < 3, let event = try await client.next() {
        if case .detection(let detection) = event {
          #expect(detection.stream == "self" && detection.name == "Computer")
        }
        found.append(event.summary)
      }
      #expect(found == ["detection 1", "detection 2", "other not-detected"])
    }
  }

  @Test("looks back, and looks at what is now")
  func looks() async throws {
    try await serve { client, publisher in
      try await client.subscribe(SubscriptionRequest(events: [.attention]))
      for index in 0..<20 { publisher.frame(index) }
      var last: Event?
      while last?.frameIndex != 19 { last = try await client.next() }
      let past = try await client.replay(
        stream: "mic", fromSample: 400 + 160 * 5, toSample: 400 + 160 * 15, every: 5)
      #expect(past.frames.map(\.index) == [5, 10] && past.isComplete)
      try await client.unsubscribe()
      // It shows the next frame, so some have to come.
      let hasAnswer = Atomic(false)
      async let frames: Void = {
        for index in 20... {
          if hasAnswer.load(ordering: .relaxed) { break }
          publisher.frame(index)
          await Task.yield()
        }
      }()
      defer { hasAnswer.store(true, ordering: .relaxed) }
      let frame = try await client.snapshot(stream: "mic")
      #expect(frame.spectrum.count == Example.stream.bins)
      hasAnswer.store(true, ordering: .relaxed)
      await frames
    }
  }

  @Test("controls the daemon where it may")
  func controls() async throws {
    try await serve { client, publisher in
      #expect(client.hello.mayControl)
      let threshold = try await client.set(keyword: "computer", threshold: 0.25)
      #expect(threshold.threshold == 0.25 && threshold.previous == 0.5)
      let until = try await client.inhibit(seconds: 5, keywords: ["computer"])
      #expect(until.keys.sorted() == ["mic"])
      try await client.subscribe(SubscriptionRequest(events: [.detection]))
      publisher.detection(at: 10)
      publisher.detection(at: 11, keyword: 0)
      while let event = try await client.next() {
        guard case .detection(let detection) = event else { continue }
        #expect(detection.name == "alexa", "the other one is suppressed")
        break
      }
    }
  }
}
