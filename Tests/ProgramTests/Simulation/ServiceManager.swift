import AudioInput
import attnd

/// A service manager of a made-up world, that knows when a watchdog must be fed.
struct ServiceManager {
  private static let patience = 10.0

  private var supervision = Supervision(watchdog: WatchdogTerms(patience: .seconds(patience)))
  private var nextTurn = 0.0
  /// When it was told last that the daemon lives, and how far the device was then.
  private var fed = 0.0
  private var livelinessFed = -1
  private var liveliness = 0
  private var livelyAt = 0.0
  /// The longest time without a sign of life since it was fed.
  private var stillness = 0.0

  /// Lets the daemon report, when its time has come.
  ///
  /// - Parameters:
  ///   - now: Seconds that the daemon has lived.
  ///   - device: What must be alive.
  ///   - pulse: How the daemon sees it.
  /// - Throws: `Broken`.
  mutating func listen(at now: Double, device: DeviceSource, pulse: StreamPulse) throws {
    guard now >= nextTurn else { return }
    if device.liveliness != liveliness {
      liveliness = device.liveliness
      livelyAt = now
    }
    stillness = max(stillness, now - livelyAt)
    let messages = supervision.turn([pulse])
    let pause = supervision.pause.components
    nextTurn = now + Double(pause.seconds) + Double(pause.attoseconds) * 1e-18
    if messages.contains(.watchdog) {
      try demand(
        liveliness != livelinessFed, "the watchdog was fed although the stream stands still")
    }
    if messages.contains(.watchdog) || messages.contains(.ready) {
      (fed, livelinessFed, stillness) = (now, liveliness, 0)
    }
    // Two thoughts of the watchdog, half its patience apart, may lie on either side of a standstill.
    try demand(
      !supervision.isReady || now - fed < Self.patience || stillness >= Self.patience / 2 - 1.5,
      "the watchdog wasn't fed for \(now - fed) s of life")
  }
}
