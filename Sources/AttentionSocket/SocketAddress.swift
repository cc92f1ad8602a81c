/// Where a server listens, or a client finds it.
///
/// Written as `unix:///run/attnd/attnd.sock`, as a bare path, as `tcp://host:port` or as `stdio://`.
public enum SocketAddress: Hashable, Sendable {
  /// A Unix socket.
  case unix(path: String)
  /// A port of a host: its name, or its address without brackets.
  case tcp(host: String, port: Int)
  /// Standard input and output of the process: one peer, for as long as the process lives.
  case standardStreams

  /// The longest path of a Unix socket, in bytes.
  public static let pathLimit = UnixAddress.pathLimit

  /// What `init(_:)` takes, for messages.
  public static let expected =
    "a path of 1 to \(pathLimit) bytes (or unix://PATH), tcp://HOST:PORT with a port from 1 to 65535,"
    + " or stdio://"

  /// Reads an address; nil for a text that is none.
  ///
  /// - Parameter text: A URI of one of the three schemes, or a path.
  public init?(_ text: String) {
    guard let scheme = text.firstRange(of: "://") else {
      self.init(path: text)
      return
    }
    let rest = String(text[scheme.upperBound...])
    switch text[..<scheme.lowerBound] {
    case "unix": self.init(path: rest)
    case "tcp": self.init(authority: rest)
    case "stdio" where rest.isEmpty: self = .standardStreams
    default: return nil
    }
  }

  private init?(path: String) {
    let bytes = path.utf8
    guard (1...Self.pathLimit).contains(bytes.count), !bytes.contains(0) else { return nil }
    self = .unix(path: path)
  }

  /// `host:port`, with brackets about an address of IP version 6.
  private init?(authority: String) {
    guard let colon = authority.lastIndex(of: ":"),
      let port = Self.port(authority[authority.index(after: colon)...])
    else { return nil }
    var host = authority[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty, !host.contains(where: { "/[]@?# ".contains($0) }) else { return nil }
    self = .tcp(host: String(host), port: port)
  }

  private static func port(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let port = Int(text), (1...65_535).contains(port)
    else { return nil }
    return port
  }

  /// Whether only processes of this machine can come in, by the look of the host.
  public var isLocal: Bool {
    guard case .tcp(let host, _) = self else { return true }
    return host == "localhost" || host == "::1"
      || (host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." })
  }

  /// Whether it stands for every address that the machine has.
  public var isWildcard: Bool {
    guard case .tcp(let host, _) = self else { return false }
    return host == "0.0.0.0" || host == "::" || host == "*"
  }
}

extension SocketAddress: CustomStringConvertible {
  /// The address as `init(_:)` reads it; a Unix socket's as its path.
  public var description: String {
    switch self {
    case .unix(let path): path
    case .tcp(let host, let port): "tcp://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    case .standardStreams: "stdio://"
    }
  }
}
