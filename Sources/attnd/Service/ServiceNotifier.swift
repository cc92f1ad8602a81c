import Glibc
import Synchronization

/// What the service manager is told, as sd_notify(3) spells it.
package enum ServiceMessage: Equatable, Sendable {
  /// The daemon serves; who waits for it may begin.
  case ready
  /// A line for people: `systemctl status` shows it.
  case status(String)
  /// The daemon does what it is there for.
  case watchdog
  /// It is on its way out.
  case stopping
  /// It reads its configuration anew, since so many microseconds of CLOCK_MONOTONIC; `ready` follows.
  case reloading(monotonicMicroseconds: UInt64)

  /// The line of the datagram, two for a reload.
  package var line: String {
    switch self {
    case .ready: "READY=1"
    // A line's end would begin another assignment.
    case .status(let text): "STATUS=" + onOneLine(text)
    case .watchdog: "WATCHDOG=1"
    case .stopping: "STOPPING=1"
    case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
    }
  }
}

/// The socket on which the service manager hears how the daemon does.
///
/// Datagrams of lines, to the address in NOTIFY_SOCKET: a path, or behind '@' a name without one. The
/// socket is opened once, so that a daemon without a descriptor to spare is still heard.
package final class ServiceNotifier: Sendable {
  package static let variable = "NOTIFY_SOCKET"

  private let descriptor: CInt
  private let address: [UInt8]
  private let monotonicMicroseconds: @Sendable () -> UInt64
  private let saidReady = Atomic(false)

  /// Nil where no service manager asks to be told, or at an address that is none of a Unix socket.
  ///
  /// - Parameters:
  ///   - environment: The process's environment.
  ///   - monotonicMicroseconds: The time of CLOCK_MONOTONIC, for `reloading`.
  package init?(
    environment: [String: String],
    monotonicMicroseconds: @escaping @Sendable () -> UInt64 = ServiceNotifier.systemMicroseconds
  ) {
    guard let name = environment[Self.variable], let address = Self.bytes(of: name) else {
      return nil
    }
    let descriptor = socket(
      AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    self.descriptor = descriptor
    self.address = address
    self.monotonicMicroseconds = monotonicMicroseconds
  }

  deinit { close(descriptor) }

  /// The bytes of a `sockaddr_un`, as long as its name.
  private static func bytes(of name: String) -> [UInt8]? {
    let path = Array(name.utf8)
    let room = MemoryLayout.size(ofValue: sockaddr_un().sun_path)
    guard (2...room).contains(path.count), !path.contains(0) else { return nil }
    let family = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }
    switch path[0] {
    // Its closing zero is left out where there is no room for it.
    case UInt8(ascii: "/"): return family + path + (path.count < room ? [0] : [])
    case UInt8(ascii: "@"): return family + [0] + path.dropFirst()
    default: return nil
    }
  }

  /// Whether it knows that the daemon serves: there is nothing to say of a reload before that.
  package var isReady: Bool { saidReady.load(ordering: .relaxed) }

  /// Sends messages, in one datagram, and never waits.
  ///
  /// - Parameter messages: In the order in which they stand in it.
  /// - Returns: Whether they went out; else there is no use but in trying again later.
  @discardableResult
  package func tell(_ messages: [ServiceMessage]) -> Bool {
    let text = Array(messages.map(\.line).joined(separator: "\n").utf8)
    let isSent = address.withUnsafeBytes { address in
      guard let pointer = address.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
        return false
      }
      let flags = CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)
      return sendto(descriptor, text, text.count, flags, pointer, socklen_t(address.count))
        == text.count
    }
    if isSent, messages.contains(.ready) { saidReady.store(true, ordering: .relaxed) }
    return isSent
  }

  /// Says that the configuration is being read anew; `tell([.ready])` says that it has been.
  @discardableResult
  package func tellReloading() -> Bool {
    tell([.reloading(monotonicMicroseconds: monotonicMicroseconds())])
  }

  /// CLOCK_MONOTONIC of the system.
  package static let systemMicroseconds: @Sendable () -> UInt64 = {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
  }
}
