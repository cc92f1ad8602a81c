import ArgumentParser
import Glibc

/// Where pictures of files go, for commands that draw them.
struct PictureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Draw each file: FILE.png or FILE.svg for one, '-' for standard output, or a folder that "
        + "gets a picture of each.", valueName: "path"),
    completion: .file(extensions: ["png", "svg"]))
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "Format of pictures in a folder or on standard output: png or svg (default: png).",
      valueName: "format"))
  var plotFormat: PictureFormat?

  /// Where the picture of a file goes; nil when none is asked for.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - isOnly: Whether there is no other.
  ///   - root: The folder below which folders are kept.
  /// - Returns: Place and format.
  /// - Throws: `Failure` when that cannot be.
  func picture(of path: String, isOnly: Bool, root: String?) throws -> PictureTarget? {
    guard let plot else {
      guard let plotFormat else { return nil }
      throw usage("--plot-format \(plotFormat.rawValue): there is no --plot that it could be for")
    }
    if plot == "-" {
      guard isOnly else {
        throw usage("--plot -: standard output takes one picture; name a folder")
      }
      return PictureTarget(place: .standardOutput, format: plotFormat ?? .png)
    }
    if let format = try pictureFormat(of: plot) {
      guard isOnly else {
        throw usage("--plot \(plot): is one picture for several recordings; name a folder")
      }
      guard plotFormat == nil || plotFormat == format else {
        throw usage("--plot \(plot): is not what --plot-format \(plotFormat?.rawValue ?? "") says")
      }
      return PictureTarget(place: .file(plot), format: format)
    }
    let format = plotFormat ?? .png
    let name = try outputName(of: path, root: root)
    return PictureTarget(place: .file("\(plot)/\(name).\(format.rawValue)"), format: format)
  }

  /// Refuses a picture on a terminal.
  func refuseTerminal() throws {
    guard plot == "-", StandardOutput.isTerminal else { return }
    throw usage("--plot -: a picture is not for a terminal; add '> picture.png'")
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

  private func usage(_ description: String) -> Failure { Failure(.validationFailure, description) }
}

/// How pictures are written.
enum PictureFormat: String, CaseIterable, ExpressibleByArgument {
  case png, svg
}

/// A place for bytes.
enum OutputPlace: Sendable {
  case file(String)
  case standardOutput

  /// The path of a file; nil for standard output.
  var path: String? {
    guard case .file(let path) = self else { return nil }
    return path
  }
}

/// Where a picture goes, and how it is written.
struct PictureTarget: Sendable {
  let place: OutputPlace
  let format: PictureFormat

  /// Writes a drawing.
  ///
  /// - Parameter drawing: The drawing.
  /// - Returns: What is to go to standard output.
  /// - Throws: `Failure` when the file cannot be written.
  func write(_ drawing: Drawing) throws -> [UInt8] {
    let bytes =
      switch format {
      case .png: drawing.png
      case .svg: drawing.svg
      }
    guard let path = place.path else { return bytes }
    try writeFile(path, bytes)
    return []
  }
}

/// What a result of a file is called: its name without extension, below its folders if asked.
///
/// - Parameters:
///   - path: The file.
///   - root: The folder below which folders are kept; nil to leave them out.
/// - Returns: A relative path without extension.
/// - Throws: `Failure` when the file does not lie below the root.
func outputName(of path: String, root: String?) throws -> String {
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

/// Refuses results of two files that would be one.
///
/// - Parameter results: Paths of files with the places of their results.
/// - Throws: `Failure` naming the first two.
func refuseCollisions(_ results: [(file: String, places: [OutputPlace])]) throws {
  var owners: [String: String] = [:]
  for (file, places) in results {
    for place in places.compactMap(\.path) {
      guard let other = owners.updateValue(file, forKey: place) else { continue }
      throw Failure(
        .cannotCreate,
        "\(other) and \(file) would both be written to \(place); give --root to keep folders")
    }
  }
}
