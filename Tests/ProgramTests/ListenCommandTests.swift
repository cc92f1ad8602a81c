import AttentionSocket
import Glibc
import Logging
import TestSupport
import Testing

private let run = "9f3c1a7b20e4d581"

private func hello(run: String = run) -> String {
  """
  {"protocol":1,"program":"attnd","version":"1.0.0","run":"\(run)",\
  "model":{"name":"six-words","digest":"sha256:4c","score":"additive","heads":2},\
  "streams":[{"name":"mic","kind":"device","rate":16000,"hop":160,"window":8,"bins":4,"epoch":0,\
  "state":"running"}],"keywords":[{"name":"view_glass","phrase":"view glass","threshold":0.5}],\
  "features":[],"permissions":{"control":true},"limits":{}}
  """
}

private func subscribed(replayed: Int = 0, missed: Int = 0) -> String {
  """
  {"id":1,"events":["detection"],"streams":["mic"],"every":1,"weights":"none",\
  "spectrum":"none","replayed":\(replayed),"missed":\(missed)}
  """
}

/// The fields of a detection; what isn't of interest is left out, as `attnd listen` doesn't mind.
private func detection(_ seq: Int) -> String { "{\"seq\":\(seq),\"name\":\"view_glass\"}" }

private func printed(_ seq: Int) -> String {
  "{\"type\":\"detection\",\"seq\":\(seq),\"name\":\"view_glass\"}"
}

extension PeerConnection {
  /// Greets, and answers the subscription.
  ///
  /// - Returns: What the client asked for.
  @discardableResult
  fileprivate func begin(run: String = run, replayed: Int = 0, missed: Int = 0) -> String {
    send("hello", hello(run: run))
    let request = receive()?.json ?? ""
    send("subscribe-reply", subscribed(replayed: replayed, missed: missed))
    return request
  }
}

@Suite("attnd listen", .timeLimit(.minutes(3)))
struct ListenCommandTests {
  private func listen(_ arguments: [String], at path: String) throws -> ChildProcess {
    try ChildProcess(attnd, ["listen", "--socket", path] + arguments)
  }

