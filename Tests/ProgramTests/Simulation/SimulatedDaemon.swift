import AttentionSocket
import AudioInput
import Dispatch
import Glibc
import Logging
import ModelFile
import NIOCore
import NIOEmbedded
import Simulated
import Synchronization
import TestSupport
import attnd

/// Every part of a daemon with a microphone, on one thread and on a clock that goes on when somebody
/// waits.
///
/// The stream drives it: where it would wait for sound, `whileIdle` lets the others have their turn.
/// Missing are what only a system has (threads, sockets, signals, ALSA itself) and MQTT's library.
final class SimulatedDaemon {
  static let keywords = ["alexa", "view_glass"]
  static let run = "0123456789abcdef"

  let time = SimulatedTime()
  let loop = EmbeddedEventLoop()
  let microphone: Microphone
  let device: DeviceSource
  /// Between the device and the stream.
  let heard: HeardSource
  let stream: ListeningStream
  let publisher: FramePublisher
  let pulse = StreamPulse(name: "mic")
  let hub: Hub
  let exchange: PipelineExchange
  let recorder: ClipRecorder
  let disk = MemoryFolder()
  /// The threads that hear clients.
  let threads = Turns()
  /// What new clients are heard with.
  private(set) var present: Listening
  /// A folder of its own, with the model in it.
  let folder: TemporaryFolder
  let settings = ChangingSettings()

  private let reload: ModelReload
  private let account = Account()

  /// What is listened with.
  struct Listening {
    var model: ModelFile
    /// In place of every keyword's own.
    var threshold: Float?
  }

  /// Threads that take turns.
  final class Turns: Sendable {
    private let all = Mutex<[ClientThread]>([])

    func add(_ thread: ClientThread) { all.withLock { $0.append(thread) } }

    /// Lets each hear all that there is.
    func take() { for thread in all.withLock(\.self) { while thread.turn() {} } }
  }

  /// What the daemon's parts have said, and what is done around what isn't theirs.
  private final class Account: @unchecked Sendable {
    // Unchecked: a world has one thread.
    var state = StreamState.starting
    var hasListened = false
    var clipsMissed = 0
    var aside: (() -> Void) -> Void = { $0() }
    var tell: (DeviceSource.Condition, SamplePosition) -> Void = { _, _ in }

    /// A device is there, or isn't.
    func take(_ condition: DeviceSource.Condition) {
      switch condition {
      case .listening: (state, hasListened) = (.running, true)
      case .searching: state = hasListened ? .recovering : .waiting
      }
    }
  }

  /// - Parameters:
  ///   - seed: Of the model and the microphone.
  ///   - reset: When the model forgets.
  /// - Throws: What the parts find wrong.
  init(seed: UInt64, reset: ModelFile.ResetRule) throws {
    let (time, account, settings, threads) = (time, account, settings, threads)
    let logger = Logger(label: "world") { _ in SwiftLogNoOpLogHandler() }
    folder = try TemporaryFolder()
    let path = try folder.file(Self.modelName, SmallModel.bytes(seed: seed) { $0.reset = reset })
    settings["model"] = path
    let model = try ModelFile(path: path)
    present = Listening(model: model)

    let microphone = Microphone(sampleRate: model.sampleRate, time: time, seed: seed)
    self.microphone = microphone
    nonisolated(unsafe) let card = microphone
    device = DeviceSource(
      name: "microphone", sampleRate: model.sampleRate, timekeeper: time,
      open: { () throws(AudioInputError) in
        var opened: Result<any AudioSource, AudioInputError>?
        account.aside {
          do throws(AudioInputError) { opened = .success(try card.open()) } catch {
            opened = .failure(error)
          }
        }
        guard let opened else { throw .deviceMissing(device: "microphone", reason: "not asked") }
        return try opened.get()
      },
      observer: { condition, position in
        account.aside {
          account.take(condition)
          account.tell(condition, position)
        }
      })
    heard = HeardSource(device)

    let exchange = PipelineExchange(model)
    self.exchange = exchange
    let clients = ClientListening(
      model: model, threshold: nil, threads: 2, clients: 16, timekeeper: time,
      start: { thread, _ in threads.add(thread) }, logger: logger)
    reload = ModelReload(
      ModelReload.Listening(try settings.resolve(), model: model),
      streams: [.init(name: "mic", kind: .device, exchange: exchange)], clients: clients,
      settings: { try settings.resolve() }, timekeeper: time, logger: logger)
    hub = Self.hub(loop, of: model, clients, time, logger)
    let publisher = hub.publishers[0]
    self.publisher = publisher
    let reports = DeviceReports(stream: "mic", publisher: publisher, pulse: pulse, logger: logger)
    account.tell = { reports.tell($0, device: "microphone", at: $1) }
    recorder = ClipRecorder(
      heard, stream: "mic", models: exchange.models,
      settings: ClipSettings(folder: "", before: 0.5, after: 0.3),
      store: ClipStore(folder: disk, mostClips: 20, mostBytes: 200_000), patience: .none,
      clock: { time.unix }, isSuppressed: { publisher.isInhibited($0, at: $1.position) },
      warn: {
        account.clipsMissed += 1
        publisher.warn(.noSpace)
      }, logger: logger)
    stream = try ListeningStream(
      source: device, model: model, threshold: nil, publisher: publisher, pulse: pulse,
      exchange: exchange, recorder: recorder, timekeeper: time)
  }

