import ArgumentParser
import AttentionSocket
import AudioInput
import CEmbedded
import Glibc
import Logging
import ModelFile
import ServiceLifecycle

/// The whole of it in a quarter of a minute: a daemon, its socket and a subscriber, on a bundled
/// clip.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "Listen to a bundled clip and show what is heard: the whole path in one command.",
    discussion: """
      Starts a daemon on a clip of synthetic speech, opens its socket, connects to it as \
      'attnd watch' does, and ends with a summary. Everything is what 'attnd run' and 'attnd watch' \
      do; only the clip, the model and the socket's place are given.
      """)

  func run() async throws {
    let logger = Logger.attnd(level: .error, format: .text)
    let model = try ModelFile.embedded()
    let clip = try SoundFile(
      bytes: UnsafeRawBufferPointer(start: attnd_demo_clip, count: attnd_demo_clip_size),
      name: "the bundled clip", sampleRate: model.sampleRate)
    let folder = try TemporaryFolder()
    defer { folder.remove() }
    let path = folder.path + "/attnd.sock"

    let server = AttentionServer(
      AttentionServer.Description(
        model: model, threshold: nil, streams: [(name: "demo", kind: .file)]), logger: logger)
    try await server.listen(at: path)
    let stream = StreamService(
      source: PacedSource(clip), model: model, threshold: nil,
      publisher: server.publisher(forStream: 0), pulse: StreamPulse(name: "demo"),
      logger: logger)
    try StandardOutput.write(
      """
      attnd plays itself a bundled clip: \(fixed(clip.durationSeconds ?? 0, 1)) s of synthetic speech.
      It listens for \(model.keywords.map(\.phrase).joined(separator: ", "));
      each of them is spoken once.
      What follows is read from its socket, \(path).


      """)

    let heard = try await AttentionClient.withConnection(to: path) { client in
      let watcher = try await AttentionWatcher(client)
      // Only now, so that the subscriber sees the stream from its first frame.
      async let daemon: Void = ServiceGroup(
        configuration: .daemon(server: server, streams: [stream], logger: logger)
      ).run()
      var tally = DetectionTally()
      _ = try await watcher.watch { tally.take($0) }
      try await daemon
      return tally
    }
    try StandardOutput.write("\n" + heard.summary(model))
  }
}

/// What a subscriber was told, for the summary.
private struct DetectionTally: Sendable {
  private var frames = 0
  private var seconds = 0.0
  private var detections: [AttentionSocket.Detection] = []

  mutating func take(_ event: Event) {
    switch event {
    case .attention(let frame):
      frames += 1
      seconds = frame.time
    case .detection(let detection): detections.append(detection)
    default: break
    }
  }

  func summary(_ model: ModelFile) -> String {
    let phrases = Dictionary(uniqueKeysWithValues: model.keywords.map { ($0.name, $0.phrase) })
    let words = detections.map { phrases[$0.name] ?? $0.name }
    return """
      Over the socket came \(frames) attention frames and \(detections.count) detections in \(fixed(seconds, 1)) s of sound:
        \(words.isEmpty ? "no keyword" : words.joined(separator: ", "))

      Next: attnd run --device default    listen to a microphone
            attnd devices                 the microphones that there are
            attnd watch                   in a second terminal: this view of it
            attnd batch FILE...           find the keywords in recordings
            attnd --help                  the rest

      """
  }
}

/// A folder of this process's own, below TMPDIR.
private struct TemporaryFolder {
  let path: String

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/attnd-demo.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw Failure(
        .cannotCreate, "\(base): no folder can be made: \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes what the demonstration leaves: the socket's lock file, and the folder.
  func remove() {
    unlink(path + "/attnd.sock.lock")
    rmdir(path)
  }
}
