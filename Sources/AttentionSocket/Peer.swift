import Glibc

/// Who is at the other end of a connection, and what it may do.
///
/// Decided once, when the connection is made.
package struct Peer: Sendable {
  /// Whether the server says `hello` before it is asked.
  package var isGreeted: Bool
  /// Whether it may use attnd's own events; else only the wake-word service.
  package var usesNative: Bool
  /// Whether it may use the verbs that change what the daemon does.
  package var controls: Bool
  /// For logs.
  package var name: String

  package init(isGreeted: Bool, usesNative: Bool, controls: Bool, name: String) {
    self.isGreeted = isGreeted
    self.usesNative = usesNative
    self.controls = controls
    self.name = name
  }

  /// Whoever started the process talks over its standard streams.
  static let standardStreams = Peer(
    isGreeted: false, usesNative: true, controls: true, name: "standard input")

  /// Over TCP nobody is known but by its address.
  static func tcp(isLoopback: Bool, name: String, policy: ServerPolicy) -> Peer {
    Peer(
      isGreeted: false, usesNative: isLoopback || policy.nativeOverTCP,
      controls: isLoopback && policy.controlsOverTCP, name: name)
  }

  /// Over a Unix socket the system knows who connected.
  static func unix(_ descriptor: CInt, policy: ServerPolicy) -> Peer {
    guard let credentials = Credentials(of: descriptor) else {
      return Peer(isGreeted: true, usesNative: true, controls: false, name: "an unknown process")
    }
    return Peer(
      isGreeted: true, usesNative: true,
      controls: credentials.mayControl(own: geteuid(), group: policy.controlGroup),
      name: "process \(credentials.process) of user \(credentials.user)")
  }
}

/// What the system says of the process that called `connect`.
package struct Credentials: Sendable {
  package var process: pid_t
  package var user: uid_t
  package var groups: [gid_t]

  package init(process: pid_t, user: uid_t, groups: [gid_t]) {
    self.process = process
    self.user = user
    self.groups = groups
  }

  /// The kernel's number for users that can't be told in this name space.
  private static let overflowUser: uid_t = 65_534
  /// NGROUPS_MAX of Linux.
  private static let mostGroups = 65_536

  init?(of descriptor: CInt) {
    // struct ucred, which Glibc's module leaves out: process, user, group.
    var peer: [UInt32] = [0, 0, 0]
    var size = socklen_t(12)
    guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0, size == 12 else {
      return nil
    }
    self.init(
      process: pid_t(bitPattern: peer[0]), user: peer[1],
      groups: [peer[2]] + Self.supplementary(descriptor))
  }

  private static func supplementary(_ descriptor: CInt) -> [gid_t] {
    let peerGroups: CInt = 59  // SO_PEERGROUPS, which Glibc's module leaves out
    var capacity = 32
    while capacity <= mostGroups {
      var groups = [gid_t](repeating: 0, count: capacity)
      var size = socklen_t(capacity * MemoryLayout<gid_t>.stride)
      if getsockopt(descriptor, SOL_SOCKET, peerGroups, &groups, &size) == 0 {
        return Array(groups.prefix(Int(size) / MemoryLayout<gid_t>.stride))
      }
      guard errno == ERANGE else { return [] }
      capacity *= 4
    }
    return []
  }

  /// Whether the verbs that change the daemon are open to it: to root, to the daemon's own user, and
  /// to members of the control group.
  package func mayControl(own: uid_t, group: gid_t?) -> Bool {
    guard user != Self.overflowUser else { return false }
    return user == 0 || user == own || group.map(groups.contains) == true
  }
}
