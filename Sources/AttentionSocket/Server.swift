import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The socket of the daemon: what its streams attend to and detect, for any number of readers, and a
/// wake-word service for clients that bring their own audio.
///
/// A processing thread speaks through its `FramePublisher` and never waits. One event loop encodes, keeps
/// the history of detections and a bounded queue per connection; no reader can delay another, or the
/// processing.
public final class AttentionServer: Sendable {
  /// What the server says of itself, and whom it hears.
  public struct Description: Sendable {
    /// The daemon's name.
    public var program: String
    /// The daemon's version.
    public var version: String
    /// The model that listens.
    public var model: ModelDescription
    /// In the order of the posteriors.
    public var keywords: [KeywordDescription]
    /// Whose attention the frames show.
    public var attentionHeads: AttentionHeads
    /// The daemon's own sources of audio.
    public var streams: [StreamDescription]
    /// The instruction set that the kernels are built for, for `status`.
    public var kernels: String
    /// Of the audio that each client sends, of the kind `client`; nil when none is heard.
    public var clientStream: StreamDescription?

    /// Describes a server.
    public init(
      program: String, version: String, model: ModelDescription, keywords: [KeywordDescription],
      attentionHeads: AttentionHeads, streams: [StreamDescription],
      clientStream: StreamDescription? = nil, kernels: String = ""
    ) {
      self.kernels = kernels
      self.program = program
      self.version = version
      self.model = model
      self.keywords = keywords
      self.attentionHeads = attentionHeads
      self.streams = streams
      self.clientStream = clientStream
    }

    fileprivate func check() {
      let all = streams + (clientStream.map { [$0] } ?? [])
      precondition(!keywords.isEmpty && !all.isEmpty, "There is a stream and a keyword.")
      precondition(
        all.allSatisfy {
          $0.rate > 0 && $0.hop > 0 && $0.window > 0 && $0.bins > 0 && !$0.name.isEmpty
        } && model.heads > 0, "A stream has a name; its numbers and the model's are positive.")
    }
  }

  private struct Listening {
    var places: [ListeningPlace] = []
    let bell: any Channel
    let sweeping: RepeatedTask
  }

  private enum Phase {
    case initial
    case listening(Listening)
    case finished
  }

  private let group: MultiThreadedEventLoopGroup
  private let hub: NIOLoopBoundBox<Hub>
  private let publishers: [FramePublisher]
  private let doorbell: Doorbell
  private let counters: ServerCounters
  private let limits: ServerLimits
  private let policy: ServerPolicy
  private let logger: Logger
  private let phase = Mutex<Phase>(.initial)
  private let inputEnd = AsyncStream<Void>.makeStream()

  /// Prepares a server; nothing is opened before `listen`.
  ///
  /// - Parameters:
  ///   - description: What the server says of itself.
  ///   - listening: Who hears what clients send; needed where a `clientStream` is described.
  ///   - reloading: Who takes in a new model; nil where there is only the one.
  ///   - limits: Bounds on what clients can cost.
  ///   - policy: Who may do what.
  ///   - logger: For what the operator should know.
  public init(
    _ description: Description, listening: (any AudioListening)? = nil,
    reloading: (any Reloading)? = nil, limits: ServerLimits = ServerLimits(),
    policy: ServerPolicy = ServerPolicy(), logger: Logger
  ) {
    description.check()
    precondition(
      (listening == nil) == (description.clientStream == nil),
      "Clients are heard by somebody, and have a stream.")
    self.limits = limits
    self.policy = policy
    self.logger = logger
    let run = String(UInt64.random(in: .min ... .max), radix: 16)
    let identity = Hello(
      program: description.program, version: description.version,
      run: String(repeating: "0", count: 16 - run.utf8.count) + run, model: description.model,
      keywords: description.keywords, streams: description.streams,
      hearsClients: listening != nil, limits: limits)
    var clients: ClientAudioService?
    if let listening, let stream = description.clientStream {
      clients = ClientAudioService(stream: stream, listening: listening)
    }
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let hub = Hub(
      eventLoop: loop, identity: identity, attentionHeads: description.attentionHeads,
      clients: clients, reloading: reloading, limits: limits, kernels: description.kernels,
      logger: logger)
    publishers = hub.publishers
    counters = hub.counters
    doorbell = hub.doorbell
    self.hub = NIOLoopBoundBox.makeBoxSendingValue(hub, eventLoop: loop)
  }

  /// What the server has done so far; open to every thread.
  public var statistics: ServerStatistics { counters.statistics }

  /// The way in for the processing thread of a stream.
  ///
  /// - Parameter index: The stream's place in the list given to `init`.
  /// - Returns: The same publisher at each call.
  public func publisher(forStream index: Int) -> FramePublisher { publishers[index] }

  /// Makes a Unix socket at `path` and serves whoever connects.
  ///
  /// - Parameters:
  ///   - path: At most 107 bytes; its directory must exist.
  ///   - mode: Permissions of the socket file: who may connect.
  ///   - owner: Group of the socket file; nil leaves the process's.
  /// - Throws: `SocketError` when the socket can't be made.
  public func listen(
    at path: String, mode: mode_t = 0o600, group owner: gid_t? = nil
  ) async throws(SocketError) {
    try await listen(at: [.unix(path: path)], mode: mode, group: owner)
  }

