import Glibc
import Synchronization

/// The other end of a client's connections, which says and does exactly what a test has written down.
///
/// Listens at once; a thread of its own accepts a connection for each script, one after the other.
package final class ScriptedPeer: Sendable {
  /// What a script does, from the accepting of a connection to its closing.
  package typealias Script = @Sendable (PeerConnection) -> Void

  /// The port; 0 for a Unix socket.
  package let port: Int
  private let listener: Listener

  /// The listening socket, as long as it is open.
  private final class Listener: Sendable {
    let descriptor: Int32
    private let isOpen = Mutex(true)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Lets no more connections come, whoever waits for one.
    func stop() {
      isOpen.withLock { if $0 { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    func close() {
      isOpen.withLock { isOpen in
        if isOpen { Glibc.close(descriptor) }
        isOpen = false
      }
    }
  }

  /// Listens at a Unix socket.
  ///
  /// - Parameters:
  ///   - path: Where, in a folder of the test's.
  ///   - scripts: One for each connection.
  /// - Throws: `GoldenError` when the system has no socket or thread for it.
  package convenience init(at path: String, _ scripts: Script...) throws(GoldenError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = path.utf8.count < MemoryLayout.size(ofValue: address.sun_path)
    guard fits else { throw GoldenError(path, "too long") }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    try self.init(family: AF_UNIX, &address, scripts)
  }

  /// Listens at a port of the loopback interface that is free.
  package convenience init(_ scripts: Script...) throws(GoldenError) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    try self.init(family: AF_INET, &address, scripts)
  }

  private init<Address>(
    family: Int32, _ address: inout Address, _ scripts: [Script]
  ) throws(GoldenError) {
    let descriptor = socket(
      family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var size = socklen_t(MemoryLayout<Address>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, size) == 0 && listen(descriptor, 8) == 0
          && getsockname(descriptor, $0, &size) == 0
      }
    }
    guard isBound else {
      close(descriptor)
      throw GoldenError("peer", String(cString: strerror(errno)))
    }
    let listener = Listener(descriptor)
    self.listener = listener
    port = (address as? sockaddr_in).map { Int(UInt16(bigEndian: $0.sin_port)) } ?? 0
    try Self.start {
      for script in scripts {
        let connection = accept(listener.descriptor, nil, nil)
        guard connection >= 0 else { break }
        script(PeerConnection(connection))
        close(connection)
      }
      listener.close()
    }
  }

  deinit { listener.stop() }

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  private static func start(_ run: @escaping @Sendable () -> Void) throws(GoldenError) {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    guard status == 0 else { throw GoldenError("thread", String(cString: strerror(status))) }
    pthread_detach(thread)
  }
}

/// A connection that a `ScriptedPeer` has accepted.
package final class PeerConnection {
  private let descriptor: Int32
  private var received: [UInt8] = []

  fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Sends bytes as they are; false when the client has gone.
  @discardableResult
  package func send(bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  /// Sends a whole event.
  package func send(_ type: String, _ json: String = "{}", payload: [UInt8] = []) {
    let header =
      "{\"type\":\"\(type)\",\"data_length\":\(json.utf8.count),\"payload_length\":\(payload.count)}"
    send(bytes: Array("\(header)\n\(json)".utf8) + payload)
  }

  /// Reads to the end of the next event that the client sends.
  ///
  /// - Returns: Its type, the JSON of its data block, and the number of bytes in its payload; nil
  ///   when the client has gone.
  package func receive() -> (type: String, json: String, payload: Int)? {
    while true {
      if let newline = received.firstIndex(of: 0x0A) {
        let header = String(decoding: received[..<newline], as: UTF8.self)
        let data = Self.number("data_length", in: header)
        let payload = Self.number("payload_length", in: header)
        let end = newline + 1 + data + payload
        if received.count >= end {
          let json = String(decoding: received[newline + 1..<newline + 1 + data], as: UTF8.self)
          received.removeFirst(end)
          return (
            header.split(separator: "\"").dropFirst(3).first.map(String.init) ?? "", json, payload
          )
        }
      }
      var block = [UInt8](repeating: 0, count: 4_096)
      let count = recv(descriptor, &block, block.count, 0)
      guard count > 0 else { return nil }
      received += block[..<count]
    }
  }

  /// Waits until the client has closed the connection.
  package func waitForEnd() { while receive() != nil {} }

  private static func number(_ name: String, in header: String) -> Int {
    guard let start = header.firstRange(of: "\"\(name)\":") else { return 0 }
    return Int(header[start.upperBound...].prefix { $0.isNumber }) ?? 0
  }
}
