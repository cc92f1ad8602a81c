import JSONText

/// A wish of the voice assistant that its wake word listen, or not: what Hermes sends as
/// `hermes/hotword/toggleOn` and `toggleOff`.
package struct HotwordToggle: Sendable, Equatable {
  /// Why not to listen; several may hold at once.
  package enum Reason: String, CaseIterable, Sendable {
    /// No reason given: overrides all others.
    case unknown = ""
    /// A dialogue is under way, whose words are for others to hear.
    case dialogueSession
    /// Something is played.
    case playAudio
    /// The machine speaks.
    case ttsSay
  }

  /// Why a message is none.
  package enum Fault: Error, Equatable, CustomStringConvertible {
    case notAnObject(String)
    case field(String, expected: String)

    package var description: String {
      switch self {
      case .notAnObject(let reason): "not a JSON object: \(reason)"
      case .field(let name, let expected): "\(name) must be \(expected)"
      }
    }
  }

  /// The room that is meant.
  package var site: String
  package var reason: Reason

  package init(site: String, reason: Reason) {
    self.site = site
    self.reason = reason
  }

  /// Reads a payload; both fields have defaults, as in the package rhasspyhermes.
  ///
  /// - Parameters:
  ///   - payload: What came.
  ///   - site: Ours; the message of another is none of our business, whatever its reason.
  /// - Returns: The wish; nil when it is another site's.
  /// - Throws: `Fault`.
  package static func read(_ payload: [UInt8], for site: String) throws(Fault) -> HotwordToggle? {
    let json: JSON
    do {
      json = try JSON(parsing: payload, repeatedNames: .lastWins, numbers: .any)
    } catch {
      throw .notAnObject("\(error)")
    }
    guard let fields = json.fields else { throw .notAnObject("another JSON value") }
    let named: String
    switch fields["siteId"] {
    case nil, .null: named = "default"
    case .string(let text): named = text
    default: throw .field("siteId", expected: "a string")
    }
    guard named == site else { return nil }
    switch fields["reason"] {
    case nil, .null: return HotwordToggle(site: named, reason: .unknown)
    case .string(let text):
      guard let reason = Reason(rawValue: text) else { fallthrough }
      return HotwordToggle(site: named, reason: reason)
    default:
      throw .field(
        "reason", expected: Reason.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", "))
    }
  }
}

/// Whether the voice assistant wants its wake word to listen: off as long as any reason holds.
package struct HotwordSwitch: Sendable, Equatable {
  private var reasons: Set<HotwordToggle.Reason> = []

  package init() {}

  package var isOff: Bool { !reasons.isEmpty }

  /// A reason holds from now on.
  package mutating func turnOff(_ reason: HotwordToggle.Reason) { reasons.insert(reason) }

  /// A reason holds no longer; without one, none does.
  package mutating func turnOn(_ reason: HotwordToggle.Reason) {
    if reason == .unknown { reasons.removeAll() } else { reasons.remove(reason) }
  }
}