  /// Serves whoever connects, in several places at once.
  ///
  /// Ignores SIGPIPE from then on, in the whole process.
  ///
  /// - Parameters:
  ///   - addresses: Where; the directories of Unix sockets must exist.
  ///   - mode: Permissions of Unix sockets: who may connect.
  ///   - owner: Group of Unix sockets; nil leaves the process's.
  /// - Throws: `SocketError` for the first that can't be made; none is left open then.
  public func listen(
    at addresses: [SocketAddress], mode: mode_t = 0o600, group owner: gid_t? = nil
  ) async throws(SocketError) {
    try await listen(at: addresses, as: \.self) { entrance, address throws(SocketError) in
      try await entrance.open(address, mode: mode, group: owner) { [inputEnd] in
        inputEnd.continuation.finish()
      }
    }
  }

  /// Serves whoever connects to sockets that a service manager made.
  ///
  /// Ignores SIGPIPE from then on, in the whole process.
  ///
  /// - Parameter sockets: Where; their files are left as they are, also at the end.
  /// - Throws: `SocketError` for the first that can't be served; none is left open then.
  public func listen(on sockets: [HandedSocket]) async throws(SocketError) {
    try await listen(at: sockets, as: \.address) { entrance, socket throws(SocketError) in
      try await entrance.open(socket)
    }
  }

  private func listen<Place>(
    at places: [Place], as address: (Place) -> SocketAddress,
    open: (Entrance, Place) async throws(SocketError) -> ListeningPlace
  ) async throws(SocketError) {
    signal(SIGPIPE, SIG_IGN)
    var listening: Listening
    do {
      listening = Listening(bell: try await connectBell(), sweeping: startSweeping())
    } catch {
      throw SocketError.system(
        operation: "serve", path: places.first.map { address($0).description } ?? "",
        code: (error as? IOError)?.errnoCode ?? EINVAL)
    }
    let entrance = Entrance(hub: hub, group: group, policy: policy)
    for place in places {
      do throws(SocketError) {
        listening.places.append(try await open(entrance, place))
      } catch {
        await close(listening)
        throw error
      }
    }
    begin(listening)
    for place in places { logger.info("listening at \(address(place))") }
  }

  /// Returns when the event loop has had a turn: it answers, or this waits.
  public func answer() async {
    // A loop that has ended has nobody to answer.
    try? await group.next().submit {}.get()
  }

  private func begin(_ listening: Listening) {
    phase.withLock { phase in
      guard case .initial = phase else { preconditionFailure("A server listens once.") }
      phase = .listening(listening)
    }
  }

  /// Reads model or configuration anew; clients can ask for the same.
  ///
  /// - Parameter target: What to read anew.
  /// - Returns: Whether anything has changed.
  /// - Throws: What is wrong with what was read; everything is as it was then.
  public func reload(_ target: ReloadTarget) async throws -> Bool {
    let hub = hub
    return try await group.next().flatSubmit { hub.value.reload(target) }.get()
  }

  /// Waits until the peer at the standard streams has gone; for ever when nobody is served there.
  public func standardStreamsEnd() async {
    for await _ in inputEnd.stream {}
  }

  /// The pipe that processing threads ring.
  private func connectBell() async throws -> any Channel {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "pipe") }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    let hub = hub
    do {
      let channel = try await NIOPipeBootstrap(group: group)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(BellHandler(hub: hub))
          }
        }
        .takingOwnershipOfDescriptor(input: ends[0]).get()
      doorbell.connect(ends[1])
      return channel
    } catch {
      Glibc.close(ends[1])
      throw error
    }
  }

  private func startSweeping() -> RepeatedTask {
    // A quarter of the shortest bound keeps the bounds to within that.
    let shortest = min(limits.eventTime, limits.stallTime, limits.drainTime, limits.answerTime)
    let interval = TimeAmount(shortest / 4)
    let hub = hub
    return group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
      hub.value.sweep()
    }
  }

  /// Sends what was published, says `bye`, and removes the socket files.
  ///
  /// Waits for the readers as long as the limits allow. Publish nothing after this.
  ///
  /// - Parameters:
  ///   - reason: Why the daemon stops.
  ///   - text: The same for people.
  public func shutdown(reason: ByeReason, text: String) async {
    let last = phase.withLock { phase in
      defer { phase = .finished }
      return phase
    }
    if case .finished = last { return }
    if case .listening(let listening) = last {
      for place in listening.places { await place.stopAccepting() }
      await sayGoodbye(Bye(reason: reason, text: text))
      await close(listening)
    }
    inputEnd.continuation.finish()
    try? await group.shutdownGracefully()
  }

  private func close(_ listening: Listening) async {
    for place in listening.places { await place.close() }
    listening.sweeping.cancel()
    // The errors of closing what is closed already are of no interest.
    try? await listening.bell.close()
  }

  private func sayGoodbye(_ bye: Bye) async {
    let loop = group.next()
    let hub = hub
    let everybodyGone = loop.makePromise(of: Void.self)
    loop.execute { hub.value.close(bye) { everybodyGone.succeed() } }
    let impatience = loop.scheduleTask(in: TimeAmount(limits.drainTime)) {
      hub.value.abandonAll()
    }
    try? await everybodyGone.futureResult.get()
    impatience.cancel()
  }
}

/// Answers the bell of the processing threads by reading what they published.
private final class BellHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let hub: NIOLoopBoundBox<Hub>

  init(hub: NIOLoopBoundBox<Hub>) { self.hub = hub }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { Self.drain(hub) }

  private static func drain(_ hub: NIOLoopBoundBox<Hub>) {
    guard !hub.value.drain() else { return }
    // More than a turn's worth: connections come first, then the rest.
    hub.value.eventLoop.execute { drain(hub) }
  }
}
