import ArgumentParser
import AttentionSocket
import Glibc

/// A subscriber for programs: events as JSON lines, or a command for each detection.
struct ListenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "listen",
    abstract: "Print a running daemon's events as JSON lines, or run a command on each detection.",
    discussion: """
      A line is one event: its type, then its fields as Docs/protocol.md describes them.

        attnd listen
        attnd listen --events detection | jq --unbuffered -r .name
        attnd listen --events attention --every 10 | jq --unbuffered .level
        attnd listen --exec 'notify-send "Heard $ATTND_PHRASE"'
        attnd listen --exec 'jq -r .score' --count 3

      The command of --exec is run by sh once for each detection, with the event's line on its \
      standard input, and in its environment ATTND_KEYWORD, ATTND_PHRASE, ATTND_SCORE, ATTND_STREAM, \
      ATTND_TIME, ATTND_START and ATTND_END (seconds of the stream), ATTND_SEQ and ATTND_RUN. \
      Nothing else is printed then. Commands are started in order, up to \
      \(DetectionCommands.mostAtOnce) run at once, and up to \(DetectionCommands.mostWaiting) wait. \
      One that fails is a line on standard error; listening goes on.

      When the daemon goes away, attnd listen waits for it to come back (0.5 s, doubling to 10 s), \
      and goes on after the last detection that it has told of: none is lost, none comes twice. \
      SIGINT and SIGTERM end it with status 0, and so does the end of whoever reads its output.
      """)

  @OptionGroup var daemon: DaemonOptions

  @Option(
    help: ArgumentHelp(
      "What to print, separated by commas: \(ListenedEvent.names). Dropped frames are told of with "
        + "attention. (default: all but attention)", valueName: "list"))
  var events: String?

  @Option(
    help: ArgumentHelp(
      "Names of streams, separated by commas. (default: all of the daemon's)", valueName: "list"))
  var streams: String?

  @Option(
    help: ArgumentHelp(
      "Only attention frames whose index is a multiple of n. (default: 1)", valueName: "n"))
  var every: Int?

  @Flag(help: "Print the attention's weights with each frame.")
  var weights = false

  @Flag(help: "Print the feature row with each frame.")
  var spectrum = false

  @Option(
    help: ArgumentHelp(
      "First what was detected after this one, as far as the daemon remembers: the run of its "
        + "hello, and a seq. 0:0 is all it has.", valueName: "run:seq"))
  var since: String?

  @Option(help: ArgumentHelp("End, with status 0, after n detections.", valueName: "n"))
  var count: Int?

  @Option(
    help: ArgumentHelp(
      "Run a shell command for each detection, in place of printing.", valueName: "command"))
  var exec: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Wait for a daemon that isn't there, or goes away; else that is the end.")
  var reconnect = true

  func validate() throws {
    if exec != nil, events != nil || every != nil || weights || spectrum {
      throw ValidationError(
        "--exec is for detections: --events, --every, --weights and --spectrum have no meaning "
          + "with it")
    }
    if let every, !(1...100_000).contains(every) {
      throw ValidationError("--every \(every): expected 1 to 100000")
    }
    if let count, count < 1 { throw ValidationError("--count \(count): expected 1 or more") }
    if let since, DetectionNumber(since) == nil {
      throw ValidationError("--since \(since): expected RUN:SEQ, as 9f3c1a7b20e4d581:17")
    }
    let events = try wanted()
    if !events.contains(.attention), every != nil || weights || spectrum {
      throw ValidationError(
        "--every, --weights and --spectrum belong to attention frames; add attention to --events")
    }
    if !events.contains(.detection), since != nil || count != nil {
      throw ValidationError("--since and --count belong to detections; add detection to --events")
    }
  }

  /// The events to print, each once.
  private func wanted() throws -> Set<ListenedEvent> {
    if exec != nil { return [.detection] }
    guard let events else { return Set(ListenedEvent.allCases).subtracting([.attention]) }
    var wanted: Set<ListenedEvent> = []
    for name in events.split(separator: ",", omittingEmptySubsequences: false) {
      guard let event = ListenedEvent(rawValue: String(name)) else {
        throw ValidationError("--events: '\(name)' is none of \(ListenedEvent.names)")
      }
      wanted.insert(event)
    }
    return wanted
  }

  func run() async throws {
    let wanted = try wanted()
    let request = SubscriptionRequest(
      events: SubscribableEvent.allCases.filter { wanted.contains(ListenedEvent($0)) },
      streams: streams.map { $0.split(separator: ",").map(String.init) }, every: every ?? 1,
      weights: weights ? .json : .none, spectrum: spectrum ? .json : .none,
      since: since.flatMap(DetectionNumber.init))
    let address = try daemon.address()
    endQuietlyOnSignals()
    guard let exec else {
      try endWithReader()
      try await follow(address, request) { event, _ in
        let isWanted =
          ListenedEvent(rawValue: event.type).map(wanted.contains) ?? wanted.contains(.attention)
        if isWanted { try StandardOutput.write(event.line) }
      }
      return
    }
    let commands = DetectionCommands(exec)
    async let allHaveEnded: Void = commands.run()
    let end: Result<Void, any Error>
    do {
      try await follow(address, request) { event, hello in
        if event.type == "detection" { commands.start(for: event, of: hello) }
      }
      end = .success(())
    } catch {
      end = .failure(error)
    }
    // What was heard is still acted on.
    commands.finish()
    await allHaveEnded
    try end.get()
  }

  private func follow(
    _ address: SocketAddress, _ request: SubscriptionRequest,
    _ take: (WireEvent, Hello) throws -> Void
  ) async throws {
    var follower = DaemonFollower(address: address, request: request, detections: count)
    try await follower.follow(reconnects: reconnect, take)
  }
}

/// What `--events` can name.
enum ListenedEvent: String, CaseIterable {
  case hello, state, detection, attention, discontinuity, warning, bye

  static let names = allCases.map(\.rawValue).joined(separator: ", ")

  init(_ event: SubscribableEvent) {
    switch event {
    case .attention: self = .attention
    case .detection: self = .detection
    case .state: self = .state
    case .discontinuity: self = .discontinuity
    case .warning: self = .warning
    }
  }
}

extension DetectionNumber {
  /// Reads `RUN:SEQ`.
  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
      let seq = Int(text[text.index(after: colon)...]), seq >= 0
    else { return nil }
    self.init(run: String(text[..<colon]), seq: seq)
  }
}

/// Ends the process with status 0 on SIGINT and SIGTERM, whatever it waits for.
///
/// There is nothing to put in order: lines are written whole, and the daemon sees a reader go.
private func endQuietlyOnSignals() {
  for number in [SIGINT, SIGTERM] { signal(number) { _ in _exit(0) } }
}

/// Ends the process with status 0 as soon as nobody reads its output, not only at the next line.
private func endWithReader() throws {
  _ = try ProcessingThread(name: "attnd-output") {
    // A reader that goes is an error of the pipe, which is told without being asked for.
    var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    while poll(&output, 1, -1) < 0, errno == EINTR {}
    if output.revents & Int16(POLLERR | POLLHUP) != 0 { _exit(0) }
  }
}
