import ArgumentParser
import AudioInput

/// The recordings that a command works on: named as arguments, or listed on standard input.
struct InputFiles: ParsableArguments {
  @Argument(
    help: "Recordings in any format that libsndfile reads. '-': read a list, a path a line, from standard input.",
    completion: .file())
  var files: [String]

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Files to work on at once (default: a core each).", valueName: "n"))
  var jobs: Int?

  func validate() throws {
    if files.isEmpty { throw ValidationError("No file given. Name some, or '-' for a list.") }
    if let jobs, jobs < 1 || jobs > 1_024 {
      throw ValidationError("--jobs is \(jobs), expected 1 to 1024.")
    }
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

// LosslessStringConvertible is all that ArgumentParser asks for.
extension ChannelSelection: ExpressibleByArgument {}
