import ArgumentParser

/// Where the rows of recordings go, and pictures of them.
struct FeatureOutput: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder to write rows to, made when missing; '-' for standard output "
        + "(default: . without --plot, nowhere with it).", valueName: "dir"),
    completion: .directory)
  var out: String?

  @Option(
    help: ArgumentHelp(
      "How rows are written: npy (NumPy) or jsonl (JSON Lines).", valueName: "format"))
  var format = RowFormat.npy

  @Option(
    help: ArgumentHelp(
      "Keep the folders of each recording below this one, so that equal names do not collide.",
      valueName: "dir"),
    completion: .directory)
  var root: String?

  @OptionGroup var pictures: PictureOptions

  /// A recording, and what is to become of it.
  struct Recording: Sendable {
    let path: String
    var rows: OutputPlace?
    var picture: PictureTarget?
  }

  /// What is to become of recordings.
  ///
  /// - Throws: `Failure` when that cannot be, or two results would be one file.
  func plan(_ paths: [String]) throws -> [Recording] {
    try refuseStandardOutput()
    let recordings = try paths.map { path in
      var recording = Recording(path: path)
      recording.rows = try rows(of: path)
      recording.picture = try pictures.picture(
        of: path, isOnly: paths.count == 1, root: root)
      return recording
    }
    try refuseCollisions(
      recordings.map { (file: $0.path, places: [$0.rows, $0.picture?.place].compactMap(\.self)) })
    return recordings
  }

  private func rows(of path: String) throws -> OutputPlace? {
    guard let folder = out ?? (pictures.plot == nil ? "." : nil) else { return nil }
    guard folder != "-" else { return .standardOutput }
    return .file("\(folder)/\(try outputName(of: path, root: root)).\(format.rawValue)")
  }

  private func refuseStandardOutput() throws {
    if out == "-", pictures.plot == "-" {
      throw usage("--out - and --plot - exclude one another: there is one standard output")
    }
    if out == "-", format == .npy, StandardOutput.isTerminal {
      throw usage("--out -: arrays are not for a terminal; add --format jsonl, or '> rows.npy'")
    }
    try pictures.refuseTerminal()
  }

  private func usage(_ description: String) -> Failure { Failure(.validationFailure, description) }
}

extension RowFormat: ExpressibleByArgument {}
