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
