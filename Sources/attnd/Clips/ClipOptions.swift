import ArgumentParser

/// Whether and how the sound around a detection is kept.
struct ClipOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.captureDirectory.entry), completion: .directory)
  var captureDirectory: String?

  @Option(help: ArgumentHelp(SettingsTable.captureBefore.entry))
  var captureBefore: String?

  @Option(help: ArgumentHelp(SettingsTable.captureAfter.entry))
  var captureAfter: String?

  @Option(help: ArgumentHelp(SettingsTable.captureMostClips.entry))
  var captureMostClips: String?

  @Option(help: ArgumentHelp(SettingsTable.captureMostBytes.entry))
  var captureMostBytes: String?

  var flags: [String: String?] {
    [
      SettingsTable.captureDirectory.entry.name: captureDirectory,
      SettingsTable.captureBefore.entry.name: captureBefore,
      SettingsTable.captureAfter.entry.name: captureAfter,
      SettingsTable.captureMostClips.entry.name: captureMostClips,
      SettingsTable.captureMostBytes.entry.name: captureMostBytes,
    ]
  }
}
