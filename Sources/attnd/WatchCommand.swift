import ArgumentParser
import AttentionSocket

/// A subscriber for people: what the daemon hears, drawn in the terminal.
struct WatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show live what a running daemon hears and attends to.",
    discussion: """
      Draws the level of the sound, the posterior of each keyword, and over the last seconds where \
      each keyword's attention looks: the tallest block is the step with the largest weight. \
      Below stand the newest detections. Ctrl-C ends it; the daemon does not notice.

      Where standard output is no terminal, detections and a line a second are printed instead.
      """)

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await AttentionClient.withConnection(to: try daemon.address()) { client in
      let end = try await AttentionWatcher(client).watch()
      try StandardOutput.write("\n\(end)\n")
    }
  }
}

/// A subscription to a daemon's events, and how they are shown.
struct AttentionWatcher {
  private let client: AttentionClient
  private let isLive = StandardOutput.isTerminal

  /// Subscribes; every event from then on will be seen.
  ///
  /// - Parameter client: A connection, subscribed to nothing yet.
  /// - Throws: `SocketError` when the daemon refuses or goes.
  init(_ client: AttentionClient) async throws {
    self.client = client
    // Some fifteen pictures a second are as many as anybody sees.
    let framesPerSecond = client.hello.streams.first.map {
      Double($0.description.rate) / Double($0.description.hop)
    }
    let every = max(1, Int(((framesPerSecond ?? 15) / 15).rounded()))
    try await client.subscribe(
      SubscriptionRequest(
        events: SubscribableEvent.allCases, every: every, weights: isLive ? .float32 : .none))
  }

  /// Shows what comes until the daemon says goodbye.
  ///
  /// - Parameter observe: Given every event before it is shown.
  /// - Returns: Why it ended, in a sentence.
  /// - Throws: `SocketError`; `BrokenPipe` when nobody looks any more.
  func watch(_ observe: (Event) -> Void = { _ in }) async throws -> String {
    var view = AttentionView(client.hello, style: .ofTerminal)
    var terminal = LiveTerminal()
    var printed = -1.0
    while let event = try await client.next() {
      observe(event)
      view.take(event)
      switch event {
      case .bye(let bye):
        if isLive { try terminal.draw(view.lines(columns: LiveTerminal.columns)) }
        return "The daemon has ended the connection: \(bye.text)"
      case .attention where isLive:
        try terminal.draw(view.lines(columns: LiveTerminal.columns))
      case .attention(let frame):
        guard frame.time - printed >= 1, let line = view.summaryLine else { continue }
        printed = frame.time
        try StandardOutput.write(line + "\n")
      case .detection(let detection) where !isLive:
        let line = AttentionView.line(detection, phrase: view.phrase(detection.name))
        try StandardOutput.write(line + "\n")
      case .state(let state) where !isLive:
        try StandardOutput.write(
          "stream \(state.stream): \(state.state.rawValue) (\(state.text))\n")
      default: continue
      }
    }
    return "The daemon has closed the connection."
  }
}
