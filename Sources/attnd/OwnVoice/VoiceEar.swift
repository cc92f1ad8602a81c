import StreamingAttention

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
  /// The second before the last: of the last the reference may not have told yet.
  private var before: (second: Int, level: Float)?
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
