import AttentionSocket
import TestSupport
import Testing

/// The error of a conversation with a peer that greets and then does what the script says.
private func fault(
  _ script: @escaping ScriptedPeer.Script,
  _ body: @escaping @Sendable (AttentionClient) async throws -> Void
) async throws -> SocketError? {
  let folder = try TemporaryFolder()
  let peer = try ScriptedPeer(at: folder("s")) { connection in
    connection.send("hello", Said.hello)
    script(connection)
  }
  defer { withExtendedLifetime(peer) {} }
  do {
    try await AttentionClient.withConnection(to: folder("s"), body)
    return nil
  } catch let error as SocketError {
    return error
  }
}

@Suite("A client of a peer that fails", .timeLimit(.minutes(2)))
struct ClientFaultTests {
  @Test("ends without an error where the peer closes, be it amid an event")
  func cutShort() async throws {
    let whole = "{\"type\":\"warning\",\"data_length\":\(Said.warning.utf8.count)}\n" + Said.warning
    for cut in [0, 1, 20, 50, whole.utf8.count - 1] {
      let error = try await fault({ connection in
        connection.send(bytes: Array(whole.utf8))
        connection.send(bytes: Array(whole.utf8.prefix(cut)))
      }) { client in
        guard case .warning(let warning)? = try await client.next() else {
          Issue.record("the event before is lost")
          return
        }
        #expect(warning.count == 3)
        #expect(try await client.next() == nil, "cut at \(cut)")
        #expect(try await client.next() == nil, "and again")
      }
      #expect(error == nil)
    }
  }

  @Test("throws where the connection ends before the answer to a request")
  func noReply() async throws {
    let error = try await fault({ connection in
      _ = connection.receive()
      connection.send("warning", Said.warning)
    }) { client in try await client.subscribe(SubscriptionRequest()) }
    guard case .closed = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("refuses a reply to a request that it never made")
  func otherID() async throws {
    for id in ["7", "\"1\"", "null", "-1"] {
      let error = try await fault({ connection in
        _ = connection.receive()
        connection.send("pong", "{\"id\":\(id)}")
        connection.waitForEnd()
      }) { client in try await client.ping() }
      guard case .notUnderstood(_, let found)? = error else {
        Issue.record("id \(id): \(String(describing: error))")
        return
      }
      #expect(found.contains("id"))
    }
  }

  @Test("throws the daemon's words where a request is refused, and goes on after it")
  func refused() async throws {
    let error = try await fault({ connection in
      _ = connection.receive()
      // Somebody else's error comes first: it is an event.
      connection.send(
        "error", "{\"text\":\"other\",\"code\":\"bad-value\",\"fatal\":false,\"id\":9}")
      connection.send(
        "error",
        "{\"text\":\"no stream 'x'\",\"code\":\"unknown-stream\",\"fatal\":false,\"id\":1}")
      _ = connection.receive()
      connection.send("pong", "{\"id\":2,\"text\":\"still here\"}")
      connection.waitForEnd()
    }) { client in
      do throws(SocketError) {
        _ = try await client.snapshot(stream: "x")
        Issue.record("not refused")
      } catch {
        guard case .refused(_, let reply) = error else { throw error }
        #expect(reply.code == .unknownStream)
        #expect(error.description.hasSuffix("no stream 'x' (unknown-stream)"))
      }
      #expect(try await client.ping("still here") == "still here")
      guard case .error(let other)? = try await client.next() else {
        Issue.record("the other error is lost")
        return
      }
      #expect(other.id == .number(9) && other.text == "other")
    }
    #expect(error == nil)
  }

  @Test("throws a fatal error, whatever it asked for")
  func fatal() async throws {
    let error = try await fault({ connection in
      _ = connection.receive()
      connection.send("error", "{\"text\":\"slow\",\"code\":\"timeout\",\"fatal\":true}")
      connection.waitForEnd()
    }) { client in _ = try await client.status() }
    guard case .refused(_, let reply)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reply.code == .timeout && reply.isFatal)
  }

  @Test(
    "says that what comes isn't the protocol",
    arguments: [
      "HTTP/1.1 400 Bad Request\r\n\r\n", "\n", "{}\n", "{\"type\":1}\n", "{\"type\":\"a\"\n",
      "{\"type\":\"a\",\"data_length\":-1}\n", "{\"type\":\"a\",\"data_length\":9000000}\n",
      "{\"type\":\"a\",\"payload_length\":99000000}\n", "{\"type\":\"a\",\"data_length\":3}\n[1]",
      "{\"type\":\"state\",\"data_length\":2}\n{}", "\u{FEFF}{\"type\":\"a\"}\n",
      "{\"type\":\"detection\",\"data\":{\"seq\":1.5}}\n",
    ])
  func garbage(bytes: String) async throws {
    let error = try await fault({ connection in
      connection.send(bytes: Array(bytes.utf8))
      connection.waitForEnd()
    }) { client in _ = try await client.next() }
    guard case .notUnderstood(let path, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.description.hasPrefix("socket \(path): the peer doesn't speak") == true)
  }

