import ArgumentParser

/// Writes the manual: a page for every command, and one for the configuration file.
///
/// For `make install`; help doesn't list it.
struct ManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual",
    abstract: "Write the pages of the manual into FOLDER/man1 and FOLDER/man5.",
    shouldDisplay: false)

  @Argument(help: "Where they go.", completion: .directory)
  var folder: String

  func run() throws {
    var pages = try CommandManual.pages(help: Attnd._dumpHelp()).map { ("man1/\($0)", $1) }
    pages.append(("man5/attnd.yaml.5", SettingsManual.page))
    for (file, text) in pages {
      let path = "\(folder)/\(file)"
      try makeFolder(of: path)
      try writeFile(path, Array(text.utf8))
    }
  }
}
