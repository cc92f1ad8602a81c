/// A setting that can't be, or a configuration file that can't be read: where, and what instead.
package enum SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The configuration file was named, or is there, but can't be read.
  case unreadable(file: String, reason: String)
  /// A line of the file isn't a name and a value.
  case malformed(file: String, line: Int, found: String, expected: String)
  /// A name in the file that no setting has, and the one that is most like it.
  case unknownKey(file: String, line: Int, key: String, nearest: String?)
  /// A value that the setting can't have.
  case value(origin: SettingOrigin, found: String, expected: String)
  /// Options that exclude one another, or one that is wanted and has no default here.
  case usage(String)

  /// 64 for what was typed, 78 for what is configured.
  package var exitStatus: Int32 {
    switch self {
    case .value(.flag, _, _), .usage: 64
    default: 78
    }
  }

  package var description: String {
    switch self {
    case .unreadable(let file, let reason): "config \(legible(file)): \(reason)"
    case .malformed(let file, let line, let found, let expected):
      "config \(legible(file)): line \(line): \(legible(found)), expected \(expected)"
    case .unknownKey(let file, let line, let key, let nearest):
      "config \(legible(file)): line \(line): unknown key '\(legible(key))'"
        + (nearest.map { " (\($0)?)" } ?? "")
    case .value(let origin, let found, let expected):
      "\(origin) is '\(legible(found))', expected \(expected)"
    case .usage(let sentence): sentence
    }
  }
}

/// Where the value of a setting was found.
package enum SettingOrigin: Sendable, Equatable, CustomStringConvertible {
  case flag(String)
  case environment(String)
  case file(String, line: Int, key: String)

  package var description: String {
    switch self {
    case .flag(let name): "--\(name)"
    case .environment(let name): "environment: \(name)"
    case .file(let file, let line, let key): "config \(legible(file)): line \(line): \(key)"
    }
  }
}

/// Text from outside on one line of a terminal: control characters replaced, long text cut.
private func legible(_ text: String) -> String {
  let kept = String(
    text.unicodeScalars.prefix(200).map {
      $0.properties.generalCategory == .control ? "\u{FFFD}" : Character($0)
    })
  return text.unicodeScalars.count > 200 ? kept + "..." : kept
}