  @Test("counts frames that a replay was to have, and hears of it when some are missing")
  func replayCount() async throws {
    let error = try await fault({ connection in
      _ = connection.receive()
      connection.send("attention", Said.frame(1, more: ",\"replay\":1"))
      connection.send(
        "replay-reply",
        "{\"id\":1,\"frames\":2,\"from_sample\":0,\"to_sample\":9,\"complete\":true}")
      connection.waitForEnd()
    }) { client in
      _ = try await client.replay(stream: "mic", fromSample: 0, toSample: 16_000)
    }
    guard case .notUnderstood(_, let found)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found.contains("frames"))
  }
}

@Suite("A client that isn't greeted", .timeLimit(.minutes(2)))
struct ClientGreetingTests {
  private func fault(
    patience: Duration = .seconds(60), _ script: @escaping ScriptedPeer.Script
  ) async throws -> SocketError? {
    let folder = try TemporaryFolder()
    let peer = try ScriptedPeer(at: folder("s"), script)
    defer { withExtendedLifetime(peer) {} }
    do {
      try await AttentionClient.withConnection(
        to: .unix(path: folder("s")), patience: patience
      ) { _ in _ = Issue.record("greeted") }
      return nil
    } catch let error as SocketError {
      return error
    }
  }

  @Test("says so where the peer speaks another protocol, whatever its fields")
  func otherProtocol() async throws {
    let error = try await fault { connection in
      connection.send("hello", "{\"protocol\":2,\"run\":17}")
      connection.waitForEnd()
    }
    guard case .otherProtocol(_, version: 2)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("throws the words of a daemon that has no room")
  func busy() async throws {
    let error = try await fault {
      $0.send("error", "{\"text\":\"64 connections\",\"code\":\"busy\",\"fatal\":true}")
    }
    guard case .refused(_, let reply)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reply.code == .busy)
  }

  @Test("is not taken in by a peer that says something else first, or nothing")
  func nothing() async throws {
    let other = try await fault { $0.send("warning", Said.warning) }
    guard case .notUnderstood? = other else {
      Issue.record("\(String(describing: other))")
      return
    }
    let closed = try await fault { _ in }
    guard case .closed? = closed else {
      Issue.record("\(String(describing: closed))")
      return
    }
  }

  @Test("doesn't wait for ever for a peer that is silent")
  func silent() async throws {
    let error = try await fault(patience: .milliseconds(20)) { $0.waitForEnd() }
    guard case .noAnswer(_, after: .milliseconds(20))? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.description.contains("no answer within 0.02 seconds") == true)
  }

  @Test("asks for the greeting over TCP, where a daemon is silent until it is spoken to")
  @MainActor func tcp() async throws {
    let peer = try ScriptedPeer { connection in
      guard connection.receive()?.type == "hello" else { return }
      connection.send("hello", Said.hello)
      guard let ping = connection.receive(), ping.type == "ping" else { return }
      connection.send("pong", ping.json)
      connection.waitForEnd()
    }
    try await AttentionClient.withConnection(to: .tcp(host: "127.0.0.1", port: peer.port)) {
      client in
      #expect(client.hello.streams.map(\.description.name) == ["mic"])
      let echo = try await client.ping("over TCP")
      #expect(echo == "over TCP")
    }
  }

  @Test("says where nobody listens, and that standard streams are somebody else's")
  func nobody() async throws {
    let port = try ScriptedPeer().port
    let address = SocketAddress.tcp(host: "127.0.0.1", port: port)
    // The listener closes on its own thread.
    var error: SocketError?
    repeat {
      do {
        try await AttentionClient.withConnection(to: address) { _ in }
      } catch let found as SocketError {
        error = found
      }
    } while error != .nobodyListens(path: "tcp://127.0.0.1:\(port)")
    #expect(
      error?.description
        == "socket tcp://127.0.0.1:\(port): nobody listens; is the daemon running, and at this "
        + "address?")
    await #expect(throws: SocketError.notForClients(path: "stdio://")) {
      try await AttentionClient.withConnection(to: .standardStreams) { _ in }
    }
  }
}
