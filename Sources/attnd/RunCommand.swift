import ArgumentParser
import AttentionSocket
import FoundationEssentials
import Glibc
import Logging
import ModelFile
import ServiceLifecycle
import UnixSignals

/// The daemon: sound in, attention frames and detections out of a socket, until it is told to stop.
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Listen to a microphone, a file or a pipe, and serve what is heard on a socket.",
    discussion: """
      Sound comes from --device (an ALSA capture device), from several of them by --stream, from \
      --file or --stdin. A device that is unplugged, or not there yet, is waited for. Attention \
      frames and detections go to everybody who connects to --socket and subscribes; 'attnd watch' \
      is such a subscriber, Docs/protocol.md is for those who write one.

      Clients may send their own sound, too: every --socket is a wake-word service as Wyoming \
      defines it, for Home Assistant, satellites and whatever else speaks it.

        attnd run --device default
        attnd run --stream kitchen=plughw:CARD=Mic --stream door=hw:2@1
        attnd run --file talk.flac --socket /tmp/attnd.sock
        arecord -f S16_LE -r 16000 -c 1 | attnd run --stdin
        attnd run --device none --socket tcp://0.0.0.0:10400 --allow-remote

      A file is played at its own speed, as a microphone would (--pace fastest: as fast as it \
      goes). SIGTERM and SIGINT end it in order: what was heard is delivered, every client gets \
      'bye', the socket is removed, exit 0. The end of a file or pipe does the same.

      SIGHUP reads the model and the configuration anew (on a terminal, whose end it is, it ends the \
      daemon): what is new is checked first, each stream takes it between two steps, and if anything \
      is wrong with it all stays as it is. So does a client's 'reload'. Threshold and model change; \
      other settings need a restart, and the log says which of them have changed.
      """)

  enum Pace: String, CaseIterable, ExpressibleByArgument {
    case realTime = "real-time"
    case fastest
  }

  @OptionGroup var source: SourceOptions
  @OptionGroup var listening: ListeningOptions
  @OptionGroup var socket: SocketOptions
  @OptionGroup var mqtt: MQTTOptions
  @OptionGroup var clips: ClipOptions

  @Option(help: ArgumentHelp("Speed of --file: real-time or fastest.", valueName: "pace"))
  var pace: Pace = .realTime

  @Flag(help: "Begin --file again when it has ended, for ever.")
  var loop = false

  @Option(help: ArgumentHelp(SettingsTable.jobs.entry))
  var jobs: String?

  func validate() throws {
    guard !loop || source.file != nil else { throw ValidationError("--loop is for --file") }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    // Until somebody listens to it: a reload that comes too early is none, and no end.
    let isOnTerminal = isatty(STDERR_FILENO) != 0
    if !isOnTerminal { signal(SIGHUP, SIG_IGN) }
    let handed = try HandedSockets.take(environment: environment)
    var settings = try resolved()
    if !handed.isEmpty { settings.take(handed) }
    let logger = settings.makeLogger()
    let model = try settings.loadModel()
    // Before a device is opened for it.
    _ = try model.frontEnd()
    let addresses = try settings.checkedSockets()
    let policy = try settings.policy()
    let mqtt = try settings.mqtt.map { try MQTTService($0, sockets: addresses, logger: logger) }
    let inputs = try settings.openInputs(rate: model.sampleRate, pace: pace, loops: loop)
    let clients = ClientListening(
      model: model, threshold: settings.threshold, threads: settings.jobs,
      clients: settings.connections, logger: logger)
    let exchanges = inputs.map { _ in PipelineExchange(model) }
    let reload = ModelReload(
      .init(settings, model: model),
      streams: zip(inputs, exchanges).map { .init(name: $0.name, kind: $0.kind, exchange: $1) },
      clients: clients, settings: { try resolved() }, logger: logger)
    let server = AttentionServer(
      AttentionServer.Description(
        model: model, threshold: settings.threshold,
        streams: inputs.map { (name: $0.name, kind: $0.kind) }, hearsClients: true),
      listening: clients, reloading: reload, limits: settings.limits, policy: policy, logger: logger
    )
    // /run is emptied at every start of the machine; a service has its folder made by systemd.
    if settings.isSocketStandard, case .unix(let path) = addresses[0] { try makeFolder(of: path) }
    if handed.isEmpty {
      try await server.listen(at: addresses, mode: settings.socketMode)
    } else {
      try await server.listen(on: handed)
    }
    logger.info(
      "listening for \(model.keywords.map(\.phrase).joined(separator: ", "))",
      metadata: ["model": "\(model.name)"])
    if inputs.isEmpty { logger.info("listening to what clients send") }

    let voice =
      inputs.contains(where: \.isReference)
      ? OwnVoice(keywords: model.keywords.count) : nil
    let clips = settings.clips.map { ClipKeeping($0, logger: logger) }
    let streams = inputs.enumerated().map { index, input in
      let publisher = server.publisher(forStream: index)
      let pulse = StreamPulse(name: input.name)
      return StreamService(
        source: input.source(publisher, pulse, logger), model: model,
        threshold: settings.threshold, publisher: publisher, clips: clips,
        patience: input.kind == .file && pace == .fastest ? .waits : .none, pulse: pulse,
        exchange: exchanges[index],
        role: voice.map { input.isReference ? .reference($0) : .microphone($0) } ?? .none,
        logger: logger)
    }
    let notifier = ServiceNotifier(environment: environment)
    try await ServiceGroup(
      configuration: .daemon(
        server: server, streams: streams, mqtt: mqtt,
        supervision: SupervisionService(
          streams: streams.map(\.pulse), server: server, notifier: notifier,
          environment: environment, logger: logger),
        reload: isOnTerminal
          ? nil : ReloadService(server: server, notifier: notifier, logger: logger),
        logger: logger)
    ).run()
  }

  private func resolved() throws -> Settings {
    try listening.resolve(
      source: source, socket: socket, mqtt: mqtt, clips: clips, jobs: jobs)
  }
}

extension ServiceGroupConfiguration {
  /// The daemon's services.
  ///
  /// They stop in reverse order: first the streams, so that the socket can deliver its end. The end
  /// of a stream is the end of the daemon; so is that of whoever talks over the standard streams.
  /// MQTT reads from the socket, so it is told to stop when the socket has said everything. The
  /// service manager hears first that they do. Without `reload`, on a terminal, SIGHUP says that the
  /// terminal has gone, and ends the daemon as well.
  static func daemon(
    server: AttentionServer, streams: [StreamService], mqtt: MQTTService? = nil,
    supervision: SupervisionService<SuspendingClock>? = nil, reload: ReloadService? = nil,
    logger: Logger
  ) -> ServiceGroupConfiguration {
    var services: [ServiceConfiguration] = [
      .init(
        service: SocketService(server: server),
        successTerminationBehavior: .gracefullyShutdownGroup)
    ]
    if let mqtt { services.insert(.init(service: mqtt), at: 0) }
    for stream in streams {
      services.append(
        .init(
          service: stream, successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup))
    }
    if let supervision { services.append(.init(service: supervision)) }
    if let reload { services.append(.init(service: reload)) }
    return ServiceGroupConfiguration(
      services: services,
      gracefulShutdownSignals: [.sigterm, .sigint] + (reload == nil ? [.sighup] : []),
      logger: logger)
  }
}
