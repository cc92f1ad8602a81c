import Glibc

/// Nobody reads what the program writes any more: the end of its work, not an error.
package struct BrokenPipe: Error {
  package init() {}
}

/// Bytes to standard output, whole or not at all.
enum StandardOutput {
  /// Whether a person is looking.
  static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Writes everything.
  ///
  /// - Throws: `BrokenPipe` when the reader has gone, `Failure` when writing fails otherwise.
  static func write(_ bytes: some Collection<UInt8>) throws {
    try writeAll(Array(bytes), to: STDOUT_FILENO, name: "standard output")
  }

  static func write(_ text: String) throws { try write(text.utf8) }
}

/// Lines for people, on standard error.
enum StandardError {
  /// Whether a person is looking.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Writes a text; there is nobody to tell when that fails.
  static func write(_ text: String) {
    try? writeAll(Array(text.utf8), to: STDERR_FILENO, name: "standard error")
  }
}

/// Writes all bytes to a descriptor, however often that takes.
func writeAll(_ bytes: [UInt8], to descriptor: Int32, name: String) throws {
  switch writeWhole(bytes, to: descriptor) {
  case 0: return
  case EPIPE: throw BrokenPipe()
  case let code:
    throw Failure(.inputOutput, "\(name): cannot be written: \(String(cString: strerror(code)))")
  }
}

/// Writes all bytes to a descriptor, however often that takes.
///
/// - Returns: 0, or the errno.
func writeWhole(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
  var offset = 0
  while offset < bytes.count {
    let count = bytes.withUnsafeBytes { buffer in
      write(descriptor, buffer.baseAddress.map { $0 + offset }, bytes.count - offset)
    }
    if count > 0 {
      offset += count
    } else if count == 0 || errno != EINTR {
      return count == 0 ? ENOSPC : errno
    }
  }
  return 0
}
