import ArgumentParser
import AttentionSocket

/// A daemon's state for people, for programs, and as a health check.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Ask a running daemon how it is.",
    discussion: """
      Shows each stream: whether it hears, how loud, what was detected and lost, how long frames take \
      from the microphone to the socket, and what is wrong with the sound. --json prints the daemon's \
      reply instead, in one line, as Docs/protocol.md describes it.

      The exit status says whether all is well, so that it can be a health check:

        0   every stream runs, or has heard its file to the end
        69  no daemon answers
        75  a stream waits for its device, recovers, or hasn't started; a later try may find it well

      Warnings about the sound change nothing in it.
      """)

  @OptionGroup var daemon: DaemonOptions

  @Flag(help: "Print the daemon's reply, one line of JSON.")
  var json = false

  func run() async throws {
    let answer = try await AttentionClient.withConnection(to: try daemon.address()) { client in
      try await client.statusReply()
    }
    if json {
      try StandardOutput.write(answer.event.line)
    } else {
      let view = StatusView(
        answer.status, style: .ofTerminal)
      try StandardOutput.write(view.lines.joined(separator: "\n") + "\n")
    }
    if !answer.status.isWell { throw ExitCode.tryLater }
  }
}

extension DaemonStatus {
  /// Whether every stream does what it should.
  ///
  /// A client's own stream waits for audio, rightly.
  package var isWell: Bool {
    streams.allSatisfy {
      $0.name == StreamDescription.clientName || $0.state == .running
        || ($0.state == .stopped && $0.reason == .endOfFile)
    }
  }
}
