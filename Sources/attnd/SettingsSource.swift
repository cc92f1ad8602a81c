import AttentionSocket
import Glibc
import StreamingAttention

extension Settings {
  /// Listens on sockets that were handed over, in the place of all that anybody named.
  mutating func take(_ handed: [HandedSocket]) {
    addresses = handed.map(\.address)
    isSocketStandard = false
  }

  /// Where to listen, if that may be.
  ///
  /// - Returns: One place at least.
  /// - Throws: `SettingsError` when there is none, or one that has to be allowed first.
  func checkedSockets() throws(SettingsError) -> [SocketAddress] {
    let sockets = try sockets
    if let open = sockets.first(where: \.isWildcard), !access.allowsRemote {
      throw .usage(
        "--socket \(open): would open the daemon to every network of the machine; "
          + "add --allow-remote if that is meant, or name one address")
    }
    if sockets.contains(.standardStreams), source == .standardInput {
      throw .usage("--stdin and --socket stdio:// exclude one another: both want standard input")
    }
    return sockets
  }

  /// Who may do what.
  ///
  /// - Returns: The server's terms for it.
  /// - Throws: `Failure` when there is no such group.
  func policy() throws -> ServerPolicy {
    var policy = ServerPolicy()
    policy.nativeOverTCP = access.nativeOverTCP
    policy.controlsOverTCP = access.controlsOverTCP
    if let name = access.controlGroup {
      guard let group = getgrnam(name) else {
        throw Failure(
          .configuration,
          "control-group: no group '\(name)' on this machine; 'getent group' lists them")
      }
      policy.controlGroup = group.pointee.gr_gid
    }
    return policy
  }

  /// What clients can cost at most.
  var limits: ServerLimits {
    var limits = ServerLimits()
    limits.connections = connections
    limits.latencyBudget = .milliseconds(latencyBudget)
    limits.thresholds = DetectorSettings.thresholdRange
    return limits
  }
}
