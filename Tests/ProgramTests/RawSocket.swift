import Glibc

struct SocketFailure: Error { let code: Int32 }

/// A port of the loopback interface that nobody listens at.
func freePort() throws -> UInt16 {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  var size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let bound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
    }
  }
  guard bound else { throw SocketFailure(code: errno) }
  return UInt16(bigEndian: address.sin_port)
}

/// Sends bytes to a socket while reading from it, closes the writing side, and reads to the end.
func exchange(_ bytes: [UInt8], at path: String) throws -> String {
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  let connected = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard connected == 0 else { throw SocketFailure(code: errno) }
  var offset = 0
  while offset < bytes.count {
    let sent = bytes[offset...].withUnsafeBytes {
      send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    guard sent > 0 else { throw SocketFailure(code: errno) }
    offset += sent
  }
  shutdown(descriptor, Int32(SHUT_WR))
  var all: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 65_536)
  while case let got = recv(descriptor, &block, block.count, 0), got > 0 { all += block[..<got] }
  return String(decoding: all, as: UTF8.self)
}
