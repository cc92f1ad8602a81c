/// Whether a stream keeps its latency budget, judged frame by frame.
///
/// A frame is late when it is looked at more than the budget after its newest sample was captured. Being late
/// ends when no frame has been for a second. Belongs to a stream's feed, on the event loop; streams
/// without a capture time (files, pipes, clients) are never late, since nobody waits for their sound.
struct LatencyContract {
  /// What a frame changes.
  enum Change: Equatable {
    case begins(lag: Double)
    case ends(worst: Double)
  }

  /// Without a late frame for so long, in seconds, lateness is over.
  private static let calm = 1.0

  /// Seconds.
  let budget: Double
  private(set) var isLate = false
  private var lastLate = -Double.infinity
  private var worst = 0.0

  init(budget: Double) { self.budget = budget }

  /// Whether a frame of this age has missed the budget.
  func isMissed(lag: Double) -> Bool { lag > budget }

  /// Takes in a frame.
  ///
  /// - Parameters:
  ///   - lag: Seconds since its newest sample was captured.
  ///   - now: Seconds of the same clock.
  /// - Returns: What it changes; nil for nothing.
  mutating func judge(lag: Double, now: Double) -> Change? {
    if isMissed(lag: lag) {
      lastLate = now
      defer { isLate = true }
      worst = isLate ? max(worst, lag) : lag
      return isLate ? nil : .begins(lag: lag)
    }
    guard isLate, now - lastLate >= Self.calm else { return nil }
    isLate = false
    return .ends(worst: worst)
  }
}
