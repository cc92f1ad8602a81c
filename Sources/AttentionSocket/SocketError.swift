/// What can go wrong with the socket itself, for one line to the user.
public enum SocketError: Error, Equatable, CustomStringConvertible {
  /// Unix sockets take paths of at most 107 bytes.
  case pathTooLong(path: String, bytes: Int)
  case directoryMissing(path: String)
  /// Something that isn't a socket stands in the way.
  case notASocket(path: String)
  /// Another process listens there; its process id, if it is known.
  case inUse(path: String, process: Int?)
  case noPermission(path: String)
  /// The operating system refused; `code` is its errno.
  case system(operation: String, path: String, code: Int32)
  /// No such host, or its address isn't this machine's.
  case unknownHost(address: String)
  /// No socket at the path.
  case missing(path: String)
  /// A socket of a process that is gone.
  case nobodyListens(path: String)
  /// The peer speaks another version of the protocol.
  case otherProtocol(path: String, version: Int)
  /// The peer's bytes aren't events of this protocol.
  case notUnderstood(path: String, found: String)
  /// The peer refused a request or the connection.
  case refused(path: String, reply: ErrorReply)
  /// Nothing that a client can connect to.
  case notForClients(path: String)
  /// Somebody listens, and says nothing.
  case noAnswer(path: String, after: Duration)
  /// A descriptor that was handed over is nothing to listen on.
  case notServable(descriptor: CInt, found: String)
  /// The connection ended where an answer was due.
  case closed(path: String)

  /// One line: where, what, and what to do.
  public var description: String {
    switch self {
    case .pathTooLong(let path, let bytes):
      "socket \(path): the path has \(bytes) bytes, the system takes at most 107; choose a shorter one"
    case .directoryMissing(let path):
      "socket \(path): its directory doesn't exist; create it or choose another path"
    case .notASocket(let path):
      "socket \(path): there is something that isn't a socket; move it away or choose another path"
    case .inUse(let path, let process):
      "socket \(path): in use by another process" + (process.map { " (pid \($0))" } ?? "")
        + "; stop it or choose another path"
    case .noPermission(let path):
      "socket \(path): permission denied; this user may not use the socket or its directory"
    case .system(let operation, let path, let code):
      "socket \(path): \(operation): \(Self.text(of: code))"
    case .unknownHost(let address):
      "socket \(address): no such host; to listen there it must be an address of this machine"
    case .missing(let path):
      "socket \(path): no such socket; is the daemon running, and with this path?"
    case .nobodyListens(let path) where path.hasPrefix("tcp://"):
      "socket \(path): nobody listens; is the daemon running, and at this address?"
    case .nobodyListens(let path):
      "socket \(path): nobody listens; the daemon that made it is gone"
    case .otherProtocol(let path, let version):
      "socket \(path): the peer speaks protocol \(version), this program \(Hello.protocolVersion)"
    case .notUnderstood(let path, let found):
      "socket \(path): the peer doesn't speak attnd's protocol: \(found)"
    case .refused(let path, let reply):
      "socket \(path): \(reply.text) (\(reply.code.rawValue))"
    case .notForClients(let path):
      "socket \(path): only whoever starts the daemon can talk to it there; name a Unix socket or"
        + " tcp://HOST:PORT"
    case .noAnswer(let path, let time):
      "socket \(path): no answer within \(time); is it attnd that listens there?"
    case .notServable(let descriptor, let found):
      "socket handed over as descriptor \(descriptor): \(found); expected one that listens, of a Unix"
        + " path or TCP (ListenStream=)"
    case .closed(let path):
      "socket \(path): the connection was closed before the answer came"
    }
  }
}