  @Test("prints events with their fields and numbers as the daemon wrote them")
  func verbatim() async throws {
    let folder = try TemporaryFolder()
    let fields =
      "{\"z\":1.50,\"seq\":1,\"score\":9.70e-1,\"name\":\"Gl\\u00e4ser \\\"x\\\"\",\"a\":[1,{\"b\":null}],\"type\":\"x\"}"
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      connection.begin()
      connection.send("detection", fields)
      connection.send("novelty", "{\"x\":1}", payload: [1, 2, 3])
      connection.send("dropped", "{\"event\":\"attention\",\"count\":1}")
      connection.send("bye", "{\"reason\":\"shutdown\",\"text\":\"stopping\"}")
    }
    let outcome = try await listen(["--no-reconnect"], at: folder("s")).wait()
    withExtendedLifetime(peer) {}
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    #expect(
      outcome.lines == [
        "{\"type\":\"hello\"," + hello().dropFirst(),
        "{\"type\":\"detection\",\"z\":1.50,\"seq\":1,\"score\":9.70e-1,"
          + "\"name\":\"Gläser \\\"x\\\"\",\"a\":[1,{\"b\":null}]}",
        "{\"type\":\"bye\",\"reason\":\"shutdown\",\"text\":\"stopping\"}",
      ])
  }

  @Test("asks for what is named, and prints that; frames that were dropped are told of with them")
  func choice() async throws {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      let request = connection.begin()
      #expect(
        request
          == "{\"id\":1,\"events\":[\"attention\",\"warning\"],\"streams\":[\"mic\",\"line\"],"
          + "\"every\":10,\"weights\":\"json\",\"spectrum\":\"json\"}")
      connection.send("attention", "{\"index\":0}")
      connection.send("state", "{\"state\":\"running\"}")
      connection.send("dropped", "{\"event\":\"attention\",\"count\":1}")
      connection.send("bye", "{\"reason\":\"shutdown\",\"text\":\"stopping\"}")
    }
    let outcome = try await listen(
      [
        "--no-reconnect", "--events", "attention,warning", "--streams", "mic,line", "--every", "10",
        "--weights", "--spectrum",
      ], at: folder("s")
    ).wait()
    withExtendedLifetime(peer) {}
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.lines == [
        "{\"type\":\"attention\",\"index\":0}",
        "{\"type\":\"dropped\",\"event\":\"attention\",\"count\":1}",
      ])
  }

  @Test(
    "goes on after a daemon that went away: no detection is lost, none comes twice, none is old")
  func reconnects() async throws {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(
      at: folder("s"),
      { connection in
        // What was before it came isn't its business.
        let request = connection.begin(replayed: 2)
        #expect(request.contains("\"since\":{\"run\":\"\(run)\",\"seq\":0}"))
        for seq in 1...4 { connection.send("detection", detection(seq)) }
      },
      { connection in
        let request = connection.begin(replayed: 1, missed: 3)
        #expect(request.contains("\"since\":{\"run\":\"\(run)\",\"seq\":4}"))
        for seq in 8...9 { connection.send("detection", detection(seq)) }
        connection.send("bye", "{\"reason\":\"slow-reader\",\"text\":\"too slow\"}")
      },
      { connection in
        // A refusal that passes.
        connection.send("error", "{\"text\":\"full\",\"code\":\"busy\",\"fatal\":true}")
      },
      { connection in
        // Another process, which counts anew.
        let request = connection.begin(run: "0000000000000001", replayed: 1)
        #expect(request.contains("\"since\":{\"run\":\"\(run)\",\"seq\":9}"))
        connection.send("detection", detection(1))
        connection.waitForEnd()
      })
    let outcome = try await listen(["--events", "detection", "--count", "5"], at: folder("s"))
      .wait()
    withExtendedLifetime(peer) {}
    #expect(outcome.status == 0)
    #expect(outcome.lines == [3, 4, 8, 9, 1].map(printed))
    let said = outcome.errorLines.map { $0.replacing("socket \(folder("s"))", with: "socket") }
    #expect(
      said == [
        "attnd: socket: the daemon has gone (waiting for it)",
        "attnd: socket: connected",
        "attnd: socket: 3 detections are lost; the daemon doesn't remember them",
        "attnd: socket: the daemon has gone: too slow (waiting for it)",
        "attnd: socket: full (busy) (trying again)",
        "attnd: socket: connected",
      ])
  }

  @Test("has all that was heard by a daemon that came after it")
  func waits() async throws {
    let folder = try TemporaryFolder()
    let listener = try listen(["--events", "detection", "--count", "1"], at: folder("s"))
    while listener.errorsSoFar.isEmpty { await Task.yield() }
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      #expect(connection.begin(replayed: 1).contains("\"since\":{\"run\":\"none\",\"seq\":0}"))
      connection.send("detection", detection(1))
      connection.waitForEnd()
    }
    let outcome = await listener.wait()
    withExtendedLifetime(peer) {}
    #expect(outcome.status == 0 && outcome.lines == [printed(1)])
    #expect(outcome.errorLines.count == 2 && outcome.errors.hasSuffix("/s: connected\n"))
  }

  @Test("has a real server's history, and that of the one after it")
  func realServers() async throws {
    let folder = try TemporaryFolder()
    func serve(_ detections: Int) async throws -> AttentionServer {
      let server = AttentionServer(
        AttentionServer.Description(
          program: "attnd", version: "1.0.0",
          model: ModelDescription(name: "m", digest: "sha256:4c", score: "dot", heads: 1),
          keywords: [KeywordDescription(name: "alexa", phrase: "alexa", threshold: 0.5)],
          attentionHeads: .shared,
          streams: [
            StreamDescription(
              name: "mic", kind: .device, rate: 16_000, hop: 160, window: 8, bins: 4)
          ]), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      try await server.listen(at: folder("s"))
      for number in 1...detections {
        server.publisher(forStream: 0).detection(
          keyword: 0, score: 0.75, threshold: 0.5, sample: 16_000 * number, startSample: 0,
          endSample: 160)
      }
      return server
    }
    let first = try await serve(3)
    let listener = try listen(
      ["--events", "detection", "--since", "0:1", "--count", "4"], at: folder("s"))
    // It is connected once the server has somebody to say goodbye to.
    try await AttentionClient.withConnection(to: folder("s")) { client in
      while try await client.status().subscribers == 0 {}
    }
    await first.shutdown(reason: .shutdown, text: "asked to stop")
    let second = try await serve(1)
    let outcome = await listener.wait()
    await second.shutdown(reason: .shutdown, text: "")
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(
      outcome.lines.map { $0.prefix(27) }
        == [1, 2, 3, 1].map { "{\"type\":\"detection\",\"seq\":\($0)" })
    #expect(outcome.errors.contains("the daemon has gone: asked to stop"))
  }

  @Test("ends with an error for what waiting doesn't mend")
  func permanent() async throws {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(
      at: folder("s"),
      { connection in
        connection.send("hello", "{\"protocol\":2}")
        connection.waitForEnd()
      },
      { connection in
        connection.send("hello", hello())
        _ = connection.receive()
        connection.send(
          "error",
          "{\"text\":\"no stream 'x'\",\"code\":\"unknown-stream\",\"fatal\":false,\"id\":1}")
        connection.waitForEnd()
      })
    let other = try await listen([], at: folder("s")).wait()
    #expect(other.status == 65 && other.errorLines.count == 1, "\(other.errors)")
    let unknown = try await listen(["--streams", "x"], at: folder("s")).wait()
    #expect(unknown.status == 69 && unknown.errors.contains("no stream 'x'"))
    withExtendedLifetime(peer) {}
    let file = try folder.file("file", [])
    #expect(try await listen([], at: file).wait().status == 73)
    let gone = try await listen(["--no-reconnect"], at: folder("none")).wait()
    #expect(gone.status == 69 && gone.errors.contains("no such socket"))
  }

  @Test("refuses options that have no meaning, before it connects")
  func usage() async throws {
    let cases: [(arguments: [String], says: String)] = [
      (["--events", "detection,attentoin"], "attentoin"), (["--events", ""], "none of"),
      (["--every", "0", "--events", "attention"], "1 to 100000"), (["--count", "0"], "1 or more"),
      (["--since", "17"], "RUN:SEQ"), (["--since", "a:-1"], "RUN:SEQ"),
      (["--weights"], "attention"), (["--events", "state", "--count", "1"], "detection"),
      (["--exec", "true", "--events", "detection"], "--exec"),
      (["--socket", "stdio://"], "stdio://"), (["--socket", "tcp://here"], "tcp://HOST:PORT"),
    ]
    for (arguments, says) in cases {
      let outcome = try await ChildProcess(attnd, ["listen"] + arguments).wait()
      #expect(outcome.status == 64, "\(arguments): \(outcome.errors)")
      #expect(outcome.errors.contains(says), "\(arguments): \(outcome.errors)")
    }
  }

  @Test("ends with status 0 on SIGTERM and SIGINT, connected or not", arguments: [SIGTERM, SIGINT])
  func signals(number: Int32) async throws {
    let folder = try TemporaryFolder()
    let (connected, isConnected) = AsyncStream<Void>.makeStream()
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      connection.begin()
      isConnected.finish()
      connection.waitForEnd()
    }
    let listener = try listen([], at: folder("s"))
    for await _ in connected {}
    listener.signal(number)
    #expect(await listener.wait().status == 0)
    withExtendedLifetime(peer) {}
    let waiting = try listen([], at: folder("none"))
    while waiting.errorsSoFar.isEmpty { await Task.yield() }
    waiting.signal(number)
    let outcome = await waiting.wait()
    #expect(outcome.status == 0)
    #expect(outcome.errorLines.count == 1 && outcome.errors.contains("(trying again)"))
  }

  @Test("ends with status 0 when its reader goes, though nothing more comes")
  func brokenPipe() async throws {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      connection.begin()
      connection.waitForEnd()
    }
    let outcome = try await ChildProcess(
      "/bin/sh",
      [
        "-c", "{ \"$0\" listen --socket \"$1\"; echo \"status $?\" >&2; } | head -n 1", attnd,
        folder("s"),
      ]
    ).wait()
    withExtendedLifetime(peer) {}
    #expect(outcome.lines.count == 1 && outcome.errorLines == ["status 0"])
  }
}

