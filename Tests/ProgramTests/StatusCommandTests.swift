import AttentionSocket
import Glibc
import JSONText
import NIOCore
import TestSupport
import Testing
import attnd

/// A status as a daemon writes it.
private func status(_ streams: [String], more: String = "") throws -> DaemonStatus {
  let data = """
    {"run":"9f3c1a7b20e4d581","program":"attnd","version":"1.0.0","uptime":187384.2,\
    "model":{"name":"six-words","digest":"sha256:00","score":"additive","heads":6},\
    "streams":[\(streams.joined(separator: ","))],"connections":2,"subscribers":1,"dropped":41,\
    "ignored":0,"step_us":{"p50":6.02,"p99":9.5,"max":80.25},"memory":27262976\(more)}
    """
  var decoder = EventDecoder(limits: .fromServer)
  decoder.feed(
    ByteBuffer(string: "{\"type\":\"status-reply\",\"data_length\":\(data.utf8.count)}\n" + data))
  return try DaemonStatus(try #require(try decoder.next()))
}

private func stream(
  _ name: String = "mic", state: String = "running", more: String = ""
) -> String {
  """
  {"name":"\(name)","state":"\(state)","epoch":0,"sample":16000,"index":97,"lag":0.012,\
  "level":-41.25,"detections":3,"discontinuities":0,"lost_samples":0,"reconnects":0\(more)}
  """
}

private let healthy = """
  ,"reason":"ok","text":"listening to device default","idle":0.0123,"clipping":0,"xruns":0,\
  "latency_ms":{"count":9000,"p50":0.4,"p99":1.25,"p999":4.5,"max":1200},"subscribers":1,\
  "warnings":[]
  """

private let daemonFields =
  ",\"latency_budget\":100,\"kernels\":\"v3\",\"descriptors\":18,\"threads\":6"

@Suite("attnd status", .timeLimit(.minutes(2)))
struct StatusCommandTests {
  @Test("A healthy stream, line by line") func healthyStream() throws {
    let view = StatusView(try status([stream(more: healthy)], more: daemonFields), style: .plain)
    #expect(
      view.lines == [
        "attnd 1.0.0  up 2 d 4 h  model six-words",
        "",
        "mic  running",
        "  state        listening to device default",
        "  sound        level -41.3 dBFS, nothing clipped, last frame 0.0 s ago",
        "  heard        3 detections, 1 subscriber",
        "  lost         nothing",
        "  latency      median 0.40 ms, 99 % 1.3 ms, 99.9 % 4.5 ms, longest 1.2 s",
        "",
        "  clients      2 connections, 1 subscriber, 41 frames dropped",
        "  daemon       26.0 MiB, 6 threads, 18 descriptors, hop 6.0 us, kernels v3",
      ])
  }

  @Test("A stream in trouble says what it is and what to do") func trouble() throws {
    let waiting = stream(
      "kitchen", state: "recovering",
      more: """
        ,"reason":"device-lost","text":"device hw:2: unplugged; trying again in 2.00 s",\
        "idle":75.5,"clipping":0.0312,"xruns":4,"latency_ms":null,"subscribers":0,\
        "warnings":["clipping","narrow-band","sung-out-of-tune"]
        """)
    let lines = StatusView(try status([waiting]), style: .plain).lines
    #expect(lines[2] == "kitchen  recovering")
    #expect(lines[3] == "  state        device hw:2: unplugged; trying again in 2.00 s")
    #expect(lines[4].hasPrefix("  to do        plug the device in"))
    let text = lines.joined(separator: "\n")
    for part in [
      "\n  clipping     the input clips; turn its gain down", "\n  narrow-band  ", "3.1 % clipped",
      "last frame 1 min 15 s ago", "\n  other        ", "latency      no frame yet",
    ] { #expect(text.contains(part), "\(part)") }
  }

  @Test("Whatever the names, no line is longer than 80 columns, in colours or without")
  func width() throws {
    let long = String(repeating: "a long name ", count: 20)
    let everything = stream(
      long, state: "waiting",
      more: """
        ,"reason":"device-busy","text":"\(long)","idle":9e9,"clipping":0.5,"xruns":1000000,\
        "latency_ms":{"count":1,"p50":99999,"p99":99999,"p999":99999,"max":99999},"subscribers":64,\
        "warnings":["late","clipping","silence","dc-offset","narrow-band","clock-drift","no-space"]
        """)
    let status = try status([everything, stream()], more: daemonFields)
    let plain = StatusView(status, style: .plain).lines
    for line in plain { #expect(line.count <= 80, "\(line)") }
    let coloured = StatusView(status, style: .coloured).lines
    #expect(coloured.joined().contains("\u{1B}[31m"))
    for (coloured, plain) in zip(coloured, plain) {
      var bare = ""
      var isCode = false
      for character in coloured {
        if character == "\u{1B}" { isCode = true }
        if !isCode { bare.append(character) }
        if isCode && character == "m" { isCode = false }
      }
      #expect(bare == plain)
    }
  }

  @Test("An older daemon's answer is shown too") func older() throws {
    let lines = StatusView(try status([stream()]), style: .plain).lines
    #expect(lines.contains("mic  running"))
    #expect(lines.last == "  daemon       26.0 MiB, hop 6.0 us")
  }

  @Test(
    "All is well while every stream runs or has ended in order",
    arguments: [
      ("running", "ok", true), ("stopped", "end-of-file", true), ("stopped", "device-lost", false),
      ("waiting", "device-busy", false), ("recovering", "device-lost", false),
      ("starting", "start", false), ("upside-down", "ok", false),
    ])
  func health(state: String, reason: String, isWell: Bool) throws {
    let other = stream("door", state: state, more: ",\"reason\":\"\(reason)\"")
    #expect(try status([stream(), other]).isWell == isWell)
    let own = stream("self", state: "waiting", more: ",\"reason\":\"start\"")
    #expect(try status([stream(), own]).isWell)
  }

  @Test("Asks a daemon: 0 where all is well, and the reply as one line of JSON")
  func asks() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--file", fixture("keywords.flac"), "--loop", "--socket", socket])
    // A frame has come, so the stream runs.
    _ = try await withDaemon(daemon, at: socket) { client in
      try await client.subscribe(SubscriptionRequest(events: [.attention]))
      while let event = try await client.next() {
        if case .attention = event { return true }
      }
      return false
    }
    let people = await (try ChildProcess(attnd, ["status", "--socket", socket])).wait()
    #expect(people.status == 0 && people.errors.isEmpty, "\(people.errors)")
    #expect(people.output.contains("file  running\n  state        listening to"))
    #expect(!people.output.contains("\u{1B}"))
    let programs = await (try ChildProcess(attnd, ["status", "--json", "--socket", socket])).wait()
    #expect(programs.status == 0 && programs.lines.count == 1)
    let reply = try #require(
      try JSON(parsing: programs.output.utf8, repeatedNames: .lastWins, numbers: .finite).fields)
    #expect(reply["type"] == .string("status-reply") && reply["latency_budget"]?.double == 100)
    daemon.signal(SIGTERM)
    #expect(await daemon.wait().status == 0)
  }

  @Test("Nobody there: 69 and a line that says where") func unreachable() async throws {
    let folder = try TemporaryFolder()
    let outcome = await
      (try ChildProcess(attnd, ["status", "--socket", folder.path + "/none.sock"])).wait()
    #expect(outcome.status == 69 && outcome.output.isEmpty)
    #expect(outcome.errorLines.count == 1 && outcome.errors.contains("none.sock"))
  }

  @Test("A device that isn't there: 75, and its state in words") func waiting() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--device", "hw:CARD=nosuchcard", "--socket", socket])
    try await withDaemon(daemon, at: socket) { client in
      try await client.subscribe(SubscriptionRequest(events: [.state]))
      while let event = try await client.next() {
        if case .state(let state) = event, state.state == .waiting { return }
      }
    }
    let outcome = await (try ChildProcess(attnd, ["status", "--socket", socket])).wait()
    #expect(outcome.status == 75 && outcome.errors.isEmpty, "\(outcome.errors)")
    #expect(outcome.output.contains("  waiting\n  state        device hw:"), "\(outcome.output)")
    daemon.signal(SIGTERM)
    #expect(await daemon.wait().status == 0)
  }
}
