import ModelFile

/// A configuration file: the values of settings, each with the line it stands in.
///
/// The file is YAML of the plainest kind, `name: value` with comments, and is read as such here:
/// any YAML reader gives the same values, but this one knows its lines, and takes nothing else
/// for what may be a slip (a nested map, a list, a value left empty).
package struct SettingsFile: Sendable, Equatable {
  package struct Line: Sendable, Equatable {
    package let number: Int
    package let value: String
  }

  /// Most bytes of a file; all settings with their comments take three thousand.
  package static let largest = 1 << 16

  /// The file, as it was found.
  package let path: String
  /// The lines by the name of their setting.
  package let lines: [String: Line]

  /// Reads the file that `--config` or the environment name, or else the first that is there.
  ///
  /// - Parameters:
  ///   - named: What `--config` says.
  ///   - environment: The process's environment.
  ///   - system: The system's file, last of all.
  /// - Returns: The file; nil if none was named and none is there.
  /// - Throws: `SettingsError` if it can't be read, or isn't what it should be.
  package static func find(
    named: String?, environment: [String: String], system: String = "/etc/attnd/attnd.yaml"
  ) throws(SettingsError) -> SettingsFile? {
    func given(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    if let path = named ?? given("ATTND_CONFIG") {
      guard let file = try SettingsFile(at: path) else {
        throw .unreadable(file: path, reason: "No such file or directory")
      }
      return file
    }
    // Relative paths in XDG variables are to be ignored (XDG Base Directory Specification 0.8).
    let home =
      given("XDG_CONFIG_HOME").flatMap { $0.hasPrefix("/") ? $0 : nil }
      ?? given("HOME").map { $0 + "/.config" }
    if let home, let file = try SettingsFile(at: home + "/attnd/attnd.yaml") { return file }
    return try SettingsFile(at: system)
  }

  /// Reads a file; nil if it isn't there.
  private init?(at path: String) throws(SettingsError) {
    let bytes: [UInt8]
    do {
      bytes = try readRegularFile(path, limit: SettingsFile.largest)
    } catch {
      if error.isMissing { return nil }
      throw .unreadable(file: path, reason: error.description)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .unreadable(file: path, reason: "isn't text in UTF-8")
    }
    try self.init(text, path: path)
  }

  /// Reads the content of a file.
  ///
  /// - Parameters:
  ///   - text: The content.
  ///   - path: What to call it in errors.
  /// - Throws: `SettingsError` for the first line that can't be.
  package init(_ text: String, path: String) throws(SettingsError) {
    var lines: [String: Line] = [:]
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    {
      let line = index == 0 && line.hasPrefix("\u{FEFF}") ? line.dropFirst() : line
      let number = index + 1
      guard let (key, value) = try SettingsFile.split(line, number: number, path: path) else {
        continue
      }
      let known = SettingsTable.entries.map(\.name)
      guard known.contains(key) else {
        throw .unknownKey(
          file: path, line: number, key: key, nearest: nearestName(to: key, among: known))
      }
      if let first = lines[key]?.number {
        throw .repeated(file: path, line: number, key: key, first: first)
      }
      lines[key] = Line(number: number, value: value)
    }
    self.path = path
    self.lines = lines
  }

  /// The name and value of a line; nil for a comment, an empty line and the mark of a document.
  private static func split(
    _ line: Substring, number: Int, path: String
  ) throws(SettingsError) -> (key: String, value: String)? {
    func wrong(_ found: String, _ expected: String) -> SettingsError {
      .malformed(file: path, line: number, found: found, expected: expected)
    }
    let content = line.drop(while: isSpace)
    guard let first = content.first, first != "#", line != "---" else { return nil }
    guard content.startIndex == line.startIndex else {
      throw wrong("begins with a space", "'name: value' from the first column")
    }
    guard let colon = content.firstIndex(of: ":") else {
      throw wrong("'\(content)'", "'name: value'")
    }
    let key = String(content[..<colon])
    let rest = content[content.index(after: colon)...]
    guard rest.isEmpty || rest.first.map(isSpace) == true else {
      throw wrong("no space after '\(key):'", "'name: value'")
    }
    let value = rest.drop(while: isSpace)
    guard let opening = value.first, opening != "#" else {
      throw wrong("\(key) has no value", "one, or '#' before the line")
    }
    switch opening {
    case "'", "\"":
      guard let text = quoted(value) else {
        throw wrong("\(key) has an odd quotation", "'text' or \"text\", and no more on the line")
      }
      return (key, text)
    case "[", "{", "|", ">", "&", "*", "!", "%", "@", "`", ",", "]", "}":
      throw wrong("\(key) begins with '\(opening)'", "a plain value, or one in quotes")
    default:
      let text = plain(value)
      guard !text.contains(": "), !text.hasSuffix(":") else {
        throw wrong("\(key) has a ':' in its value", "quotes around it")
      }
      return (key, text)
    }
  }

  private static func isSpace(_ character: Character) -> Bool {
    character == " " || character == "\t"
  }

  /// Text up to a comment, which begins with a space and '#', without the spaces at its end.
  private static func plain(_ value: Substring) -> String {
    var end = value.endIndex
    var previous: Character = "x"
    for index in value.indices {
      if value[index] == "#" && isSpace(previous) {
        end = index
        break
      }
      previous = value[index]
    }
    var text = value[..<end]
    while let last = text.last, isSpace(last) { text.removeLast() }
    return String(text)
  }

  /// Text in quotes with at most a comment behind it: '' is ' in single ones, \" and \\ are " and \
  /// in double ones; nil for anything else.
  private static func quoted(_ value: Substring) -> String? {
    guard let mark = value.first else { return nil }
    var text = ""
    var rest = value.dropFirst()
    while let character = rest.popFirst() {
      if character == mark {
        guard mark == "'", rest.first == "'" else {
          let after = rest.drop(while: isSpace)
          return after.isEmpty || after.first == "#" && after.startIndex > rest.startIndex
            ? text : nil
        }
        rest.removeFirst()
        text.append("'")
      } else if mark == "\"", character == "\\" {
        guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
        text.append(escaped)
      } else {
        text.append(character)
      }
    }
    return nil
  }
}