@Suite("attnd listen --exec", .timeLimit(.minutes(3)))
struct ListenExecTests {
  /// What comes of a command for each of so many detections.
  private func execute(
    _ command: String, detections: Int, in folder: TemporaryFolder,
    fields: @escaping @Sendable (Int) -> String = detection,
    afterwards: @escaping @Sendable () -> Void = {}
  ) async throws -> ChildProcess.Outcome {
    let peer = try ScriptedPeer(at: folder("s")) { connection in
      connection.begin()
      for seq in 1...detections { connection.send("detection", fields(seq)) }
      connection.waitForEnd()
      afterwards()
    }
    defer { withExtendedLifetime(peer) {} }
    return try await ChildProcess(
      attnd,
      [
        "listen", "--socket", folder("s"), "--count", "\(detections)", "--exec", command,
      ], environment: ["ATTND_SEQ": "ours", "FOLDER": folder.path]
    ).wait()
  }

  @Test("gives the command the event on its standard input and in its environment")
  func environment() async throws {
    let fields =
      "{\"seq\":17,\"stream\":\"mic\",\"name\":\"view_glass\",\"score\":0.970,\"time\":12.015,"
      + "\"start\":11.475,\"end\":11.97}"
    let outcome = try await execute(
      "cat; env | grep ^ATTND_ | sort", detections: 1, in: try TemporaryFolder(),
      fields: { _ in fields })
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    #expect(
      outcome.lines == [
        "{\"type\":\"detection\"," + fields.dropFirst(), "ATTND_END=11.97",
        "ATTND_KEYWORD=view_glass", "ATTND_PHRASE=view glass", "ATTND_RUN=\(run)",
        "ATTND_SCORE=0.970", "ATTND_SEQ=17", "ATTND_START=11.475", "ATTND_STREAM=mic",
        "ATTND_TIME=12.015",
      ])
  }

  @Test("runs every command to its end, tells of those that fail, and leaves no zombie")
  func endings() async throws {
    // The last one looks for ended children of its parent until there is none.
    let command = """
      case $ATTND_SEQ in
        1) exit 3;;
        2) kill -9 $$;;
        3) no-such-program 2> /dev/null;;
        40) while cat /proc/[0-9]*/stat 2> /dev/null | grep -q ") Z $PPID "; do :; done;;
      esac
      echo $ATTND_SEQ >> "$FOLDER/log"
      yes | head -n 1 > /dev/null
      """
    let folder = try TemporaryFolder()
    let outcome = try await execute(command, detections: 40, in: folder)
    #expect(outcome.status == 0)
    #expect(
      outcome.errorLines.sorted() == [
        "attnd: --exec: detection 1 (view glass): ended with status 3",
        "attnd: --exec: detection 2 (view glass): ended by signal 9",
      ])
    let log = String(decoding: try fileBytes(folder("log")), as: UTF8.self)
    let numbers = log.split(separator: "\n").compactMap { Int($0) }
    #expect(numbers.sorted() == Array(3...40))
  }

  @Test("goes on reading while commands hang; what has no room is left out, and said to be")
  func bounded() async throws {
    let folder = try TemporaryFolder()
    let gate = folder("gate")
    #expect(mkfifo(gate, 0o600) == 0)
    // All have been read when the client closes: only then may the commands end.
    let outcome = try await execute(
      ": < \"$FOLDER/gate\"; echo", detections: 400, in: folder,
      afterwards: { _ = open(gate, O_RDWR | O_CLOEXEC) })
    #expect(outcome.status == 0)
    let leftOut = outcome.errorLines.filter { $0.contains("left out; 8 commands run and 256 wait") }
    #expect(leftOut.count == outcome.errorLines.count, "\(outcome.errors)")
    let ran = outcome.output.utf8.count
    #expect(ran + leftOut.count == 400)
    // Beside those that wait: eight that run, and one that is about to.
    #expect((256...265).contains(ran))
  }
}
