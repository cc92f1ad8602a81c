import AttentionSocket
import Logging
import ServiceLifecycle

/// Tells an MQTT broker what the daemon hears, and lets a voice assistant silence the wake word.
///
/// One more client of the daemon's own socket: it can no more delay or end the daemon than others can.
/// This task reads the socket; `MQTTSink` talks to the broker on its own thread.
struct MQTTService: Service {
  /// An inhibition lasts as long as the daemon takes it and is renewed long before: `toggleOff` has
  /// no end, and stream time may run faster than a clock.
  private static let inhibitionSeconds = 3_600.0
  private static let renewal: Duration = .seconds(600)

  private let daemon: SocketAddress
  private let machine: String
  private let site: String
  private let sink: MQTTSink
  private let logger: Logger

  /// Sees to it that what can be wrong here is found before the daemon starts.
  ///
  /// - Parameters:
  ///   - settings: Which broker, and as whom.
  ///   - sockets: Where the daemon listens.
  ///   - logger: For what goes wrong later.
  /// - Throws: `MQTTError` without the library or the password; `SettingsError` without a socket.
  init(_ settings: MQTTSettings, sockets: [SocketAddress], logger: Logger) throws {
    guard let daemon = sockets.first(where: \.isUnix) ?? sockets.first(where: \.isPort) else {
      throw SettingsError.usage("mqtt: reads the daemon's socket; add --socket PATH to stdio://")
    }
    let library = try MosquittoLibrary()
    if try settings.password() != nil, !settings.broker.isEncrypted {
      logger.info("mqtt: the password goes to \(settings.broker) unencrypted; mqtts:// is TLS")
    }
    self.daemon = daemon
    self.logger = logger
    site = settings.site
    machine = MachineIdentity.find()
    sink = try MQTTSink(settings, machine: machine, library: library, logger: logger)
  }

  /// Reads the socket until the daemon has said goodbye, and gives the broker what is left.
  ///
  /// Returns when the daemon stops and not before, whatever becomes of the broker: a service that
  /// ends by itself ends all.
  func run() async throws {
    await tellBroker()
    try? await gracefulShutdown()
  }

  private func tellBroker() async {
    let thread: ProcessingThread<Void>
    do {
      thread = try ProcessingThread(name: "attnd-mqtt") { [sink] in sink.run() }
    } catch {
      // The daemon is there for others, too.
      logger.error("mqtt: \(error)")
      return
    }
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask { await inhibitAsWished() }
      await follow()
      sink.finish()
      // Who waits for a name server or for TCP can't be called back, and isn't waited for.
      await withTaskGroup(of: Void.self) { ends in
        ends.addTask { try? await thread.value }
        ends.addTask { try? await Task.sleep(for: MQTTSink.drainTime + .milliseconds(500)) }
        await ends.next()
        ends.cancelAll()
      }
      tasks.cancelAll()
    }
  }

  // MARK: What is heard

  /// Reads detections, one connection after another, none twice and none missing.
  private func follow() async {
    var last: DetectionNumber?
    var pause = GrowingPause()
    while true {
      let began = ContinuousClock.now
      do {
        if try await read(since: &last) { return }
      } catch {
        if !Task.isShuttingDownGracefully { logger.warning("mqtt: \(error)") }
      }
      let time = pause.next(after: .now - began)
      try? await cancelWhenGracefulShutdown { try await Task.sleep(for: time) }
      if Task.isShuttingDownGracefully { return }
    }
  }

  /// Reads to the end of one connection.
  ///
  /// - Parameter last: The newest detection that was read, by any connection.
  /// - Returns: Whether the daemon has said that it stops.
  /// - Throws: `SocketError`.
  private func read(since last: inout DetectionNumber?) async throws -> Bool {
    let known = last
    let (isOver, newest) = try await AttentionClient.withConnection(to: daemon) { client in
      let hello = client.hello
      introduce(hello)
      // From the first: the stream may have begun before this.
      var newest = known ?? DetectionNumber(run: hello.run, seq: 0)
      let reply = try await client.subscribe(
        SubscriptionRequest(events: [.detection, .state], since: newest))
      newest.run = hello.run
      if reply.missed > 0 {
        logger.warning(
          "mqtt: the socket's history was too short", metadata: ["missed": "\(reply.missed)"])
      }
      do {
        while let event = try await client.next() {
          switch event {
          case .detection(let detection):
            newest.seq = detection.seq
            sink.tell(detection)
          case .state(let status):
            if let trouble = Self.trouble(status) { sink.tell(trouble: trouble) }
            // Another model listens: what is said of it is asked for beside the events.
            if status.reason == .reload {
              introduce(try await AttentionClient.withConnection(to: daemon) { $0.hello })
            }
          case .bye(let bye): return (bye.reason == .shutdown, newest)
          default: break
          }
        }
      } catch {
        logger.warning("mqtt: \(error)")
      }
      return (false, newest)
    }
    last = newest
    return isOver
  }

  private func introduce(_ hello: Hello) {
    sink.introduce(
      MQTTMessages(
        machine: machine, site: site, version: hello.version, model: hello.model,
        keywords: hello.keywords))
  }

  /// What is wrong with a stream, in a sentence; nil for nothing.
  private static func trouble(_ status: StreamStatus) -> String? {
    switch (status.state, status.reason) {
    case (.recovering, _): "stream \(status.stream) is lost: \(status.text)"
    case (.stopped, .endOfFile): nil
    case (.stopped, _): "stream \(status.stream) has stopped: \(status.text)"
    default: nil
    }
  }

  // MARK: What is not to be heard

  /// Inhibits detections as long as the voice assistant wants the wake word silent.
  private func inhibitAsWished() async {
    var renewal: Task<Void, Never>?
    for await wish in sink.wishes where wish.isOff != (renewal != nil) {
      renewal?.cancel()
      await renewal?.value
      renewal = nil
      if wish.isOff {
        renewal = Task {
          while !Task.isCancelled {
            let isDone = await inhibit(seconds: Self.inhibitionSeconds)
            try? await Task.sleep(for: isDone ? Self.renewal : .seconds(5))
          }
        }
      } else {
        _ = await inhibit(seconds: 0)
      }
    }
    renewal?.cancel()
  }

  /// Tells the daemon; false if it doesn't listen.
  private func inhibit(seconds: Double) async -> Bool {
    do {
      let until = try await AttentionClient.withConnection(to: daemon) { client in
        try await client.inhibit(seconds: seconds)
      }
      logger.debug(
        "mqtt: \(seconds > 0 ? "detections are inhibited" : "detections are heard again")",
        metadata: ["streams": "\(until.keys.sorted().joined(separator: ", "))"])
      return true
    } catch {
      guard !Task.isCancelled else { return false }
      logger.warning("mqtt: the daemon can't be inhibited: \(error)")
      sink.tell(trouble: "the wake word can't be switched: \(error)")
      return false
    }
  }
}

extension SocketAddress {
  fileprivate var isUnix: Bool { if case .unix = self { true } else { false } }
  fileprivate var isPort: Bool { if case .tcp = self { true } else { false } }
}
