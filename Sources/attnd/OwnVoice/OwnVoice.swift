import Synchronization

/// What the machine itself has just said: noted by the stream that hears what goes to its loudspeaker,
/// asked by those that hear a microphone, so that it isn't woken by its own voice.
///
/// A keyword counts as said where it could nearly have been detected: a loudspeaker, a room and a microphone
/// may make it clearer as well as worse. Times are those of the capture, in seconds since boot. Threads share
/// nothing but a number for each keyword.
package final class OwnVoice: @unchecked Sendable {
  // Unchecked: the memory holds atomics only.

  /// By keyword, when it was said last, as the bits of a Double.
  private let said: UnsafeMutablePointer<Atomic<UInt64>>
  /// Of the last seconds, how loud the reference was: the second's number, and a level's bits.
  private let levels: UnsafeMutablePointer<Atomic<UInt64>>
  /// Microphones that hear what the reference gives.
  private let doubters = Atomic(0)
  private let keywords: Int

  /// Share of a keyword's threshold from which on it counts as said.
  private static let share: Float = 0.5
  /// Seconds by which a microphone may hear it after the loudspeaker's signal was captured: the way
  /// through buffers and radio is at most some tenths, and the decision may come a little later.
  private static let delay = 1.0
  /// Seconds by which the two devices' times of capture may disagree.
  private static let disagreement = 0.25
  /// Seconds of which the loudness is known.
  private static let secondsKnown = 8

  /// - Parameter keywords: How many the model has.
  package init(keywords: Int) {
    self.keywords = keywords
    said = .allocate(capacity: keywords)
    for keyword in 0..<keywords {
      (said + keyword).initialize(to: Atomic((-Double.infinity).bitPattern))
    }
    levels = .allocate(capacity: Self.secondsKnown)
    for second in 0..<Self.secondsKnown { (levels + second).initialize(to: Atomic(0)) }
  }

  deinit {
    said.deinitialize(count: keywords)
    said.deallocate()
    levels.deinitialize(count: Self.secondsKnown)
    levels.deallocate()
  }

  /// Notes what a step of the reference heard; its thread.
  ///
  /// - Parameters:
  ///   - score: A keyword's smoothed posterior.
  ///   - threshold: The keyword's threshold.
  ///   - keyword: Index of the keyword.
  ///   - time: When the step's newest sample was captured, in seconds since boot.
  package func note(score: Float, threshold: Float, of keyword: Int, at time: Double) {
    guard score >= Self.share * threshold else { return }
    said[keyword].store(time.bitPattern, ordering: .relaxed)
  }

  /// Whether a detection is of the machine's own voice; any thread.
  ///
  /// - Parameters:
  ///   - keyword: Index of the keyword.
  ///   - time: When the decision's newest sample was captured, in seconds since boot.
  /// - Returns: Whether the reference said it at most a second before.
  package func isOwn(_ keyword: Int, at time: Double) -> Bool {
    guard doubters.load(ordering: .relaxed) == 0 else { return false }
    let last = Double(bitPattern: said[keyword].load(ordering: .relaxed))
    return (-Self.disagreement...Self.delay).contains(time - last)
  }

  /// Notes how loud the reference was; its thread.
  ///
  /// - Parameters:
  ///   - level: Of a whole second, dBFS.
  ///   - second: The second's number, by the clock of the captures.
  package func note(level: Float, of second: Int) {
    let place = Int(UInt32(truncatingIfNeeded: second)) % Self.secondsKnown
    let number = UInt64(UInt32(truncatingIfNeeded: second))
    levels[place].store(number << 32 | UInt64(level.bitPattern), ordering: .relaxed)
  }

  /// How loud the reference was; nil where nobody knows.
  ///
  /// - Parameter second: The second's number.
  /// - Returns: Its level, dBFS.
  package func level(of second: Int) -> Float? {
    let number = UInt32(truncatingIfNeeded: second)
    let known = levels[Int(number) % Self.secondsKnown].load(ordering: .relaxed)
    return known >> 32 == UInt64(number)
      ? Float(bitPattern: UInt32(truncatingIfNeeded: known)) : nil
  }

  /// A microphone finds that the reference is none, or that it is one after all.
  package func doubt(_ isFalse: Bool) {
    doubters.wrappingAdd(isFalse ? 1 : -1, ordering: .relaxed)
  }
}
