import AttentionSocket
import Glibc

/// The sockets that the service manager hands over, as sd_listen_fds(3) describes it: LISTEN_FDS of
/// them, from descriptor 3 on, if LISTEN_PID is this process.
package enum HandedSockets {
  package static let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]

  private static let first: CInt = 3
  /// More than anybody's unit has.
  private static let most = 256

  /// The descriptors, unchecked.
  ///
  /// - Parameters:
  ///   - environment: The process's environment.
  ///   - process: The process's number.
  /// - Returns: None where nobody hands any over, or hands them to another process.
  /// - Throws: `Failure` when the number of them is none.
  package static func descriptors(
    environment: [String: String], process: pid_t
  ) throws -> Range<CInt> {
    let none = first..<first
    guard environment["LISTEN_PID"] == "\(process)", let text = environment["LISTEN_FDS"] else {
      return none
    }
    guard let count = Int(text), (0...most).contains(count) else {
      throw Failure(
        .systemError,
        "environment: LISTEN_FDS is '\(onOneLine(text))', expected a number from 0 to \(most)")
    }
    return first..<first + CInt(count)
  }

  /// Takes the sockets over, and the variables out of the process's environment, so that no child
  /// takes them for its own.
  ///
  /// - Parameter environment: The process's environment.
  /// - Returns: What clients find the daemon at; none where nobody hands any over.
  /// - Throws: `SocketError` for what can't be served, `Failure` when their number is none.
  static func take(environment: [String: String]) throws -> [HandedSocket] {
    let descriptors = try descriptors(environment: environment, process: getpid())
    for name in variables { unsetenv(name) }
    return try descriptors.map { try HandedSocket(descriptor: $0) }
  }
}
