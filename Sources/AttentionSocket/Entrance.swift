import Glibc
import NIOCore
import NIOPosix

/// Opens the places where clients come in, and tells who comes.
struct Entrance: Sendable {
  let hub: NIOLoopBoundBox<Hub>
  let group: MultiThreadedEventLoopGroup
  let policy: ServerPolicy

  /// Serves at an address.
  ///
  /// - Parameters:
  ///   - address: Where.
  ///   - mode: Permissions of a Unix socket.
  ///   - owner: Group of a Unix socket; nil leaves the process's.
  ///   - inputEnds: Called when the peer at the standard streams has gone.
  /// - Throws: `SocketError` when the place can't be had.
  /// - Returns: The place, to be closed.
  func open(
    _ address: SocketAddress, mode: mode_t, group owner: gid_t?,
    inputEnds: @escaping @Sendable () -> Void
  ) async throws(SocketError) -> ListeningPlace {
    switch address {
    case .unix(let path):
      let socket = try ListeningSocket(at: path, mode: mode, group: owner)
      do {
        return ListeningPlace(channel: try await accept(on: socket.descriptor), socket: socket)
      } catch {
        socket.remove()
        throw SocketError("serve", path: path, code: Self.code(of: error))
      }
    case .tcp(let host, let port):
      do {
        return ListeningPlace(channel: try await accept(host: host, port: port))
      } catch {
        throw Self.error(error, at: address)
      }
    case .standardStreams:
      do {
        return try await serveStandardStreams(inputEnds)
      } catch {
        throw SocketError("serve", path: address.description, code: Self.code(of: error))
      }
    }
  }

  /// Serves at a socket that somebody else made, and that stays theirs.
  ///
  /// - Parameter socket: Listening.
  /// - Throws: `SocketError` when the event loop doesn't take it.
  /// - Returns: The place, to be closed.
  func open(_ socket: HandedSocket) async throws(SocketError) -> ListeningPlace {
    do {
      guard case .tcp = socket.address else {
        return ListeningPlace(channel: try await accept(on: socket.descriptor))
      }
      return ListeningPlace(
        channel: try await tcpBootstrap().withBoundSocket(socket.descriptor).get())
    } catch {
      throw SocketError("serve", path: socket.address.description, code: Self.code(of: error))
    }
  }

  private static func code(of error: any Error) -> CInt { (error as? IOError)?.errnoCode ?? EINVAL }

  private static func error(_ error: any Error, at address: SocketAddress) -> SocketError {
    let text = address.description
    guard let error = error as? IOError else { return .unknownHost(address: text) }
    switch error.errnoCode {
    case EADDRINUSE: return .inUse(path: text, process: nil)
    case EADDRNOTAVAIL: return .unknownHost(address: text)
    case let code: return SocketError("listen", path: text, code: code)
    }
  }

  /// Settings of every listening socket and of what it accepts.
  private func bootstrap(
    _ makePeer: @escaping @Sendable (any Channel) -> Peer
  ) -> ServerBootstrap {
    let hub = hub
    return ServerBootstrap(group: group)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      // The queue is the place to wait: the channel itself holds 16 KiB at most, and one event more.
      .childChannelOption(
        .writeBufferWaterMark,
        value: ChannelOptions.Types.WriteBufferWaterMark(
          low: 4 << 10, high: 16 << 10)
      )
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            Connection(hub: hub.value, peer: makePeer(channel)))
        }
      }
  }

  private func accept(on descriptor: CInt) async throws -> any Channel {
    let policy = policy
    return try await bootstrap { channel in
      let peer = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
        of: NIOBSDSocket.Handle.self
      ) { Peer.unix($0, policy: policy) }
      // Not to be had: nobody in particular.
      return peer ?? Peer.unix(-1, policy: policy)
    }
    .withBoundSocket(descriptor).get()
  }

  private func accept(host: String, port: Int) async throws -> any Channel {
    try await tcpBootstrap()
      .serverChannelOption(.backlog, value: 128)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: host == "*" ? "0.0.0.0" : host, port: port).get()
  }

  private func tcpBootstrap() -> ServerBootstrap {
    let policy = policy
    return bootstrap { channel in
      Peer.tcp(
        isLoopback: channel.remoteAddress?.isLoopback == true,
        name: channel.remoteAddress?.peerName ?? "an unknown address", policy: policy)
    }
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    // A peer whose machine is gone is found out within two minutes; a silent one is left alone.
    .childChannelOption(.socketOption(.so_keepalive), value: 1)
    .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
    .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 15)
    .childChannelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
  }

  private func serveStandardStreams(
    _ ends: @escaping @Sendable () -> Void
  ) async throws -> ListeningPlace {
    let streams = try StandardStreams()
    let hub = hub
    let channel = try await NIOPipeBootstrap(group: group)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(
        .writeBufferWaterMark,
        value: ChannelOptions.Types.WriteBufferWaterMark(low: 4 << 10, high: 16 << 10)
      )
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            Connection(hub: hub.value, peer: .standardStreams))
        }
      }
      .takingOwnershipOfDescriptors(input: streams.input, output: streams.output).get()
    channel.closeFuture.whenComplete { _ in
      streams.waitForOutput()
      ends()
    }
    return ListeningPlace(conversation: channel)
  }
}

/// A place where clients come in.
struct ListeningPlace: Sendable {
  private let listener: (any Channel)?
  private let socket: ListeningSocket?

  init(channel: any Channel, socket: ListeningSocket? = nil) {
    listener = channel
    self.socket = socket
  }

  /// The standard streams: the conversation is the only one, and ends by itself.
  init(conversation: any Channel) {
    listener = nil
    socket = nil
  }

  func stopAccepting() async {
    // The errors of closing what is closed already are of no interest.
    try? await listener?.close()
  }

  /// Removes what was made for the place.
  func close() async {
    await stopAccepting()
    socket?.remove()
  }
}

extension NIOCore.SocketAddress {
  /// The peer, for logs.
  fileprivate var peerName: String {
    "\(ipAddress ?? "this machine")\(port.map { " port \($0)" } ?? "")"
  }

  /// Whether the peer is on this machine.
  fileprivate var isLoopback: Bool {
    guard let address = ipAddress else { return true }
    return address == "::1" || address.hasPrefix("127.") || address.hasPrefix("::ffff:127.")
  }
}
