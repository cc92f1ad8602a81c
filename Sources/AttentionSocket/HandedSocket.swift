import Glibc

/// A listening socket that a service manager made, and handed over to the process.
///
/// It stays the manager's: its file isn't removed or given other permissions, and who connects while
/// the daemon starts anew waits in its backlog.
public struct HandedSocket: Sendable, Equatable {
  /// The process's number for it; from `listen(on:)` on the event loop's.
  public let descriptor: CInt
  /// Where clients find it.
  public let address: SocketAddress

  /// Sees to it that the descriptor is what can be served, and that no child gets it.
  ///
  /// - Parameter descriptor: From 3 on, as sd_listen_fds(3) counts.
  /// - Throws: `SocketError.notServable` for anything but a listening stream socket, of a Unix path or
  ///   TCP.
  public init(descriptor: CInt) throws(SocketError) {
    self.descriptor = descriptor
    func isSet(_ option: CInt) throws(SocketError) -> CInt {
      var value: CInt = 0
      var size = socklen_t(MemoryLayout<CInt>.size)
      guard getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 else {
        let found = errno == ENOTSOCK ? "no socket" : SocketError.text(of: errno)
        throw .notServable(descriptor: descriptor, found: found)
      }
      return value
    }
    guard try isSet(SO_TYPE) == CInt(SOCK_STREAM.rawValue) else {
      throw .notServable(descriptor: descriptor, found: "a socket of another type")
    }
    guard try isSet(SO_ACCEPTCONN) != 0 else {
      throw .notServable(
        descriptor: descriptor, found: "a socket that doesn't listen (Accept=yes?)")
    }
    address = try Self.address(of: descriptor)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  private static func address(of descriptor: CInt) throws(SocketError) -> SocketAddress {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &size)
      }
    }
    guard status == 0 else {
      throw .notServable(descriptor: descriptor, found: SocketError.text(of: errno))
    }
    let bytes = withUnsafeBytes(of: storage) { Array($0.prefix(Int(size))) }
    let address: SocketAddress? =
      switch CInt(storage.ss_family) {
      case AF_UNIX: path(bytes).map { .unix(path: $0) }
      case AF_INET, AF_INET6: port(storage, size)
      default: nil
      }
    guard let address else {
      throw .notServable(
        descriptor: descriptor,
        found: CInt(storage.ss_family) == AF_UNIX
          ? "a Unix socket without a path, which has no permissions"
          : "a socket of neither Unix nor TCP")
    }
    return address
  }

  /// The path in a `sockaddr_un`; nil for none, and for an abstract name.
  private static func path(_ address: [UInt8]) -> String? {
    let path = address.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
    return path.isEmpty ? nil : String(decoding: path, as: UTF8.self)
  }

  private static func port(_ address: sockaddr_storage, _ size: socklen_t) -> SocketAddress? {
    var (host, port) = ([CChar](repeating: 0, count: 64), [CChar](repeating: 0, count: 8))
    let status = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getnameinfo(
          $0, size, &host, socklen_t(host.count), &port, socklen_t(port.count),
          NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    func text(_ characters: [CChar]) -> String {
      String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
    guard status == 0, let number = Int(text(port)) else { return nil }
    return .tcp(host: text(host), port: number)
  }
}