  private static func hub(
    _ loop: EmbeddedEventLoop, of model: ModelFile, _ clients: ClientListening,
    _ time: SimulatedTime, _ logger: Logger
  ) -> Hub {
    let description = AttentionServer.Description(
      model: model, threshold: nil, streams: [(name: "mic", kind: .device)], hearsClients: true)
    // Small, so that they are met.
    var limits = ServerLimits()
    (limits.history, limits.retainedFrames, limits.connections) = (64, 300, 16)
    return Hub(
      eventLoop: loop,
      identity: Hello(
        program: description.program, version: description.version, run: run,
        model: description.model, keywords: description.keywords, streams: description.streams,
        hearsClients: true, limits: limits),
      attentionHeads: description.attentionHeads,
      clients: description.clientStream.map { ClientAudioService(stream: $0, listening: clients) },
      limits: limits,
      clock: ServerClock(unix: { time.unix }, sinceBoot: { time.sinceBoot }), logger: logger)
  }

  /// The model's file in the folder.
  static let modelName = "model.safetensors"

  /// What readers must have been told of the stream.
  var state: StreamState { account.state }

  /// Detections whose sound couldn't be kept.
  var clipsMissed: Int { account.clipsMissed }

  /// Whose turn it is where the stream would wait, given what the capture thread would do next.
  func whenIdle(_ turn: @escaping (_ capture: () -> Void) -> Void) {
    microphone.whileIdle = turn
    time.whileWaiting = { turn {} }
  }

  /// Calls something around all that a daemon on a system wouldn't do within a hop.
  func setAside(_ aside: @escaping (() -> Void) -> Void) {
    account.aside = aside
    heard.aside = aside
  }

  /// The stream has taken a new model, and says that it runs.
  func hasTakenModel() { account.state = .running }

  /// A connection, as the entrance makes it.
  func connect(_ peer: Peer) throws -> EmbeddedSubscriber {
    let channel = EmbeddedChannel(handlers: [], loop: loop)
    try channel.pipeline.syncOperations.addHandler(Connection(hub: hub, peer: peer))
    try channel.connect(to: NIOCore.SocketAddress(unixDomainSocketPath: "/world")).wait()
    return EmbeddedSubscriber(channel)
  }

  /// Reads model and settings anew, as at SIGHUP, while the world stands still.
  ///
  /// - Throws: What is wrong with them.
  func readAnew() throws {
    let done = DispatchSemaphore(value: 0)
    let outcome = Mutex<Result<Reloaded?, any Error>>(.success(nil))
    Task { [reload] in
      do {
        let new = try await reload.reload(.all)
        outcome.withLock { $0 = .success(new) }
      } catch {
        outcome.withLock { $0 = .failure(error) }
      }
      done.signal()
    }
    done.wait()
    guard let new = try outcome.withLock(\.self).get() else { return }
    hub.take(new)
    let given = try settings.resolve()
    present = Listening(
      model: try ModelFile(path: settings["model"] ?? ""), threshold: given.threshold)
  }
}
