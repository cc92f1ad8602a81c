import ModelFile

/// A configuration file: YAML, a setting a line, each remembered with its line for errors.
///
/// swift-configuration can read YAML, too, but tells neither which names there are nor in which
/// lines, and brings the whole of Foundation into memory for it.
package struct SettingsFile: Sendable {
  /// Most bytes of a file; all settings with their comments take three thousand.
  package static let largest = 1 << 16

  /// The file, as it was found.
  package let path: String
  /// The line of each setting that the file has, from 1.
  package let lines: [String: Int]
  /// The value of each setting that the file has, as it is written.
  package let values: [String: String]

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
    self.path = path
    let root: YAMLNode?
    do {
      root = try YAMLNode.parse(text)
    } catch {
      throw .malformed(
        file: path, line: error.line, found: error.problem, expected: "YAML, 'name: value'")
    }
    var (lines, values): ([String: Int], [String: String]) = ([:], [:])
    for (name, value) in try SettingsFile.members(of: root, path: path) {
      let setting = try SettingsFile.setting(name, value, path: path)
      lines[setting.name] = name.line
      values[setting.name] = setting.value
    }
    (self.lines, self.values) = (lines, values)
  }

  /// The names and values of the document, if there is one.
  private static func members(
    of root: YAMLNode?, path: String
  ) throws(SettingsError) -> [(name: YAMLNode, value: YAMLNode)] {
    guard let root, root.scalar?.isEmpty != true else { return [] }
    guard case .mapping(let members) = root.content else {
      throw .malformed(
        file: path, line: root.line, found: "no mapping", expected: "'name: value'")
    }
    return members
  }

  /// A setting; refuses what is none, and what is no plain value.
  private static func setting(
    _ key: YAMLNode, _ value: YAMLNode, path: String
  ) throws(SettingsError) -> (name: String, value: String) {
    let known = SettingsTable.entries.map(\.name)
    let name = key.scalar ?? "?"
    guard known.contains(name) else {
      throw .unknownKey(
        file: path, line: key.line, key: name, nearest: nearestName(to: name, among: known))
    }
    let hasSeveral = SettingsTable.entries.contains { $0.name == name && $0.hasSeveral }
    var values = [value]
    if hasSeveral, case .list(let several) = value.content { values = several }
    let texts = values.compactMap(\.scalar).filter { !$0.isEmpty }
    guard !values.isEmpty, texts.count == values.count else {
      throw .malformed(
        file: path, line: key.line,
        found: "\(name) has no plain value\(hasSeveral ? " or list of them" : "")",
        expected: "'\(name): value', or '#' before the line")
    }
    return (name, texts.joined(separator: "\n"))
  }
}
