import AttentionSocket
import Logging
import ModelFile
import Synchronization

/// Hears what clients send: each in a stream of its own, all with the same weights.
///
/// Threads are started as clients come, as many as there are to be; a client goes to the one that
/// has the fewest.
final class ClientListening: AudioListening {
  private let model: ModelFile
  private let threshold: Float?
  private let mostThreads: Int
  private let mostClients: Int
  private let logger: Logger
  private let threads = Mutex<[ClientThread]>([])

  /// - Parameters:
  ///   - model: What to listen for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - threads: Most threads to work with.
  ///   - clients: Most clients at once.
  ///   - logger: For what goes wrong.
  init(model: ModelFile, threshold: Float?, threads: Int, clients: Int, logger: Logger) {
    self.model = model
    self.threshold = threshold
    mostThreads = threads
    mostClients = clients
    self.logger = logger
  }

  deinit { threads.withLock { $0.forEach { $0.stop() } } }

  func makeListener(publisher: FramePublisher) throws -> any AudioListener {
    let thread = try thread()
    let stream = try ClientStream(
      model: model, threshold: threshold, publisher: publisher, thread: thread)
    thread.expect()
    return stream
  }

  /// The thread with the fewest clients, a new one while there may be more and none is idle.
  private func thread() throws -> ClientThread {
    try threads.withLock { threads in
      let idlest = threads.min { $0.clients < $1.clients }
      if let idlest, idlest.clients == 0 || threads.count >= mostThreads { return idlest }
      let new = ClientThread(
        parameters: model.parameters, mostClients: mostClients, logger: logger)
      try new.start(number: threads.count + 1)
      threads.append(new)
      return new
    }
  }
}
