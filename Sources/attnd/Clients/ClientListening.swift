import AttentionSocket
import AudioInput
import Logging
import ModelFile
import Synchronization

/// Hears what clients send: each in a stream of its own, all with the same weights.
///
/// Threads are started as clients come, as many as there are to be; a client goes to the one that
/// has the fewest.
package final class ClientListening: AudioListening, ModelUser {
  /// What new clients are heard with, and by whom.
  private struct Present {
    var model: ModelFile
    var threshold: Float?
    var threads: [ClientThread] = []
    /// Those of models before, until their clients have gone.
    var retiring: [ClientThread] = []
  }

  private let mostThreads: Int
  private let mostClients: Int
  private let start: @Sendable (ClientThread, Int) throws -> Void
  private let timekeeper: any Timekeeper
  private let logger: Logger
  private let present: Mutex<Present>

  /// - Parameters:
  ///   - model: What to listen for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - threads: Most threads to work with.
  ///   - clients: Most clients at once.
  ///   - timekeeper: What time it is.
  ///   - start: Starts a thread of a number, from 1; where time is made up, it takes turns instead.
  ///   - logger: For what goes wrong.
  package init(
    model: ModelFile, threshold: Float?, threads: Int, clients: Int,
    timekeeper: any Timekeeper = SystemTime(),
    start: @escaping @Sendable (ClientThread, Int) throws -> Void = { try $0.start(number: $1) },
    logger: Logger
  ) {
    present = Mutex(Present(model: model, threshold: threshold))
    mostThreads = threads
    mostClients = clients
    self.timekeeper = timekeeper
    self.start = start
    self.logger = logger
  }

  deinit {
    present.withLock { present in
      for thread in present.threads + present.retiring { thread.stop() }
    }
  }

  package func makeListener(publisher: FramePublisher) throws -> any AudioListener {
    try present.withLock { present in
      endIdle(&present.retiring)
      let thread = try thread(&present)
      let stream = try ClientStream(
        model: present.model, threshold: present.threshold, publisher: publisher, thread: thread,
        timekeeper: timekeeper)
      thread.expect()
      return stream
    }
  }

  /// Hears clients that come from now on with another model; those that are here keep theirs.
  package func use(_ model: ModelFile, threshold: Float?) {
    present.withLock { present in
      present.threshold = threshold
      // Read again it is the same, and the threads have the weights that they have.
      guard present.model.digest != model.digest else { return }
      present.model = model
      present.retiring += present.threads
      present.threads = []
      endIdle(&present.retiring)
    }
  }

  private func endIdle(_ threads: inout [ClientThread]) {
    threads.removeAll { thread in
      guard thread.clients == 0 else { return false }
      thread.stop()
      return true
    }
  }

  /// The thread with the fewest clients, a new one while there may be more and none is idle.
  private func thread(_ present: inout Present) throws -> ClientThread {
    let idlest = present.threads.min { $0.clients < $1.clients }
    if let idlest, idlest.clients == 0 || present.threads.count >= mostThreads { return idlest }
    let new = ClientThread(
      parameters: present.model.parameters, mostClients: mostClients, timekeeper: timekeeper,
      logger: logger)
    try start(new, present.threads.count + 1)
    present.threads.append(new)
    return new
  }
}
