import AttentionSocket
import Glibc
import Logging
import TestSupport
import Testing

private struct SystemFailure: Error { let code: Int32 }

private func server(limits: ServerLimits = ServerLimits()) -> AttentionServer {
  AttentionServer(
    AttentionServer.Description(
      program: "attnd", version: "1.0.0", model: Example.model, keywords: Example.keywords,
      attentionHeads: .perKeyword, streams: [Example.stream]), limits: limits,
    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
}

private func listening(at path: String) async throws -> AttentionServer {
  let server = server()
  do {
    try await server.listen(at: path)
  } catch {
    await server.shutdown(reason: .error, text: "")
    throw error
  }
  return server
}

/// The error of a server that can't listen at `path`.
private func refusal(at path: String) async -> SocketError? {
  let server = server()
  var found: SocketError?
  do throws(SocketError) {
    try await server.listen(at: path)
  } catch {
    found = error
  }
  await server.shutdown(reason: .shutdown, text: "")
  return found
}

private func mode(of path: String) -> mode_t? {
  var file = stat()
  return lstat(path, &file) == 0 ? file.st_mode : nil
}

/// Leaves a socket file behind that nobody listens at.
private func makeStaleSocket(at path: String) throws {
  let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  let result = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard result == 0 else { throw SystemFailure(code: errno) }
}

/// Real sockets in the file system: life cycle, and the whole way from publisher to client.
@Suite(.timeLimit(.minutes(2))) struct ServerTests {
  @Test("A client gets what a processing thread publishes, up to the bye")
  func wholeWay() async throws {
    let directory = try TemporaryFolder()
    let server = try await listening(at: directory("attnd.sock"))
    let publisher = server.publisher(forStream: 0)
    publisher.running()
    let received = try await AttentionClient.withConnection(to: directory("attnd.sock")) { client in
      #expect(client.hello.keywords == Example.keywords && client.hello.model == Example.model)
      #expect(client.hello.run.utf8.count == 16)
      let reply = try await client.subscribe(
        SubscriptionRequest(events: [.attention, .detection], weights: .float32))
      #expect(reply.streams == ["mic"])
      for index in 0..<50 { publisher.frame(index) }
      publisher.detection(at: 49)
      async let end: Void = server.shutdown(reason: .shutdown, text: "asked to stop")
      var received: [String] = []
      while let event = try await client.next() { received.append(event.summary) }
      await end
      return received
    }
    #expect(received.first?.hasPrefix("state") == true)
    let expected = (0..<50).map { "attention \($0)" } + ["detection 1", "bye shutdown"]
    #expect(Array(received.dropFirst()) == expected)
    #expect(mode(of: directory("attnd.sock")) == nil)
    #expect(mode(of: directory("attnd.sock.lock")) != nil)
    #expect(server.statistics.frames == 50 && server.statistics.lostEvents == 0)
  }

  @Test("One client that never reads delays neither the others nor the publisher")
  func stoppedClient() async throws {
    let directory = try TemporaryFolder()
    let path = directory("attnd.sock")
    let server = try await listening(at: path)
    let publisher = server.publisher(forStream: 0)
    let request = SubscriptionRequest(events: [.attention, .detection], weights: .json)
    try await AttentionClient.withConnection(to: path) { stopped in
      try await stopped.subscribe(request)
      try await AttentionClient.withConnection(to: path) { reader in
        try await reader.subscribe(request)
        var next = 0
        // Each batch fits the ring, and is read before the next one: nothing may be missing.
        for _ in 0..<60 {
          for index in next..<next + 100 { publisher.frame(index, span: 8) }
          next += 100
          publisher.detection(at: next - 1)
          var frames = 0
          while let event = try await reader.next() {
            if case .attention = event { frames += 1 }
            if case .detection = event { break }
            if case .dropped = event { Issue.record("\(event.summary)") }
          }
          #expect(frames == 100)
        }
      }
      #expect(server.statistics.frames == 6_000)
      // The stopped one finds its frames, then the hole, then the newest ones and every detection.
      var detections = 0
      var due = 0
      var lost = 0
      while detections < 60, let event = try await stopped.next() {
        switch event {
        case .attention(let frame):
          #expect(frame.index == due)
          due += 1
        case .dropped(let hole):
          #expect(hole.fromIndex == due)
          due = hole.toIndex + 1
          lost += hole.count
          #expect(hole.total == lost)
        case .detection(let found):
          detections += 1
          #expect(found.seq == detections)
        case .state: break
        default: Issue.record("\(event.summary)")
        }
      }
      #expect(due == 6_000 && detections == 60)
      #expect(lost > 0 && lost == server.statistics.dropped)
    }
    await server.shutdown(reason: .shutdown, text: "")
  }

  @Test("The socket has the mode that was asked for", arguments: [0o600, 0o660])
  func fileMode(wanted: mode_t) async throws {
    let directory = try TemporaryFolder()
    let server = server()
    try await server.listen(at: directory("a.sock"), mode: wanted)
    #expect(mode(of: directory("a.sock")) == S_IFSOCK | wanted)
    await server.shutdown(reason: .shutdown, text: "")
  }

  @Test("A stale socket is replaced") func stale() async throws {
    let directory = try TemporaryFolder()
    try makeStaleSocket(at: directory("a.sock"))
    let server = try await listening(at: directory("a.sock"))
    let run = try await AttentionClient.withConnection(to: directory("a.sock")) { $0.hello.run }
    #expect(run.utf8.count == 16)
    await server.shutdown(reason: .shutdown, text: "")
  }

  @Test("A second daemon is told who has the socket, and the first one stays")
  func second() async throws {
    let directory = try TemporaryFolder()
    let first = try await listening(at: directory("a.sock"))
    #expect(
      await refusal(at: directory("a.sock"))
        == .inUse(path: directory("a.sock"), process: Int(getpid())))
    // Without its lock, the socket itself is asked.
    unlink(directory("a.sock.lock"))
    #expect(
      await refusal(at: directory("a.sock")) == .inUse(path: directory("a.sock"), process: nil))
    _ = try await AttentionClient.withConnection(to: directory("a.sock")) { $0.hello }
    await first.shutdown(reason: .shutdown, text: "")
  }

  @Test("A file that isn't a socket stays as it is") func notASocket() async throws {
    let directory = try TemporaryFolder()
    let descriptor = open(directory("a.sock"), O_CREAT | O_WRONLY, 0o644)
    close(descriptor)
    #expect(await refusal(at: directory("a.sock")) == .notASocket(path: directory("a.sock")))
    #expect(mode(of: directory("a.sock")) == S_IFREG | 0o644)
  }

  @Test("A missing directory is named") func missingDirectory() async throws {
    let directory = try TemporaryFolder()
    let path = directory("none") + "/a.sock"
    #expect(await refusal(at: path) == .directoryMissing(path: path))
  }

  @Test("A path of 107 bytes works, one of 108 is refused") func pathLength() async throws {
    let directory = try TemporaryFolder()
    let room = 107 - directory("").utf8.count
    let longest = directory(String(repeating: "s", count: room))
    let server = try await listening(at: longest)
    #expect(mode(of: longest) == S_IFSOCK | 0o600)
    _ = try await AttentionClient.withConnection(to: longest) { $0.hello }
    await server.shutdown(reason: .shutdown, text: "")
    #expect(mode(of: longest) == nil)
    let tooLong = longest + "s"
    #expect(await refusal(at: tooLong) == .pathTooLong(path: tooLong, bytes: 108))
  }

  @Test("A socket that another process has put in place is left alone")
  func notOurs() async throws {
    let directory = try TemporaryFolder()
    let server = try await listening(at: directory("a.sock"))
    unlink(directory("a.sock"))
    try makeStaleSocket(at: directory("a.sock"))
    await server.shutdown(reason: .shutdown, text: "")
    #expect(mode(of: directory("a.sock")) != nil)
  }

  @Test("A client says whether there is no socket or nobody behind it")
  func clientErrors() async throws {
    let directory = try TemporaryFolder()
    await #expect(throws: SocketError.missing(path: directory("a.sock"))) {
      try await AttentionClient.withConnection(to: directory("a.sock")) { _ in }
    }
    try makeStaleSocket(at: directory("a.sock"))
    await #expect(throws: SocketError.nobodyListens(path: directory("a.sock"))) {
      try await AttentionClient.withConnection(to: directory("a.sock")) { _ in }
    }
    let long = directory(String(repeating: "s", count: 100))
    await #expect(throws: SocketError.pathTooLong(path: long, bytes: long.utf8.count)) {
      try await AttentionClient.withConnection(to: long) { _ in }
    }
  }

  @Test("A refused subscription throws the daemon's words") func refused() async throws {
    let directory = try TemporaryFolder()
    let server = try await listening(at: directory("a.sock"))
    try await AttentionClient.withConnection(to: directory("a.sock")) { client in
      do throws(SocketError) {
        try await client.subscribe(SubscriptionRequest(streams: ["line"]))
        Issue.record("accepted")
      } catch {
        guard case .refused(_, let reply) = error else { throw error }
        #expect(reply.code == .unknownStream && reply.text.contains("mic"))
      }
    }
    await server.shutdown(reason: .shutdown, text: "")
  }
}
