import Glibc

/// How often the service manager wants to hear of the daemon: the watchdog's terms.
package struct WatchdogTerms: Equatable, Sendable {
  /// After so long without a word the daemon is taken for dead.
  package let patience: Duration

  /// - Parameter patience: More than nothing.
  package init(patience: Duration) { self.patience = patience }

  /// Nil where nobody watches, or somebody watches another process.
  ///
  /// - Parameters:
  ///   - environment: The process's environment.
  ///   - process: The process's number.
  package init?(environment: [String: String], process: pid_t) {
    if let named = environment["WATCHDOG_PID"], named != "\(process)" { return nil }
    guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text),
      (1...Int64.max / 2_000).contains(microseconds)
    else { return nil }
    patience = .microseconds(microseconds)
  }
}

/// What to tell the service manager, turn by turn: that all streams have begun, when their state
/// changes, and, while every one of them lives, that the watchdog may rest.
///
/// Knows no clock and no socket: whoever calls it takes a turn, waits for `pause`, takes the next.
package struct Supervision: Sendable {
  /// Until all streams have begun: nobody waits for the daemon longer than that for nothing.
  private static let startPause: Duration = .milliseconds(50)
  /// For the status to be up to date.
  private static let longestPause: Duration = .seconds(1)

  private let turnPause: Duration
  /// From one of the watchdog's turns to the next, half its patience; zero without one.
  private let watchdogTurns: Int

  /// Whether `ready` was said.
  package private(set) var isReady = false
  /// The streams that stood still, by name, when the watchdog was last thought of.
  package private(set) var stalled: [String] = []
  private var turns = 0
  private var status: String?
  private var lives: [StreamLife] = []

  /// - Parameter watchdog: Its terms; nil without one.
  package init(watchdog: WatchdogTerms?) {
    guard let watchdog else {
      (turnPause, watchdogTurns) = (Self.longestPause, 0)
      return
    }
    let half = watchdog.patience / 2
    let count = max(1, Int((half / Self.longestPause).rounded(.up)))
    (turnPause, watchdogTurns) = (half / count, count)
  }

  /// Until the next turn.
  package var pause: Duration { isReady ? turnPause : min(turnPause, Self.startPause) }

  /// Takes a turn.
  ///
  /// - Parameter streams: The daemon's own streams, the same ones each time.
  /// - Returns: What to say; nothing, most of the time.
  package mutating func turn(_ streams: [any LivingStream]) -> [ServiceMessage] {
    let now = streams.map(\.life)
    var messages: [ServiceMessage] = []
    if isReady {
      turns += 1
      if watchdogTurns > 0, turns == watchdogTurns {
        stalled = zip(streams, zip(lives, now)).filter { $1.0 == $1.1 && $1.1 != .ended }
          .map(\.0.name)
        (turns, lives) = (0, now)
        if stalled.isEmpty { messages.append(.watchdog) }
      }
    } else if !now.contains(.starting) {
      isReady = true
      lives = now
      messages.append(.ready)
    }
    let text = Self.status(streams, now, stalled)
    if text != status {
      status = text
      messages.append(.status(text))
    }
    return messages
  }

  private static func status(
    _ streams: [any LivingStream], _ lives: [StreamLife], _ stalled: [String]
  ) -> String {
    guard !streams.isEmpty else { return "listening to what clients send" }
    return zip(streams, lives).map { stream, life in
      if stalled.contains(stream.name) { return "\(stream.name): stands still" }
      return switch life {
      case .starting: "\(stream.name): starting"
      case .listening: "\(stream.name): listening"
      case .waiting: "\(stream.name): waiting for device"
      case .ended: "\(stream.name): has ended"
      }
    }.joined(separator: ", ")
  }
}
