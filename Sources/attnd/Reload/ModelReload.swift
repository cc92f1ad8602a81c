import AttentionSocket
import AudioInput
import Logging
import ModelFile

/// Puts a new model, or new thresholds, in place of what a running daemon listens with.
///
/// What is new is read, checked and made ready aside, and taken by each stream between two of its hops.
/// Where anything is wrong with it nothing changes. Only what clients of the socket don't notice in the
/// form of their events may differ: rate, keywords, attention window and heads are the same, or the
/// daemon must be started anew.
package actor ModelReload: Reloading {
  /// What is listened with.
  package struct Listening: Sendable {
    package private(set) var model: ModelFile
    /// In place of every keyword's own; nil for those.
    package let threshold: Float?
    /// Where the model is; nil for the one that the program carries.
    private let path: String?
    /// The settings as they were written, by name, to find what has changed.
    fileprivate let texts: [String: String]

    package init(_ settings: Settings, model: ModelFile) {
      self.model = model
      threshold = settings.threshold
      path = settings.model
      texts = settings.texts
    }

    /// What is to be listened with from now on.
    ///
    /// - Parameters:
    ///   - target: What to read: the model's file, the settings (and the model if they name another one),
    ///     or both.
    ///   - settings: Finds the settings anew.
    /// - Returns: The same, or something else.
    /// - Throws: What is wrong with the settings or with the model.
    package func readAgain(
      _ target: ReloadTarget, settings: () throws -> Settings
    ) throws -> Listening {
      var new = self
      if target != .model { new = Listening(try settings(), model: model) }
      if target != .config || new.path != path { new.model = try Settings.loadModel(at: new.path) }
      return new
    }
  }

  /// A stream of the daemon's: where its thread finds a new pipeline, and who keeps its clips.
  package struct Stream: Sendable {
    package let name: String
    package let kind: StreamDescription.Kind
    package let exchange: PipelineExchange

    package init(name: String, kind: StreamDescription.Kind, exchange: PipelineExchange) {
      self.name = name
      self.kind = kind
      self.exchange = exchange
    }
  }

  private var present: Listening
  private let streams: [Stream]
  private let clients: (any ModelUser)?
  private let settings: @Sendable () throws -> Settings
  private let timekeeper: any Timekeeper
  private let logger: Logger
  /// What was said of the settings when the daemon started.
  private let atStart: [String: String]
  /// Settings of which the log says that they wait for the next start.
  private var told: Set<String> = []

  /// How long is waited for what a stream leaves.
  private static let patience = (turns: 50, pause: Duration.milliseconds(20))

  /// - Parameters:
  ///   - present: What is listened with now.
  ///   - streams: The daemon's own.
  ///   - clients: Who hears what clients send.
  ///   - settings: Finds the settings anew; throws what is wrong with them.
  ///   - timekeeper: What time it is, for new pipelines.
  ///   - logger: For what can only change when the daemon is started anew.
  package init(
    _ present: Listening, streams: [Stream], clients: (any ModelUser)?,
    settings: @escaping @Sendable () throws -> Settings,
    timekeeper: any Timekeeper = SystemTime(), logger: Logger
  ) {
    self.present = present
    self.streams = streams
    self.clients = clients
    self.settings = settings
    self.timekeeper = timekeeper
    self.logger = logger
    atStart = present.texts
  }

  /// Finds what is new, and makes it ready.
  ///
  /// - Parameter target: What to read anew.
  /// - Returns: What the server is to say of it, and what then begins; nil when all is as it was.
  /// - Throws: What is wrong with it; nothing has changed then.
  package func reload(_ target: ReloadTarget) async throws -> Reloaded? {
    let new = try present.readAgain(target, settings: settings)
    defer { tellOfRestart(new) }
    let isOtherModel = new.model.digest != present.model.digest
    guard isOtherModel || new.threshold != present.threshold else {
      present = new
      return nil
    }
    let (old, description) = (description(of: present), description(of: new))
    if let difference = old.difference(from: description) {
      throw Failure(
        .configuration,
        "the new model has \(difference): attnd must be started anew for it")
    }
    // All of them before any is offered: where one can't be made, no stream changes. Thresholds alone
    // reach the streams as those that clients set do.
    let refits =
      isOtherModel
      ? try streams.map { _ in
        Refit(
          try Pipeline(new.model, threshold: new.threshold, timekeeper: timekeeper),
          text: "listening with \(new.model.name)")
      } : []
    present = new
    logger.info(
      isOtherModel ? "listening with \(new.model.name)" : "listening with other thresholds",
      metadata: ["digest": "\(new.model.digest)"])
    return Reloaded(model: description.model, keywords: description.keywords) { [self] in
      for (stream, refit) in zip(streams, refits) { stream.exchange.offer(refit, of: new.model) }
      clients?.use(new.model, threshold: new.threshold)
      Task { await collect() }
    }
  }

  /// Says which settings are others than at the start, when it is others than were said.
  private func tellOfRestart(_ new: Listening) {
    let waiting = Set(new.texts.keys).union(atStart.keys)
      .filter { new.texts[$0] != atStart[$0] && !SettingsTable.reloadable.contains($0) }
    guard waiting != told else { return }
    told = waiting
    let names = waiting.sorted().joined(separator: ", ")
    logger.warning(
      waiting.isEmpty
        ? "no setting waits for attnd to be started anew any more"
        : "changed, and read when attnd is started anew: \(names)")
  }

  /// Frees what the streams have left, as soon as they have; one without sound keeps it until the next
  /// reload.
  private func collect() async {
    for _ in 0..<Self.patience.turns {
      let areTaken = streams.map { $0.exchange.collect() }
      if !areTaken.contains(false) { return }
      try? await Task.sleep(for: Self.patience.pause)
    }
  }

  private func description(of listening: Listening) -> AttentionServer.Description {
    AttentionServer.Description(
      model: listening.model, threshold: listening.threshold,
      streams: streams.map { (name: $0.name, kind: $0.kind) }, hearsClients: true)
  }
}

/// Who listens with a model, and can do so with another from some moment on.
package protocol ModelUser: Sendable {
  /// Listens with another model from now on, where nothing has begun.
  ///
  /// - Parameters:
  ///   - model: Its form is that of the one before.
  ///   - threshold: In place of every keyword's own; nil for those.
  func use(_ model: ModelFile, threshold: Float?)
}

extension AttentionServer.Description {
  /// What clients of the socket would notice of another description, but for the model's name and digest
  /// and the thresholds.
  fileprivate func difference(from new: Self) -> String? {
    func text(_ names: [KeywordDescription]) -> String {
      names.map { "\($0.name) (\($0.phrase))" }.joined(separator: ", ")
    }
    if text(keywords) != text(new.keywords) {
      return "the keywords \(text(new.keywords)), not \(text(keywords))"
    }
    let (all, allNew) = (
      streams + [clientStream].compactMap(\.self),
      new.streams + [new.clientStream].compactMap(\.self)
    )
    for (stream, other) in zip(all, allNew) where stream != other {
      let differences: [(String, Int, Int)] = [
        ("Hz", stream.rate, other.rate), ("samples a step", stream.hop, other.hop),
        ("steps in the attention's window", stream.window, other.window),
        ("numbers in a row", stream.bins, other.bins),
      ]
      for (unit, mine, others) in differences where mine != others {
        return "\(others) \(unit), not \(mine)"
      }
    }
    if model.heads != new.model.heads || attentionHeads != new.attentionHeads {
      return "other attention heads"
    }
    return nil
  }
}
