import Glibc
import Logging
import Synchronization

/// Where the program's log goes: whole lines, one after the other, whoever writes them.
package final class LogOutput: Sendable {
  /// The clocks that the log reads.
  package struct Clocks: Sendable {
    /// Seconds since 1970.
    package var unix: @Sendable () -> Double
    /// Time on a clock that never steps.
    package var steady: @Sendable () -> Duration

    package init(
      unix: @escaping @Sendable () -> Double, steady: @escaping @Sendable () -> Duration
    ) {
      self.unix = unix
      self.steady = steady
    }

    /// The system's.
    package static let system = Clocks(
      unix: {
        let time = read(CLOCK_REALTIME)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
      },
      steady: {
        let time = read(CLOCK_MONOTONIC)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
      })

    private static func read(_ clock: clockid_t) -> timespec {
      var time = timespec()
      clock_gettime(clock, &time)
      return time
    }
  }

  private let format: LogFormat
  private let clocks: Clocks
  private let write: @Sendable (String) -> Void
  private let repetition = Mutex(LogRepetition())

  /// - Parameters:
  ///   - format: What a line looks like.
  ///   - clocks: What time it is.
  ///   - write: Takes a line with its end.
  package init(
    format: LogFormat, clocks: Clocks = .system,
    write: @escaping @Sendable (String) -> Void = { StandardError.write($0) }
  ) {
    self.format = format
    self.clocks = clocks
    self.write = write
  }

  fileprivate func log(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
    let (now, time) = (clocks.steady(), clocks.unix())
    // Held while it is written: lines come in the order in which they were counted.
    repetition.withLock { repetition in
      let (isWritten, leftOut) = repetition.take(level, message, at: now)
      for other in leftOut {
        let text = "\(other.count) more of: \(other.text)"
        write(LogLine(level: other.level, message: text, time: time).text(as: format))
      }
      guard isWritten else { return }
      let line = LogLine(level: level, message: message, metadata: metadata, time: time)
      write(line.text(as: format))
    }
  }
}

/// The program's one handler of logs.
package struct ProgramLog: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  private let output: LogOutput

  /// - Parameters:
  ///   - output: Where lines go.
  ///   - level: What is written.
  package init(_ output: LogOutput, level: Logger.Level) {
    self.output = output
    logLevel = level
  }

  package subscript(metadataKey name: String) -> Logger.Metadata.Value? {
    get { metadata[name] }
    set { metadata[name] = newValue }
  }

  /// Writes what happened, with what the logger knows and what is said of it; the latter goes before.
  package func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let given = event.metadata { all.merge(given) { $1 } }
    if let error = event.error { all["error"] = "\(error)" }
    output.log(event.level, event.message.description, all)
  }
}

extension Logger {
  /// The program's logger: lines on standard error.
  package static func attnd(level: Level, format: LogFormat) -> Logger {
    Logger(label: "attnd") { _ in ProgramLog(LogOutput(format: format), level: level) }
  }
}
