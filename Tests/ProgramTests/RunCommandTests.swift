import AttentionSocket
import Glibc
import TestSupport
import Testing

/// Connects as soon as the daemon is there; fails when it ends before.
///
/// The socket appears by a rename once it is ready, so trying again is all that waiting takes.
func withDaemon<Result: Sendable>(
  _ daemon: ChildProcess, at path: String, _ body: (AttentionClient) async throws -> Result
) async throws -> Result {
  for _ in 0..<2_000 {
    do {
      return try await AttentionClient.withConnection(to: path, body)
    } catch SocketError.missing {
      try await Task.sleep(for: .milliseconds(5))
    }
  }
  throw GoldenError("daemon", "never opened \(path): \(daemon.errorsSoFar)")
}

@Suite("attnd run", .timeLimit(.minutes(3)))
struct RunCommandTests {
  @Test("A file is heard by a subscriber as batch hears it; then bye, exit 0, no socket file")
  func file() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--file", fixture("keywords.flac"), "--socket", socket])
    let (words, frames, bye) = try await withDaemon(daemon, at: socket) { client in
      // The file plays in real time: on a busy machine the subscriber comes when it has begun. What was
      // detected before is in the history.
      try await client.subscribe(
        SubscriptionRequest(
          events: [.attention, .detection, .state],
          since: DetectionNumber(run: client.hello.run, seq: 0)))
      var words: [String] = []
      var frames: [AttentionFrame] = []
      var bye: Bye?
      while let event = try await client.next() {
        switch event {
        case .detection(let detection): words.append(detection.name)
        case .attention(let frame): frames.append(frame)
        case .bye(let last): bye = last
        default: break
        }
      }
      return (words, frames, bye)
    }
    let outcome = await daemon.wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(bye?.reason == .shutdown)
    #expect(access(socket, F_OK) != 0, "the socket file is removed")
    let batch = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    #expect(words == batch.compactMap(\.keyword) && !words.isEmpty)
    let first = try #require(frames.first)
    #expect(
      frames.map(\.index) == Array(first.index..<first.index + frames.count),
      "frames without a hole")
  }

  @Test("SIGTERM amid a stream: the last frames, bye, exit 0, no socket file")
  func terminated() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--file", fixture("demo.flac"), "--loop", "--socket", socket])
    let (framesAfter, last) = try await withDaemon(daemon, at: socket) { client in
      try await client.subscribe(SubscriptionRequest(events: [.attention, .state]))
      var frames = 0
      var framesAfter = 0
      var last: Event?
      while let event = try await client.next() {
        last = event
        guard case .attention = event else { continue }
        frames += 1
        if frames == 20 { daemon.signal(SIGTERM) }
        if frames > 20 { framesAfter += 1 }
      }
      return (framesAfter, last)
    }
    let outcome = await daemon.wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    guard case .bye(let bye)? = last else {
      Issue.record("bye is the last event, not \(String(describing: last))")
      return
    }
    #expect(bye.reason == .shutdown)
    #expect(framesAfter < 200, "it ends at once, not with the clip")
    #expect(access(socket, F_OK) != 0, "the socket file is removed")
  }

  @Test("Raw PCM on standard input is heard as the file is")
  func standardInput() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--stdin", "--socket", socket], hasInput: true)
    let sound = try samples(ofFixture: "keywords.flac")
    let words = try await withDaemon(daemon, at: socket) { client in
      try await client.subscribe(SubscriptionRequest(events: [.detection]))
      let bytes = sound.flatMap { sample -> [UInt8] in
        let integer = Int16(max(-32_768, min(32_767, (sample * 32_768).rounded())))
        let value = UInt16(bitPattern: integer)
        return [UInt8(value & 0xFF), UInt8(value >> 8)]
      }
      #expect(daemon.write(bytes))
      daemon.closeInput()
      var words: [String] = []
      while let event = try await client.next() {
        if case .detection(let detection) = event { words.append(detection.name) }
      }
      return words
    }
    #expect(await daemon.wait().status == 0)
    let batch = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    #expect(words == batch.compactMap(\.keyword))
  }

  @Test("A subscriber that is stopped harms nobody: the others get every frame")
  func stoppedSubscriber() async throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/attnd.sock"
    let daemon = try ChildProcess(
      attnd, ["run", "--file", fixture("demo.flac"), "--loop", "--socket", socket])
    let (indices, dropped) = try await withDaemon(daemon, at: socket) { client in
      let watcher = try ChildProcess(attnd, ["watch", "--socket", socket])
      try await client.subscribe(
        SubscriptionRequest(events: [.attention], weights: .json, spectrum: .json))
      var indices: [Int] = []
      var dropped = 0
      while let event = try await client.next() {
        switch event {
        case .attention(let frame):
          indices.append(frame.index)
          if indices.count == 10 { watcher.signal(SIGSTOP) }
          // What the stopped one was sent is more than its socket takes.
          if indices.count == 250 { daemon.signal(SIGTERM) }
        case .dropped(let frames): dropped += frames.count
        default: break
        }
      }
      watcher.signal(SIGKILL)
      _ = await watcher.wait()
      return (indices, dropped)
    }
    #expect(await daemon.wait().status == 0)
    #expect(dropped == 0)
    let first = try #require(indices.first)
    #expect(indices == Array(first..<first + indices.count))
    #expect(indices.count >= 250)
  }

  @Test("What cannot be is one line that says what and where, and its documented exit code")
  func refusals() async throws {
    let folder = try TemporaryFolder()
    let clip = fixture("keywords.flac")
    let zeros = try folder.file("zeros.safetensors", [UInt8](repeating: 0, count: 4_096))
    let file = try folder.file("file.sock", [])
    let socket = folder.path + "/s"
    let cases: [(arguments: [String], status: Int32, says: [String])] = [
      (["run", "--file", folder.path + "/no.wav", "--socket", socket], 66, ["no.wav"]),
      (["run", "--file", folder.path, "--socket", socket], 66, ["directory"]),
      (["run", "--file", clip, "--socket", folder.path + "/no/s"], 73, ["/no"]),
      (["run", "--file", clip, "--socket", file], 73, ["file.sock", "socket"]),
      (["run", "--file", clip, "--socket", "/" + String(repeating: "x", count: 120)], 64, ["107"]),
      (["run", "--device", "no-such", "--require-device", "--socket", socket], 69, ["no-such"]),
      (["run", "--file", clip, "--model", zeros, "--socket", socket], 65, ["zeros"]),
      (["model", zeros], 65, ["zeros"]),
      (["model", folder.path + "/no.safetensors"], 66, ["no.safetensors"]),
      (["watch", "--socket", folder.path + "/none"], 69, ["none"]),
    ]
    for (arguments, status, says) in cases {
      let outcome = try await ChildProcess(attnd, arguments).wait()
      #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
      #expect(outcome.errorLines.count == 1, "\(arguments): one line, not \(outcome.errors)")
      for word in says {
        #expect(outcome.errors.contains(word), "\(arguments): \(outcome.errors)")
      }
    }
    #expect(try await ChildProcess(attnd, ["run", "--no-such-option"]).wait().status == 64)
  }
}
