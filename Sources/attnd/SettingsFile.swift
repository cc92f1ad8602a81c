import Configuration
import ModelFile
import Yams

/// A configuration file: YAML, a setting a line, each remembered with its line for errors.
///
/// swift-configuration reads the values. Yams, which it reads them with, is asked once more for
/// what the former does not tell: which names there are, and in which lines.
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
    lines = try SettingsFile.lines(of: text, path: path)
    values = try SettingsFile.values(of: lines.keys.sorted(), in: text, path: path)
  }

  private static func values(
    of names: [String], in text: String, path: String
  ) throws(SettingsError) -> [String: String] {
    guard !names.isEmpty else { return [:] }
    do {
      let snapshot = try YAMLSnapshot(
        data: Array(text.utf8).span.bytes, providerName: path, parsingOptions: .default)
      var values: [String: String] = [:]
      for name in names {
        let found = try snapshot.value(forKey: AbsoluteConfigKey([name]), type: .string)
        if case .string(let value) = found.value?.content { values[name] = value }
      }
      return values
    } catch {
      throw malformed(error, path: path)
    }
  }

  /// The line of each setting; refuses what is no setting, and what is no plain value.
  private static func lines(
    of text: String, path: String
  ) throws(SettingsError) -> [String: Int] {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw malformed(error, path: path)
    }
    guard let root, root.scalar?.string.isEmpty != true else { return [:] }
    guard let mapping = root.mapping else {
      throw .malformed(
        file: path, line: root.mark?.line ?? 1, found: "no mapping", expected: "'name: value'")
    }
    let known = SettingsTable.entries.map(\.name)
    var lines: [String: Int] = [:]
    for (key, value) in mapping {
      let line = key.mark?.line ?? 1
      let name = key.scalar?.string ?? "?"
      guard known.contains(name) else {
        throw .unknownKey(
          file: path, line: line, key: name, nearest: nearestName(to: name, among: known))
      }
      guard let scalar = value.scalar, !scalar.string.isEmpty else {
        throw .malformed(
          file: path, line: line, found: "\(name) has no plain value",
          expected: "'\(name): value', or '#' before the line")
      }
      lines[name] = line
    }
    return lines
  }

  /// What Yams finds wrong, on one line.
  private static func malformed(_ error: any Error, path: String) -> SettingsError {
    let (problem, line): (String, Int) =
      switch error {
      case YamlError.scanner(_, let problem, let mark, _),
        YamlError.parser(_, let problem, let mark, _),
        YamlError.composer(_, let problem, let mark, _):
        (problem, mark.line)
      case YamlError.duplicatedKeysInMapping(let keys, let context):
        ("\(keys.joined(separator: ", ")) stands there twice", context.mark.line)
      default: ("not YAML", 1)
      }
    return .malformed(file: path, line: line, found: problem, expected: "YAML, 'name: value'")
  }
}
