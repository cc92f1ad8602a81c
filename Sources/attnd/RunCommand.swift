import ArgumentParser
import AttentionSocket
import AudioInput
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
      Sound comes from one of --device (an ALSA capture device), --file or --stdin. Attention \
      frames and detections go to everybody who connects to --socket and subscribes; 'attnd watch' \
      is such a subscriber, Docs/protocol.md is for those who write one.

        attnd run --device default
        attnd run --file talk.flac --socket /tmp/attnd.sock
        arecord -f S16_LE -r 16000 -c 1 | attnd run --stdin

      A file is played at its own speed, as a microphone would (--pace fastest: as fast as it \
      goes). SIGTERM and SIGINT end it in order: what was heard is delivered, every client gets \
      'bye', the socket is removed, exit 0. The end of a file or pipe does the same.
      """)

  enum Pace: String, CaseIterable, ExpressibleByArgument {
    case realTime = "real-time"
    case fastest
  }

  @OptionGroup var source: SourceOptions
  @OptionGroup var listening: ListeningOptions
  @OptionGroup var socket: SocketOptions

  @Option(help: ArgumentHelp("Speed of --file: real-time or fastest.", valueName: "pace"))
  var pace: Pace = .realTime

  func run() async throws {
    let settings = try listening.resolve(source: source, socket: socket)
    let logger = settings.makeLogger()
    let model = try settings.loadModel()
    // Before a device is opened for it.
    _ = try model.frontEnd()
    let (input, name, kind) = try settings.openSource(rate: model.sampleRate, pace: pace)
    let server = AttentionServer(
      model: model, threshold: settings.threshold, stream: name, kind: kind, logger: logger)
    let path = try settings.socket
    // /run is emptied at every start of the machine; a service has its folder made by systemd.
    if settings.isSocketStandard { try makeFolder(of: path) }
    try await server.listen(at: path, mode: settings.socketMode)
    logger.info(
      "listening to \(input.name)",
      metadata: [
        "model": "\(model.name)",
        "keywords": "\(model.keywords.map(\.phrase).joined(separator: ", "))",
      ])

    let stream = StreamService(
      source: input, model: model, threshold: settings.threshold,
      publisher: server.publisher(forStream: 0), logger: logger)
    try await ServiceGroup(
      configuration: .daemon(server: server, stream: stream, logger: logger)
    ).run()
  }
}

extension ServiceGroupConfiguration {
  /// The daemon's services.
  ///
  /// They stop in reverse order: first the stream, so that the socket can deliver its end. The end
  /// of the stream is the end of the daemon.
  static func daemon(
    server: AttentionServer, stream: StreamService, logger: Logger
  ) -> ServiceGroupConfiguration {
    ServiceGroupConfiguration(
      services: [
        .init(service: SocketService(server: server)),
        .init(
          service: stream, successTerminationBehavior: .gracefullyShutdownGroup,
          failureTerminationBehavior: .gracefullyShutdownGroup),
      ],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: logger)
  }
}
