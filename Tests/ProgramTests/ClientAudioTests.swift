import AttentionSocket
import Glibc
import JSONText
import NIOCore
import TestSupport
import Testing

/// What a Wyoming client sends, as bytes.
private struct Conversation {
  private(set) var bytes: [UInt8] = []

  mutating func send(_ type: String, _ json: String = "", payload: [UInt8] = []) {
    var header = "{\"type\":\"\(type)\""
    if !json.isEmpty { header += ",\"data_length\":\(json.utf8.count)" }
    if !payload.isEmpty { header += ",\"payload_length\":\(payload.count)" }
    bytes += Array((header + "}\n" + json).utf8) + payload
  }

  /// A clip in chunks of so many sample frames.
  mutating func send(
    _ pcm: [UInt8], rate: Int = 16_000, width: Int = 2, channels: Int = 1, framesEach: Int
  ) {
    let format = "\"rate\":\(rate),\"width\":\(width),\"channels\":\(channels)"
    let size = framesEach * width * channels
    send("audio-start", "{\(format)}")
    for start in stride(from: 0, to: pcm.count, by: size) {
      let milliseconds = 1_000 * (start / (width * channels)) / rate
      send(
        "audio-chunk", "{\(format),\"timestamp\":\(milliseconds)}",
        payload: Array(pcm[start..<min(start + size, pcm.count)]))
    }
    send("audio-stop")
  }
}

/// The events that a peer wrote.
private func events(_ text: String) throws -> [WireEvent] {
  var decoder = EventDecoder(limits: .fromServer)
  decoder.feed(ByteBuffer(string: text))
  var events: [WireEvent] = []
  while let event = try decoder.next() { events.append(event) }
  return events
}

private struct SpokenWord: Equatable {
  var name: String
  var start: Double
  var end: Double
  var time: Double

  init?(_ event: WireEvent) throws {
    guard event.type == "detection" else { return nil }
    let fields = Fields(event.fields)
    name = try fields.string("name")
    start = try fields.number("start")
    end = try fields.number("end")
    time = try fields.number("time")
  }

  init?(_ line: ResultLine) {
    guard let keyword = line.keyword, let start = line.start, let end = line.end else { return nil }
    (name, self.start, self.end, time) = (keyword, start, end, line.time)
  }
}

/// 16-bit samples, each made anew of its two bytes.
private func remade(_ pcm: [UInt8], _ sample: (UInt8, UInt8) -> [UInt8]) -> [UInt8] {
  stride(from: 0, to: pcm.count, by: 2).flatMap { sample(pcm[$0], pcm[$0 + 1]) }
}

/// A fixture as 16-bit PCM.
private func pcm(_ file: String) throws -> [UInt8] {
  try samples(ofFixture: file).flatMap { sample -> [UInt8] in
    let integer = Int16(max(-32_768, min(32_767, (sample * 32_768).rounded())))
    let value = UInt16(bitPattern: integer)
    return [UInt8(value & 0xFF), UInt8(value >> 8)]
  }
}

@Suite("What clients send to the daemon", .timeLimit(.minutes(3)))
struct ClientAudioTests {
  private func serve(_ conversation: Conversation) async throws -> (
    events: [WireEvent], outcome: ChildProcess.Outcome
  ) {
    let daemon = try ChildProcess(
      attnd, ["run", "--socket", "stdio://", "--log-level", "notice"], hasInput: true)
    daemon.write(conversation.bytes)
    daemon.closeInput()
    let outcome = await daemon.wait()
    return (try events(outcome.output), outcome)
  }

