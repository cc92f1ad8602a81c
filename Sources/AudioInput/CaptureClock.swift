/// How many samples a card lost, told by the clock: a card that overran doesn't know.
///
/// In: for every read, how many samples came and when the last of them was captured. Out: how many
/// are missing before them. After an interruption that the card tells of, the clock says at once. Sound
/// servers also drop samples without a word; that shows when all samples within a second come later, by
/// their count, than any before them did. A card that runs fast or slow loses nothing.
package struct CaptureClock: Sendable {
  /// How far off a card's crystal may be; ten times what any is.
  private static let drift = 1e-3
  /// A lateness that isn't drift or an uncertain time, in seconds.
  private static let lateness = 0.1
  /// How long it has to last, in seconds: a driver's word for a moment may be wrong.
  private static let patience = 1.0

  private let rate: Int
  private var lastSample: Double?

  // By how many seconds samples came later than their count said, since the last interruption.
  private var counted = 0.0
  private var began = 0.0
  /// The least of all, given the drift.
  private var least = Double.infinity
  /// The least of the samples that are being judged, and when the first of them was captured.
  private var newest = Double.infinity
  private var judgedSince = 0.0

  /// - Parameter rate: The card's samples per second.
  package init(rate: Int) {
    self.rate = rate
  }

  /// Counts a read.
  ///
  /// - Parameters:
  ///   - count: Samples that came.
  ///   - lastSample: When the last of them was captured: seconds of a clock that never steps.
  ///   - afterGap: Whether the card stopped since the last read.
  /// - Returns: Samples missing before them; never negative, so stream time never runs back.
  package mutating func advance(by count: Int, lastSample: Double, afterGap: Bool) -> Int {
    defer { self.lastSample = lastSample }
    guard let before = self.lastSample, !afterGap else {
      let elapsed = self.lastSample.map { ((lastSample - $0) * Double(rate)).rounded() } ?? 0
      begin(at: lastSample)
      // A bound for a clock gone mad: 2^40 samples are two years at 16 kHz.
      guard elapsed > Double(count), elapsed < 0x1p40 else { return 0 }
      return Int(elapsed) - count
    }
    return silentLoss(seconds: Double(count) / Double(rate), lastSample: max(before, lastSample))
  }

  private mutating func begin(at lastSample: Double) {
    (began, counted) = (lastSample, 0)
    (least, newest) = (0, .infinity)
  }

  private mutating func silentLoss(seconds: Double, lastSample: Double) -> Int {
    counted += seconds
    let late = lastSample - began - counted
    least = min(least + Self.drift * seconds, late)
    // By the clock: a reader that was away gets seconds of sound in a moment, and a driver may not know
    // how old they are.
    if newest == .infinity { judgedSince = lastSample }
    newest = min(newest, late)
    guard lastSample - judgedSince >= Self.patience else { return 0 }
    defer { newest = .infinity }
    guard newest - least > Self.lateness, newest - least < 0x1p30 else { return 0 }
    let lost = newest - least
    counted += lost
    return Int((lost * Double(rate)).rounded())
  }
}
