import AttentionSocket
import Logging
import ModelFile
import ServiceLifecycle
import StreamingAttention

/// The socket while the daemon runs: says goodbye to every reader when it stops.
struct SocketService: Service {
  let server: AttentionServer

  /// Waits until the daemon is to stop, then drains what was published and removes the socket.
  func run() async throws {
    try? await gracefulShutdown()
    await server.shutdown(reason: .shutdown, text: "attnd is stopping")
  }
}

extension AttentionServer {
  /// A server for one stream of a model.
  convenience init(
    model: ModelFile, threshold: Float?, stream: String, kind: StreamDescription.Kind,
    logger: Logger
  ) {
    let architecture = model.architecture
    self.init(
      program: "attnd", version: Version.text,
      model: ModelDescription(
        name: model.name, digest: model.digest, score: architecture.score.rawValue,
        heads: architecture.headCount),
      keywords: model.keywords.map {
        KeywordDescription(
          name: $0.name, phrase: $0.phrase, threshold: threshold ?? $0.threshold)
      },
      attentionHeads: architecture.heads == .keyword ? .perKeyword : .shared,
      streams: [
        StreamDescription(
          name: stream, kind: kind, rate: model.sampleRate,
          hop: model.stepSamples, window: architecture.window,
          bins: architecture.bins)
      ],
      logger: logger)
  }
}
