import ArgumentParser

/// The recordings that a command works on: named as arguments, or listed on standard input.
struct InputFiles: ParsableArguments {
  @Argument(
    help: """
      Recordings in any format that libsndfile reads. '-': read a list, a path a line, from \
      standard input.
      """,
    completion: .file())
  var files: [String]

  @Option(name: .shortAndLong, help: ArgumentHelp(SettingsTable.jobs.entry))
  var jobs: String?

  func validate() throws {
    if files.isEmpty { throw ValidationError("No file given. Name some, or '-' for a list.") }
  }

  /// The paths, with each '-' replaced by the lines of standard input.
  func paths() -> [String] {
    files.flatMap { file in
      guard file == "-" else { return [file] }
      var lines: [String] = []
      while let line = readLine() {
        if !line.isEmpty { lines.append(line) }
      }
      return lines
    }
  }
}

/// Ends a command with 65 when any of its files failed; each has been told of already.
func endOfBatch(failed: Int, of total: Int, _ unit: String) throws {
  guard failed > 0 else { return }
  guard total > 1 else { throw ExitCode.badData }
  throw Failure(.badData, "\(failed) of \(total) \(unit) failed")
}
