import Glibc
import JSONText

/// Results in a file, which a later run goes on with.
///
/// In it each recording's lines end with one that says so (`"done"`), which is what makes it known
/// as complete. What follows the last such line was being written when a run was ended: it is cut
/// off. A file that holds anything else than such results is refused and left as it is.
package final class ResumeFile: @unchecked Sendable {
  // Unchecked: written by one thread at a time, the one that `OrderedOutput` lets.

  /// Recordings of one name that are complete.
  package struct Finished: Equatable {
    package var count = 0
    /// How many of them ended in a failure.
    package var failed = 0
  }

  /// The longest line, of a window of a million steps and several heads.
  private static let longestLine = 256 << 20

  private let path: String
  private let descriptor: Int32
  /// What the file held, by name.
  package private(set) var finished: [String: Finished] = [:]

  /// Opens the file, or makes it, and reads what it holds.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - settings: What this run's lines call its settings; results of others are refused.
  /// - Throws: `Failure` naming the file, and the line that can't be.
  package init(_ path: String, settings: String) throws {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw Failure(errno == EACCES ? .noPermission : .cannotCreate, "--resume \(path): \(reason)")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(.cannotCreate, "--resume \(path): is not a regular file")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw Failure(.tryLater, "--resume \(path): another attnd is writing to it")
    }
    var scan = ResultScan(path: path, settings: settings)
    try read { try scan.take($0) }
    finished = scan.finished
    guard ftruncate(descriptor, off_t(scan.complete)) == 0,
      lseek(descriptor, off_t(scan.complete), SEEK_SET) >= 0
    else {
      let reason = String(cString: strerror(errno))
      throw Failure(.inputOutput, "--resume \(path): cannot be cut to its last end: \(reason)")
    }
  }

  deinit {
    guard descriptor >= 0 else { return }
    // A child that is being started may have the descriptor for a moment longer, and with it the lock.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  /// Writes behind what there is.
  package func append(_ bytes: [UInt8]) throws {
    try writeAll(bytes, to: descriptor, name: path)
  }

  /// Leaves out of a list what is complete: of a name that stands in it several times, the first.
  ///
  /// - Parameter files: The list.
  /// - Returns: What is left of it, and how many of those left out had failed.
  package func unfinished(of files: [String]) -> (files: [String], failed: Int) {
    var finished = finished
    var failed = 0
    let rest = files.filter { file in
      guard let entry = finished[file], entry.count > 0 else { return true }
      finished[file]?.count -= 1
      if entry.failed > 0 {
        finished[file]?.failed -= 1
        failed += 1
      }
      return false
    }
    return (rest, failed)
  }

  /// Hands over the content line by line, without the ends of lines; a last one that has none too.
  private func read(_ line: (ArraySlice<UInt8>) throws -> Void) throws {
    var block = [UInt8](repeating: 0, count: 1 << 20)
    var rest: [UInt8] = []
    while true {
      let count = Glibc.read(descriptor, &block, block.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw Failure(.inputOutput, "--resume \(path): \(String(cString: strerror(errno)))")
      }
      guard count > 0 else { break }
      rest += block[..<count]
      var start = 0
      while let end = newline(in: rest, from: start) {
        try line(rest[start...end])
        start = end + 1
      }
      rest.removeFirst(start)
      guard rest.count <= Self.longestLine else {
        throw Failure(
          .cannotCreate, "--resume \(path): has a line of more than \(Self.longestLine) bytes")
      }
    }
    if !rest.isEmpty { try line(rest[...]) }
  }

  private func newline(in bytes: [UInt8], from start: Int) -> Int? {
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress, start < buffer.count,
        let found = memchr(base + start, 0x0A, buffer.count - start)
      else { return nil }
      return UnsafeRawPointer(found) - base
    }
  }
}

/// Reads results line by line: which recordings are complete, and where the last of them ends.
private struct ResultScan {
  /// What every line of a result begins with.
  private static let beginning = Array(#"{"file":""#.utf8)
  private static let ending = Array(#","done":"#.utf8)

  let path: String
  let settings: String
  private(set) var finished: [String: ResumeFile.Finished] = [:]
  /// Bytes up to the end of the last recording that is complete.
  private(set) var complete = 0

  private var offset = 0
  private var lines = 0
  /// The name, as it is written, that the lines since then belong to.
  private var name: [UInt8]?

  init(path: String, settings: String) {
    self.path = path
    self.settings = settings
  }

  /// Takes the next line, its newline with it; the last may be torn.
  mutating func take(_ line: ArraySlice<UInt8>) throws {
    lines += 1
    offset += line.count
    guard line.last == 0x0A else {
      // As much of a beginning as there is.
      let common = min(line.count, Self.beginning.count)
      guard line.prefix(common) == Self.beginning.prefix(common)[...] else { throw notAResult() }
      return
    }
    guard line.starts(with: Self.beginning), let name = Self.name(in: line) else {
      throw notAResult()
    }
    if let before = self.name, !before.elementsEqual(name) {
      throw Failure(
        .cannotCreate,
        "--resume \(path): line \(lines) follows results without an end: only what was written with "
          + "--resume can be gone on with")
    }
    if self.name == nil { self.name = Array(name) }
    guard line[name.endIndex...].dropFirst().starts(with: Self.ending) else { return }
    try takeEnd(line)
    self.name = nil
    complete = offset
  }

  private mutating func takeEnd(_ line: ArraySlice<UInt8>) throws {
    let json = try? JSON(parsing: line, repeatedNames: .refused, numbers: .finite)
    guard let fields = json?.fields, case .string(let file) = fields["file"],
      case .bool(let isDone) = fields["done"], case .string(let settings) = fields["settings"]
    else { throw notAResult() }
    guard settings == self.settings else {
      throw Failure(
        .cannotCreate,
        "--resume \(path): line \(lines) was made with another model or other options (settings "
          + "\(settings), now \(self.settings)); name another file")
    }
    finished[file, default: .init()].count += 1
    if !isDone { finished[file]?.failed += 1 }
  }

  private func notAResult() -> Failure {
    Failure(
      .cannotCreate,
      "--resume \(path): line \(lines) is no result of attnd batch; the file was left as it is")
  }

  /// The name that a line begins with, as it is written.
  private static func name(in line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var i = line.startIndex + beginning.count
    let start = i
    while i < line.endIndex {
      switch line[i] {
      case UInt8(ascii: "\""): return line[start..<i]
      case UInt8(ascii: "\\"): i += 2
      default: i += 1
      }
    }
    return nil
  }
}
