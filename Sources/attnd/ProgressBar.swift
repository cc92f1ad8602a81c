import Glibc

/// How far a long job has come, on one line of the terminal; nothing where nobody looks.
struct ProgressBar {
  private let total: Int
  private let unit: String
  private let isShown: Bool
  private let start = ContinuousClock.now
  private var done = 0
  private var lastDrawn: ContinuousClock.Instant?

  /// - Parameters:
  ///   - total: Pieces of work.
  ///   - unit: What a piece is, in the plural.
  init(total: Int, unit: String) {
    self.total = total
    self.unit = unit
    isShown = StandardError.isTerminal && total > 1
  }

  /// Counts a piece; draws at most ten times a second.
  mutating func advance() {
    done += 1
    guard isShown else { return }
    let now = ContinuousClock.now
    if let lastDrawn, now - lastDrawn < .milliseconds(100), done < total { return }
    lastDrawn = now
    let width = 30
    let filled = done * width / total
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let elapsed = Double((now - start).components.seconds)
    let left = done < total ? ", \(Int(elapsed / Double(done) * Double(total - done))) s left" : ""
    StandardError.write("\r\u{1B}[K\(bar) \(done)/\(total) \(unit)\(left)")
  }

  /// Takes the bar off the screen, so that another line can be written.
  func clear() {
    if isShown { StandardError.write("\r\u{1B}[K") }
  }
}
