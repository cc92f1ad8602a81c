import AudioInput
import Synchronization

/// A clock that stands still until somebody waits.
package final class SimulatedTime: Timekeeper, @unchecked Sendable {
  // Unchecked: `whileWaiting` is set before anybody waits; a simulated world has one thread.

  /// While somebody waits: a world's other parts have their turn so often.
  private static let longestWait = 0.05

  private let now: Mutex<Double>
  /// Unix time minus time since boot: steps when the system's clock is set.
  private let offset = Mutex(1_700_000_000.0)
  /// What happens meanwhile.
  package var whileWaiting: (() -> Void)?

  package init(_ start: Double = 1_000) { now = Mutex(start) }

  package var sinceBoot: Double { now.withLock { $0 } }
  package var unix: Double { sinceBoot + offset.withLock { $0 } }
  package var workNanoseconds: UInt64 { 0 }

  package func advance(_ seconds: Double) { now.withLock { $0 += seconds } }

  /// Sets the system's clock by so much.
  package func step(_ seconds: Double) { offset.withLock { $0 += seconds } }

  package func pause(seconds: Double, unless interruption: Interruption) {
    guard let whileWaiting else {
      if !interruption.isCalled { advance(seconds) }
      return
    }
    let end = sinceBoot + seconds
    while !interruption.isCalled, sinceBoot < end {
      advance(min(end - sinceBoot, Self.longestWait))
      whileWaiting()
    }
  }
}
