import Glibc
import NIOCore
import NIOPosix

extension AttentionClient {
  /// A connection to whoever listens at an address.
  static func connect(
    to address: SocketAddress, patience: Duration
  ) async throws(SocketError) -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
    switch address {
    case .unix(let path):
      // The channel owns the descriptor from here on, and closes it if it can't be made.
      let descriptor = try UnixAddress.connect(to: path)
      do {
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
          .withConnectedSocket(descriptor, channelInitializer: wrap)
      } catch {
        throw SocketError("connect", path: path, code: (error as? IOError)?.errnoCode ?? EIO)
      }
    case .tcp(let host, let port):
      do {
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
          .connectTimeout(TimeAmount(patience))
          .channelOption(.tcpOption(.tcp_nodelay), value: 1)
          // A daemon whose machine is gone is found out within two minutes; a silent one is not.
          .channelOption(.socketOption(.so_keepalive), value: 1)
          .channelOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
          .channelOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 15)
          .channelOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
          .connect(
            host: address.isWildcard ? loopback(of: host) : host, port: port,
            channelInitializer: wrap)
      } catch {
        throw SocketError(connecting: error, to: address, patience: patience)
      }
    case .standardStreams:
      throw .notForClients(path: address.description)
    }
  }

  @Sendable private static func wrap(
    _ channel: any Channel
  ) -> EventLoopFuture<NIOAsyncChannel<ByteBuffer, ByteBuffer>> {
    channel.eventLoop.makeCompletedFuture {
      // NIO's sockets pass to every command that the program starts, and would stay open there.
      _ = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
        of: NIOBSDSocket.Handle.self
      ) { fcntl($0, F_SETFD, FD_CLOEXEC) }
      return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
    }
  }

  /// Who listens at all addresses of the machine is found at the nearest.
  private static func loopback(of wildcard: String) -> String {
    wildcard == "::" ? "::1" : "127.0.0.1"
  }
}

extension SocketError {
  /// Why nobody could be reached over TCP: by the last of the host's addresses that was tried.
  fileprivate init(
    connecting error: any Error, to address: SocketAddress, patience: Duration
  ) {
    let text = address.description
    var cause = error
    if let failure = error as? NIOConnectionError {
      guard let last = failure.connectionErrors.last else {
        self = .unknownHost(address: text)
        return
      }
      cause = last.error
    }
    switch (cause as? IOError)?.errnoCode {
    case ECONNREFUSED: self = .nobodyListens(path: text)
    case let code?: self = .system(operation: "connect", path: text, code: code)
    case nil: self = .noAnswer(path: text, after: patience)
    }
  }
}