  @Test(
    "is heard over standard streams as batch hears the file, however it is cut",
    arguments: [1, 160, 1_024, 500_000])
  func standardStreams(framesEach: Int) async throws {
    let batch = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    var conversation = Conversation()
    conversation.send("describe")
    conversation.send("detect", "{\"names\":null}")
    conversation.send(try pcm("keywords.flac"), framesEach: framesEach)
    let (events, outcome) = try await serve(conversation)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty, "no microphone is opened, nothing is complained of")
    #expect(events.first?.type == "info", "silent until spoken to")
    let heard = try events.compactMap(SpokenWord.init)
    #expect(heard == batch.compactMap(SpokenWord.init) && !heard.isEmpty)
    for event in events where event.type == "detection" {
      let sample = try Fields(event.fields).integer("sample")
      let chunk = (sample - 1) / framesEach * framesEach
      #expect(try Fields(event.fields).integer("timestamp") == 1_000 * chunk / 16_000)
    }
    #expect(!events.contains { $0.type == "not-detected" })
  }

  @Test("is heard in any format, each epoch anew")
  func formats() async throws {
    let mono = try pcm("keywords.flac")
    let stereo = remade(mono) { [$0, $1, $0, $1] }
    let wide = remade(mono) { [0, 0, $0, $1] }
    let packed = remade(mono) { [0, $0, $1] }
    var conversation = Conversation()
    conversation.send(mono, framesEach: 777)
    conversation.send(stereo, channels: 2, framesEach: 777)
    conversation.send(wide, width: 4, framesEach: 777)
    conversation.send(packed, width: 3, framesEach: 777)
    conversation.send(Array(mono[..<320_000]), framesEach: 777)
    let (events, outcome) = try await serve(conversation)
    #expect(outcome.status == 0, "\(outcome.errors)")
    var epochs: [[SpokenWord]] = Array(repeating: [], count: 5)
    for event in events {
      guard let heard = try SpokenWord(event) else { continue }
      epochs[try Fields(event.fields).integer("epoch")].append(heard)
    }
    #expect(epochs[1] == epochs[0] && epochs[2] == epochs[0] && epochs[3] == epochs[0])
    let early = epochs[0].filter { $0.time < 9.9 }
    #expect(epochs[4] == early && !early.isEmpty)
  }

  @Test("without a keyword in it is answered with not-detected")
  func negative() async throws {
    var conversation = Conversation()
    conversation.send("detect", "{\"context\":{\"a\":1}}")
    conversation.send(try pcm("negative.flac"), framesEach: 1_024)
    let (events, outcome) = try await serve(conversation)
    #expect(outcome.status == 0)
    #expect(events.map(\.type) == ["not-detected"])
    #expect(events.first?.fields["context"]?.text == "{\"a\":1}")
  }

  @Test("may come from many clients at once; each hears its own")
  func many() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--device", "none", "--socket", socket, "--jobs", "2"])
    try await withDaemon(daemon, at: socket) { _ in }
    var conversation = Conversation()
    conversation.send(try pcm("keywords.flac"), framesEach: 1_024)
    let bytes = conversation.bytes
    let alone = try events(exchange(bytes, at: socket))
    let words = try alone.compactMap(SpokenWord.init)
    #expect(words.count >= 5)
    try await withThrowingTaskGroup(of: [SpokenWord].self) { tasks in
      for _ in 0..<12 {
        tasks.addTask { try events(exchange(bytes, at: socket)).compactMap(SpokenWord.init) }
      }
      for try await heard in tasks { #expect(heard == words) }
    }
    daemon.signal(SIGTERM)
    #expect(await daemon.wait().status == 0)
  }

  @Test("reaches no daemon that would be open to every network, unless that is allowed")
  func wildcard() async throws {
    let refused = try await ChildProcess(
      attnd, ["run", "--device", "none", "--socket", "tcp://0.0.0.0:10400"]
    ).wait()
    #expect(refused.status == 64)
    #expect(refused.errorLines.count == 1 && refused.errors.contains("--allow-remote"))
  }

  @Test("finds every address at the same daemon, and a port that is taken is said to be")
  func addresses() async throws {
    let folder = try TemporaryFolder()
    let port = try freePort()
    let places = [folder.path + "/a", "unix://" + folder.path + "/b", "tcp://127.0.0.1:\(port)"]
    let daemon = try ChildProcess(
      attnd, ["run", "--device", "none"] + places.flatMap { ["--socket", $0] })
    let first = try await withDaemon(daemon, at: folder.path + "/a") { $0.hello.run }
    let second = try await withDaemon(daemon, at: folder.path + "/b") { $0.hello.run }
    #expect(first == second)
    let taken = try await ChildProcess(
      attnd, ["run", "--device", "none", "--socket", "tcp://127.0.0.1:\(port)"]
    ).wait()
    #expect(taken.status == 75)
    #expect(taken.errors.contains("tcp://127.0.0.1:\(port): in use"), "\(taken.errors)")
    daemon.signal(SIGTERM)
    #expect(await daemon.wait().status == 0)
    #expect(access(folder.path + "/a", F_OK) != 0 && access(folder.path + "/b", F_OK) != 0)
  }
}
