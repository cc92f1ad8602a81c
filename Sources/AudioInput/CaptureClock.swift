/// How many samples a card lost, told by the clock: a card that overran doesn't know.
///
/// In: for every read, how many samples came and when the last of them was captured. Out: how many
/// are missing before them. Without a gap the card's own count is the truth, whatever the clock
/// says; so a card that runs fast or slow loses nothing.
package struct CaptureClock: Sendable {
  private let rate: Int
  private var lastSample: Double?

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
    guard afterGap, let before = self.lastSample else { return 0 }
    let elapsed = ((lastSample - before) * Double(rate)).rounded()
    // A bound for a clock gone mad: 2^40 samples are two years at 16 kHz.
    guard elapsed > Double(count), elapsed < 0x1p40 else { return 0 }
    return Int(elapsed) - count
  }
}
