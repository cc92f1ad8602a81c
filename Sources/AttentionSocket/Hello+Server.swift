extension Hello {
  /// Optional abilities of this version.
  private static let implemented = ["weights", "spectrum", "replay", "snapshot", "control"]

  /// What a server says of itself before any stream has started.
  ///
  /// - Parameters:
  ///   - program: The daemon's name.
  ///   - version: The daemon's version.
  ///   - run: Sixteen hexadecimal digits.
  ///   - model: The model that listens.
  ///   - keywords: In the order of the model.
  ///   - streams: The daemon's own.
  ///   - hearsClients: Whether clients may send audio.
  ///   - limits: Of the server.
  package init(
    program: String, version: String, run: String, model: ModelDescription,
    keywords: [KeywordDescription], streams: [StreamDescription], hearsClients: Bool = false,
    limits: ServerLimits
  ) {
    self.init(
      protocolVersion: Self.protocolVersion, program: program, version: version, run: run,
      model: model,
      streams: streams.map { Stream(description: $0, epoch: 0, state: .starting) },
      keywords: keywords, features: Self.implemented + (hearsClients ? ["self"] : []),
      mayControl: false,
      limits: [
        "header": limits.header, "data": limits.data, "payload": limits.payload,
        "queue_events": limits.queueEvents, "queue_bytes": limits.queueBytes,
        "history": limits.history,
      ])
  }
}
