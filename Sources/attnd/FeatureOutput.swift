import ArgumentParser
import Glibc

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

  @Option(
    help: ArgumentHelp(
      "Draw the rows: FILE.png or FILE.svg for one recording, '-' for standard output, or a folder "
        + "that gets a picture of each.", valueName: "path"),
    completion: .file(extensions: ["png", "svg"]))
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "Format of pictures in a folder or on standard output: png or svg (default: png).",
      valueName: "format"))
  var plotFormat: PictureFormat?

  /// How pictures are written.
  enum PictureFormat: String, CaseIterable, ExpressibleByArgument {
    case png, svg
  }

  /// A place for bytes.
  enum Target: Sendable {
    case file(String)
    case standardOutput

    /// The path of a file; nil for standard output.
    var path: String? {
      guard case .file(let path) = self else { return nil }
      return path
    }
  }

  /// A picture to be drawn.
  struct Picture: Sendable {
    let target: Target
    let format: PictureFormat
  }

  /// A recording, and what is to become of it.
  struct Recording: Sendable {
    let path: String
    var rows: Target?
    var picture: Picture?
  }

  /// What is to become of recordings.
  ///
  /// - Throws: `Failure` when that cannot be, or two results would be one file.
  func plan(_ paths: [String]) throws -> [Recording] {
    try refuseStandardOutput()
    let recordings = try paths.map { path in
      var recording = Recording(path: path)
      recording.rows = try rows(of: path)
      recording.picture = try picture(of: path, isOnly: paths.count == 1)
      return recording
    }
    try refuseCollisions(recordings)
    return recordings
  }

  private func rows(of path: String) throws -> Target? {
    guard let folder = out ?? (plot == nil ? "." : nil) else { return nil }
    guard folder != "-" else { return .standardOutput }
    return .file("\(folder)/\(try name(of: path)).\(format.rawValue)")
  }

  private func picture(of path: String, isOnly: Bool) throws -> Picture? {
    guard let plot else {
      guard let plotFormat else { return nil }
      throw usage("--plot-format \(plotFormat.rawValue): there is no --plot that it could be for")
    }
    if plot == "-" {
      guard isOnly else {
        throw usage("--plot -: standard output takes one picture; name a folder")
      }
      return Picture(target: .standardOutput, format: plotFormat ?? .png)
    }
    if let format = try pictureFormat(of: plot) {
      guard isOnly else {
        throw usage("--plot \(plot): is one picture for several recordings; name a folder")
      }
      guard plotFormat == nil || plotFormat == format else {
        throw usage("--plot \(plot): is not what --plot-format \(plotFormat?.rawValue ?? "") says")
      }
      return Picture(target: .file(plot), format: format)
    }
    let format = plotFormat ?? .png
    return Picture(
      target: .file("\(plot)/\(try name(of: path)).\(format.rawValue)"), format: format)
  }

  /// What the name of a picture says that it is; nil for the name of a folder.
  private func pictureFormat(of path: String) throws -> PictureFormat? {
    var status = stat()
    if path.hasSuffix("/") || stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR {
      return nil
    }
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: ".") else { return nil }
    guard let format = PictureFormat(rawValue: file[file.index(after: dot)...].lowercased()) else {
      throw usage("--plot \(path): expected FILE.png, FILE.svg or a folder, DIR/")
    }
    return format
  }

  /// A recording's name without extension, below its folders if asked.
  private func name(of path: String) throws -> String {
    var name = path
    if let root {
      let prefix = root.hasSuffix("/") ? root : root + "/"
      guard path.hasPrefix(prefix) else {
        throw Failure(.noInput, "\(path): does not lie below --root \(root)")
      }
      name = String(path.dropFirst(prefix.count))
    } else if let slash = path.lastIndex(of: "/") {
      name = String(path[path.index(after: slash)...])
    }
    let file = name.split(separator: "/").last ?? ""
    if let dot = file.lastIndex(of: "."), dot > file.startIndex {
      name = String(name.dropLast(file.distance(from: dot, to: file.endIndex)))
    }
    return name
  }

  private func refuseStandardOutput() throws {
    if out == "-", plot == "-" {
      throw usage("--out - and --plot - exclude one another: there is one standard output")
    }
    guard StandardOutput.isTerminal else { return }
    if out == "-", format == .npy {
      throw usage("--out -: arrays are not for a terminal; add --format jsonl, or '> rows.npy'")
    }
    if plot == "-" { throw usage("--plot -: a picture is not for a terminal; add '> picture.png'") }
  }

  private func refuseCollisions(_ recordings: [Recording]) throws {
    var owners: [String: String] = [:]
    for recording in recordings {
      for target in [recording.rows?.path, recording.picture?.target.path].compactMap(\.self) {
        guard let other = owners.updateValue(recording.path, forKey: target) else { continue }
        throw Failure(
          .cannotCreate,
          "\(other) and \(recording.path) would both be written to \(target); "
            + "give --root to keep folders")
      }
    }
  }

  private func usage(_ description: String) -> Failure { Failure(.validationFailure, description) }
}

extension RowFormat: ExpressibleByArgument {}
