import AttentionSocket
import KernelDispatch
import Logging
import ModelFile
import ServiceLifecycle
import StreamingAttention

/// The socket while the daemon runs: says goodbye to every reader when it stops.
struct SocketService: Service {
  let server: AttentionServer

  /// Waits until the daemon is to stop, or whoever talks over the standard streams has gone; then
  /// drains what was published and removes the sockets.
  func run() async throws {
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try? await gracefulShutdown() }
      tasks.addTask { await server.standardStreamsEnd() }
      await tasks.next()
      tasks.cancelAll()
    }
    await server.shutdown(reason: .shutdown, text: "attnd is stopping")
  }
}

extension AttentionServer.Description {
  /// A server that a model listens for.
  ///
  /// - Parameters:
  ///   - model: What is listened for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - streams: Names and kinds of the daemon's own sources.
  ///   - hearsClients: Whether clients may send audio.
  package init(
    model: ModelFile, threshold: Float?, streams: [(name: String, kind: StreamDescription.Kind)],
    hearsClients: Bool = false
  ) {
    let architecture = model.architecture
    func stream(_ name: String, _ kind: StreamDescription.Kind) -> StreamDescription {
      StreamDescription(
        name: name, kind: kind, rate: model.sampleRate, hop: model.stepSamples,
        window: architecture.window, bins: architecture.bins)
    }
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
      streams: streams.map { stream($0.name, $0.kind) },
      clientStream: hearsClients ? stream(StreamDescription.clientName, .client) : nil,
      kernels: InstructionSet.current.rawValue)
  }
}
