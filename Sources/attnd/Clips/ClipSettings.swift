import ModelFile

/// Whether and how the sound around a detection is kept.
package struct ClipSettings: Sendable, Equatable {
  /// Where clips are kept.
  package var folder: String
  /// Seconds of a clip before the decision.
  package var before = 2.0
  /// Seconds of a clip after it.
  package var after = 1.0
  /// Most clips at a time.
  package var mostClips = 1_000
  /// Most bytes of them all.
  package var mostBytes = 1_000_000_000

  /// Gathers them.
  package init(folder: String, before: Double = 2, after: Double = 1) {
    self.folder = folder
    self.before = before
    self.after = after
  }

  /// Finds the settings of clips; nil when no folder is named: nothing is kept that nobody asked for.
  ///
  /// - Parameter places: Where settings are looked for.
  /// - Throws: `SettingsError` for a value that can't be.
  init?(_ places: SettingPlaces) throws(SettingsError) {
    let before = try places.value(of: SettingsTable.captureBefore)
    let after = try places.value(of: SettingsTable.captureAfter)
    let mostClips = try places.value(of: SettingsTable.captureMostClips)
    let mostBytes = try places.value(of: SettingsTable.captureMostBytes)
    guard let folder = try places.value(of: SettingsTable.captureDirectory) else { return nil }
    self.folder = folder
    if let before { self.before = before }
    if let after { self.after = after }
    if let mostClips { self.mostClips = mostClips }
    if let mostBytes { self.mostBytes = mostBytes }
  }
}

extension SettingsTable {
  package static let captureDirectory = Setting(
    entry: SettingEntry(
      name: "capture-directory", valueName: "path",
      help: "The folder that the sound around every detection is kept in, with what the model made "
        + "of it, as Docs/clips.md describes it.",
      standard: "none: nothing is recorded", example: "/var/lib/attnd/clips"),
    expected: "a path", parse: text)

  package static let captureBefore = Setting(
    entry: SettingEntry(
      name: "capture-before", valueName: "seconds",
      help: "Seconds of a clip before the decision, the word itself among them.",
      standard: "2", example: "5"),
    expected: "a number from 0.1 to 60", parse: seconds(0.1...60))

  package static let captureAfter = Setting(
    entry: SettingEntry(
      name: "capture-after", valueName: "seconds", help: "Seconds of a clip after the decision.",
      standard: "1", example: "3"),
    expected: "a number from 0 to 60", parse: seconds(0...60))

  package static let captureMostClips = Setting(
    entry: SettingEntry(
      name: "capture-most-clips", valueName: "n",
      help: "Most clips in the folder; the oldest make room for new ones.", standard: "1000",
      example: "100"),
    expected: "a whole number from 1 to 100000", parse: whole(1...100_000))

  package static let captureMostBytes = Setting(
    entry: SettingEntry(
      name: "capture-most-bytes", valueName: "size",
      help: "Most bytes of all clips together, such as 500MB or 2GiB; the oldest make room for new "
        + "ones.",
      standard: "1GB", example: "500MB"),
    expected: "a size from 1MB to 1000TB, such as 500MB or 2GiB", parse: byteCount)

  /// Those of clips, in the order in which people meet them.
  static let captureEntries: [SettingEntry] = [
    captureDirectory.entry, captureBefore.entry, captureAfter.entry, captureMostClips.entry,
    captureMostBytes.entry,
  ]

  private static func seconds(_ range: ClosedRange<Double>) -> @Sendable (String) -> Double? {
    { text in
      guard let number = Double(text), range.contains(number) else { return nil }
      return number
    }
  }

  /// Units of bytes, by their letters.
  private static let units: [String: Double] = [
    "": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1e3, "m": 1e6, "g": 1e9,
    "t": 1e12, "kib": 0x1p10, "mib": 0x1p20, "gib": 0x1p30, "tib": 0x1p40,
  ]

  /// A number of bytes, with a unit or without; letters of either case, a space between.
  private static let byteCount: @Sendable (String) -> Int? = { text in
    let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }.lowercased()
    guard let number = Double(digits), let factor = units[unit] else { return nil }
    let bytes = (number * factor).rounded()
    return (1e6...1e15).contains(bytes) ? Int(bytes) : nil
  }
}
