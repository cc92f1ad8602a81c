import Glibc

/// What a line of the log looks like.
package enum LogFormat: String, CaseIterable, Sendable {
  /// For people: time, level, message, facts.
  case text
  /// For programs: a JSON object.
  case json
  /// For the journal of a service, which knows the time and reads the level from `<N>`.
  case journal

  /// The format for whoever reads a descriptor: the journal, if it is the one that JOURNAL_STREAM
  /// names by its device and inode; else people.
  ///
  /// - Parameters:
  ///   - environment: The process's environment.
  ///   - descriptor: Where the log goes.
  /// - Returns: `journal` or `text`.
  package static func found(
    environment: [String: String], descriptor: CInt = STDERR_FILENO
  ) -> LogFormat {
    guard let name = environment["JOURNAL_STREAM"] else { return .text }
    var file = stat()
    guard fstat(descriptor, &file) == 0, name == "\(file.st_dev):\(file.st_ino)" else {
      return .text
    }
    return .journal
  }
}
