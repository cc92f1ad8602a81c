import Glibc

/// What time it is, as the server needs to know it: the system's clocks, or a world that a test makes up.
package struct ServerClock: Sendable {
  /// Seconds since 1970: a label on states, never an input to a decision.
  package var unix: @Sendable () -> Double
  /// Seconds of a clock that never steps, and goes on while the machine sleeps: the one that sound is
  /// captured by.
  package var sinceBoot: @Sendable () -> Double

  package init(
    unix: @escaping @Sendable () -> Double, sinceBoot: @escaping @Sendable () -> Double
  ) {
    self.unix = unix
    self.sinceBoot = sinceBoot
  }

  /// The system's clocks.
  package static let system = ServerClock(
    unix: {
      let now = time(of: CLOCK_REALTIME)
      // Microseconds are all that a Double holds beside today's seconds.
      return (Double(now.tv_sec) * 1e6 + (Double(now.tv_nsec) / 1e3).rounded()) / 1e6
    },
    sinceBoot: {
      let now = time(of: CLOCK_BOOTTIME)
      return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
    })

  private static func time(of clock: clockid_t) -> timespec {
    var now = timespec()
    clock_gettime(clock, &now)
    return now
  }
}
