import Glibc

/// How loud a stream was, second by second.
package struct Loudness {
  private var second: Int?
  private var power = 0.0
  private var frames = 0

  package init() {}

  /// Takes in a frame.
  ///
  /// - Parameters:
  ///   - level: Of its samples, dBFS.
  ///   - time: When it was captured, in seconds.
  /// - Returns: The second that is complete with it, and its level.
  package mutating func add(_ level: Float, at time: Double) -> (second: Int, level: Float)? {
    guard level.isFinite, time.magnitude < 0x1p40 else { return nil }
    let now = Int(time.rounded(.down))
    defer {
      power += pow(10, Double(level) / 10)
      frames += 1
    }
    guard let second, second != now else {
      second = now
      return nil
    }
    defer { (self.second, power, frames) = (now, 0, 0) }
    return (second, Float(10 * log10(power / Double(max(1, frames)))))
  }
}

/// Whether two streams are equally loud, second after second.
package struct Likeness {
  /// Decibels that two captures of one sound may differ by in a second.
  private static let tolerance: Float = 1
  /// Below that nothing is heard of which anything could be known, dBFS.
  private static let silence: Float = -90
  /// Of the last seconds those in which they were, the newest lowest.
  private static let seconds = 10
  private static let (most, least) = (9, 6)

  private var alike: UInt16 = 0
  private var isAlike = false

  package init() {}

  /// Takes in a second.
  ///
  /// - Parameters:
  ///   - one: Level of one, dBFS.
  ///   - other: Level of the other; nil where it wasn't there.
  /// - Returns: Where that changes: whether they are alike.
  package mutating func take(_ one: Float, _ other: Float?) -> Bool? {
    guard let other else {
      alike = 0
      return change(to: false)
    }
    if one < Self.silence, other < Self.silence { return nil }
    let isEqual = abs(one - other) <= Self.tolerance
    alike = (alike << 1 | (isEqual ? 1 : 0)) & (1 << Self.seconds - 1)
    let count = alike.nonzeroBitCount
    return change(to: isAlike ? count >= Self.least : count >= Self.most)
  }

  private mutating func change(to isAlike: Bool) -> Bool? {
    guard isAlike != self.isAlike else { return nil }
    self.isAlike = isAlike
    return isAlike
  }
}
