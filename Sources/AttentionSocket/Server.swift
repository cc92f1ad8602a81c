import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// The socket of the daemon: what its streams attend to and detect, for any number of readers.
///
/// A processing thread speaks through its `FramePublisher` and never waits. One event loop encodes, keeps
/// the history of detections and a bounded queue per connection; no reader can delay another, or the
/// processing.
public final class AttentionServer: Sendable {
  private struct Listening {
    let channel: any Channel
    let socket: ListeningSocket
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
  private let logger: Logger
  private let phase = Mutex<Phase>(.initial)

  /// Prepares a server; nothing is opened before `listen`.
  ///
  /// - Parameters:
  ///   - program: The daemon's name.
  ///   - version: The daemon's version.
  ///   - model: The model that listens.
  ///   - keywords: In the order of the posteriors.
  ///   - attentionHeads: Whose attention the frames show.
  ///   - streams: The daemon's sources of audio.
  ///   - limits: Bounds on what clients can cost.
  ///   - logger: For what the operator should know.
  public init(
    program: String, version: String, model: ModelDescription, keywords: [KeywordDescription],
    attentionHeads: AttentionHeads, streams: [StreamDescription],
    limits: ServerLimits = ServerLimits(), logger: Logger
  ) {
    precondition(!keywords.isEmpty && !streams.isEmpty, "There is a stream and a keyword.")
    precondition(
      streams.allSatisfy {
        $0.rate > 0 && $0.hop > 0 && $0.window > 0 && $0.bins > 0 && !$0.name.isEmpty
      } && model.heads > 0, "A stream has a name; its numbers and the model's are positive.")
    self.limits = limits
    self.logger = logger
    let run = String(UInt64.random(in: .min ... .max), radix: 16)
    let identity = Hello(
      program: program, version: version,
      run: String(repeating: "0", count: 16 - run.utf8.count) + run, model: model,
      keywords: keywords, streams: streams, limits: limits)
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let loop = group.next()
    let hub = Hub(
      eventLoop: loop, identity: identity, attentionHeads: attentionHeads, limits: limits,
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

  /// Makes the socket at `path` and serves whoever connects.
  ///
  /// Ignores SIGPIPE from then on, in the whole process.
  ///
  /// - Parameters:
  ///   - path: At most 107 bytes; its directory must exist.
  ///   - mode: Permissions of the socket file: who may connect.
  ///   - owner: Group of the socket file; nil leaves the process's.
  /// - Throws: `SocketError` when the socket can't be made.
  public func listen(
    at path: String, mode: mode_t = 0o600, group owner: gid_t? = nil
  ) async throws(SocketError) {
    signal(SIGPIPE, SIG_IGN)
    let socket = try ListeningSocket(at: path, mode: mode, group: owner)
    var isTaken = false
    do {
      let bell = try await connectBell()
      isTaken = true
      let channel = try await accept(on: socket.descriptor)
      begin(
        Listening(channel: channel, socket: socket, bell: bell, sweeping: startSweeping()))
    } catch {
      if !isTaken { close(socket.descriptor) }
      socket.remove()
      let code = (error as? IOError)?.errnoCode ?? EINVAL
      throw SocketError.system(operation: "serve", path: path, code: code)
    }
    logger.info("listening at \(path)")
  }

  private func begin(_ listening: Listening) {
    phase.withLock { phase in
      guard case .initial = phase else { preconditionFailure("A server listens once.") }
      phase = .listening(listening)
    }
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
      close(ends[1])
      throw error
    }
  }

  private func accept(on descriptor: CInt) async throws -> any Channel {
    let hub = hub
    return try await ServerBootstrap(group: group)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      // The queue is the place to wait: the channel itself holds 16 KiB at most, and one event more.
      .childChannelOption(
        .writeBufferWaterMark,
        value: ChannelOptions.Types.WriteBufferWaterMark(
          low: 4 << 10, high: 16 << 10)
      )
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Connection(hub: hub.value))
        }
      }
      .withBoundSocket(descriptor).get()
  }

  private func startSweeping() -> RepeatedTask {
    // A quarter of the shortest bound keeps the bounds to within that.
    let shortest = min(limits.eventTime, limits.stallTime, limits.drainTime)
    let interval = TimeAmount(shortest / 4)
    let hub = hub
    return group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
      hub.value.sweep()
    }
  }

  /// Sends what was published, says `bye`, and removes the socket file.
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
    if case .listening(let listening) = last {
      // The errors of closing what is closed already are of no interest.
      try? await listening.channel.close()
      await sayGoodbye(Bye(reason: reason, text: text))
      listening.sweeping.cancel()
      try? await listening.bell.close()
      listening.socket.remove()
    }
    if case .finished = last { return }
    try? await group.shutdownGracefully()
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
