import Glibc
import StreamingAttention
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

/// What a stream has to do with the machine's own voice.
package enum VoiceRole: Sendable {
  /// Nothing: there is no reference.
  case none
  /// It hears a microphone, and what of that is the machine's own.
  case microphone(OwnVoice)
  /// It hears what goes to the loudspeaker: nobody is told of what it detects.
  case reference(OwnVoice)

  var isReference: Bool {
    if case .reference = self { true } else { false }
  }

  /// Whether nobody is to be told of a detection.
  ///
  /// - Parameters:
  ///   - keyword: Index of the keyword.
  ///   - time: When the decision's newest sample was captured, in seconds since boot.
  /// - Returns: Whether it is the machine's own voice.
  func silences(_ keyword: Int, at time: Double) -> Bool {
    switch self {
    case .none: false
    case .microphone(let voice): voice.isOwn(keyword, at: time)
    case .reference: true
    }
  }
}

/// A stream's part in knowing the machine's own voice, step by step; the stream's thread.
///
/// A sound server whose loudspeaker goes away may give who listened to that another source in silence,
/// often the microphone itself: every keyword would be the machine's own, and the daemon deaf. A reference
/// that is as loud as the microphone, second after second, is none.
package struct VoiceEar {
  private let role: VoiceRole
  private let keywords: Int
  private var loudness = Loudness()
  private var likeness = Likeness()
  /// When the newest sample was captured, in seconds since boot.
  private var time = Double.nan

  /// - Parameters:
  ///   - role: The stream's.
  ///   - keywords: How many the model has.
  package init(_ role: VoiceRole, keywords: Int) {
    self.role = role
    self.keywords = keywords
  }

  /// Takes in a step of the stream.
  ///
  /// - Parameters:
  ///   - frame: The step.
  ///   - stream: Its state.
  ///   - threshold: Of a keyword, the one in force.
  /// - Returns: Where that changes: whether the reference gives what this microphone hears.
  mutating func hear(
    _ frame: Pipeline.Frame, _ stream: borrowing AttentionStream, threshold: (Int) -> Float
  ) -> Bool? {
    time = frame.began
    switch role {
    case .none: return nil
    case .reference(let voice):
      for keyword in 0..<keywords {
        voice.note(
          score: stream.smoothedPosterior(keyword), threshold: threshold(keyword), of: keyword,
          at: frame.began)
      }
      if let whole = loudness.add(frame.level, at: time) {
        voice.note(level: whole.level, of: whole.second)
      }
      return nil
    case .microphone(let voice): return compare(frame.level, with: voice)
    }
  }

  /// Compares the second before the last: the reference may come a little later.
  private var before: (second: Int, level: Float)?
  private mutating func compare(_ level: Float, with voice: OwnVoice) -> Bool? {
    guard let whole = loudness.add(level, at: time) else { return nil }
    defer { before = whole }
    guard let before,
      let isFalse = likeness.take(before.level, voice.level(of: before.second))
    else { return nil }
    voice.doubt(isFalse)
    return isFalse
  }

  /// Whether nobody is to be told of a detection of the step that was taken in.
  ///
  /// - Parameter keyword: Index of the keyword.
  /// - Returns: Whether it is the machine's own voice.
  func silences(_ keyword: Int) -> Bool { role.silences(keyword, at: time) }
}

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
