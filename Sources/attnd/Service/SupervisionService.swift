import AttentionSocket
import Glibc
import Logging
import ServiceLifecycle

/// Tells the service manager how the daemon does, for as long as it runs.
///
/// The last of the daemon's services, and so the first to hear that it is to stop. A turn that finds
/// the event loop busy waits for it: a daemon that answers nobody feeds no watchdog.
package struct SupervisionService<Time: Clock>: Service where Time.Duration == Duration {
  private let streams: [any LivingStream]
  private let watchdog: WatchdogTerms?
  private let clock: Time
  private let answers: @Sendable () async -> Void
  private let send: @Sendable ([ServiceMessage]) -> Bool
  private let logger: Logger

  /// - Parameters:
  ///   - streams: The daemon's own streams.
  ///   - watchdog: What the service manager's watchdog wants; nil without one.
  ///   - clock: Tells how long a pause is. A machine that sleeps is no fault of the daemon, and the
  ///     manager's own clock stands still then, too.
  ///   - answers: Returns when the event loop has had a turn.
  ///   - send: Gives messages to the service manager; false where they didn't go out.
  ///   - logger: For a stream that stands still.
  package init(
    streams: [any LivingStream], watchdog: WatchdogTerms?, clock: Time = SuspendingClock(),
    answers: @escaping @Sendable () async -> Void,
    send: @escaping @Sendable ([ServiceMessage]) -> Bool, logger: Logger
  ) {
    self.streams = streams
    self.watchdog = watchdog
    self.clock = clock
    self.answers = answers
    self.send = send
    self.logger = logger
  }

  /// Reports until the daemon is to stop, says so, and waits for no one.
  package func run() async {
    try? await cancelWhenGracefulShutdown { try await report() }
    _ = send([.stopping])
  }

  private func report() async throws {
    var supervision = Supervision(watchdog: watchdog)
    while true {
      await answers()
      try Task.checkCancellation()
      var next = supervision
      let messages = next.turn(streams)
      tell(from: supervision.stalled, to: next.stalled)
      // What didn't go out is said again: that the daemon is ready must not be lost.
      if messages.isEmpty || send(messages) { supervision = next }
      try await clock.sleep(for: supervision.pause)
    }
  }

  private func tell(from before: [String], to after: [String]) {
    for name in after where !before.contains(name) {
      logger.error("stream \(name): stands still; the watchdog isn't fed")
    }
    for name in before where !after.contains(name) {
      logger.notice("stream \(name): goes on")
    }
  }
}

extension SupervisionService where Time == SuspendingClock {
  /// Reports a daemon to the service manager that started it; nil where none asks.
  ///
  /// - Parameters:
  ///   - streams: The daemon's own streams.
  ///   - server: Its socket.
  ///   - notifier: What the service manager is told by; nil where none asks.
  ///   - environment: The process's environment.
  ///   - logger: For a stream that stands still.
  init?(
    streams: [any LivingStream], server: AttentionServer, notifier: ServiceNotifier?,
    environment: [String: String], logger: Logger
  ) {
    guard let notifier else { return nil }
    self.init(
      streams: streams, watchdog: WatchdogTerms(environment: environment, process: getpid()),
      answers: { await server.answer() }, send: { notifier.tell($0) }, logger: logger)
  }
}
