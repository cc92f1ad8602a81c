import Glibc
import JSONText
import NIOCore
import NIOPosix

/// A reader of the daemon's events.
///
///     try await AttentionClient.withConnection(to: path) { client in
///       try await client.subscribe(SubscriptionRequest(events: [.attention, .detection], every: 10))
///       while let event = try await client.next() { print(event) }
///     }
///
/// Reads only what is asked for: when nobody calls `next`, the daemon's queue for this connection fills,
/// and the oldest attention frames are dropped there.
public final class AttentionClient {
  /// What the daemon said of itself.
  public let hello: Hello
  private let path: String
  private var wire: WireReader
  private let writer: NIOAsyncChannelOutboundWriter<ByteBuffer>
  /// Events that came before the answer to a request.
  private var waiting: [Event] = []
  private var lastRequest = 0

  private init(
    path: String, wire: WireReader, writer: NIOAsyncChannelOutboundWriter<ByteBuffer>
  ) async throws(SocketError) {
    self.path = path
    self.wire = wire
    self.writer = writer
    switch try await self.wire.next(isolation: nil) {
    case .hello(let hello): self.hello = hello
    case .error(let reply): throw .refused(path: path, reply: reply)
    case nil: throw .closed(path: path)
    default: throw .notUnderstood(path: path, found: "its first event isn't hello")
    }
  }

  /// Connects, calls `body`, and closes the connection.
  ///
  /// - Parameters:
  ///   - path: The daemon's socket.
  ///   - body: Reads; the client must not be used after it.
  /// - Returns: What `body` returns.
  /// - Throws: `SocketError`, or what `body` throws.
  public static func withConnection<Result: Sendable>(
    to path: String,
    _ body: (AttentionClient) async throws -> Result
  ) async throws -> Result {
    let channel = try await connect(to: path)
    return try await channel.executeThenClose { inbound, outbound in
      let wire = WireReader(path: path, bytes: inbound.makeAsyncIterator())
      return try await body(AttentionClient(path: path, wire: wire, writer: outbound))
    }
  }

  private static func connect(
    to path: String
  ) async throws(SocketError) -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
    let descriptor = try UnixAddress.connect(to: path)
    do {
      // The channel owns the descriptor from here on, and closes it if it can't be made.
      return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .withConnectedSocket(descriptor) { channel in
          channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
          }
        }
    } catch {
      throw SocketError("connect", path: path, code: (error as? IOError)?.errnoCode ?? EIO)
    }
  }

  /// The next event; those of unknown type are skipped.
  ///
  /// - Parameter isolation: The caller's; leave it out.
  /// - Returns: The event; nil when the connection has ended.
  /// - Throws: `SocketError` when the peer's bytes aren't events.
  public func next(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> Event? {
    if !waiting.isEmpty { return waiting.removeFirst() }
    return try await wire.next(isolation: isolation)
  }

  /// Asks for events, instead of what was asked for before; the streams' states follow.
  ///
  /// - Parameters:
  ///   - request: What to send.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: What is in force.
  /// - Throws: `SocketError.refused` with the daemon's words if it can't be had.
  @discardableResult
  public func subscribe(
    _ request: SubscriptionRequest, isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> SubscribeReply {
    lastRequest += 1
    let id = RequestID.number(lastRequest)
    do {
      try await writer.write(request.encoded(id: id))
    } catch {
      throw .closed(path: path)
    }
    while let event = try await wire.next(isolation: isolation) {
      switch event {
      case .subscribed(let reply): return reply
      case .error(let reply) where reply.id == id || reply.isFatal:
        throw .refused(path: path, reply: reply)
      default: waiting.append(event)
      }
    }
    throw .closed(path: path)
  }
}

/// A detection's name for ever: the daemon process that made it, and its number there.
public struct DetectionNumber: Equatable, Sendable {
  /// `Hello.run` of the daemon.
  public var run: String
  /// `Detection.seq`; 0 stands before the first.
  public var seq: Int

  /// The detection `seq` of the daemon process `run`.
  public init(run: String, seq: Int) {
    self.run = run
    self.seq = seq
  }
}

/// What a client asks for; nil leaves it to the daemon's default.
public struct SubscriptionRequest: Equatable, Sendable {
  /// Kinds of event; nil for all but attention.
  public var events: [SubscribableEvent]?
  /// Names; nil for all of the daemon's.
  public var streams: [String]?
  /// Attention frames whose index is a multiple of this.
  public var every: Int
  /// How attention weights travel.
  public var weights: BulkForm
  /// How feature rows travel.
  public var spectrum: BulkForm
  /// Replays detections after the one with this number.
  public var since: DetectionNumber?

  /// A request.
  ///
  /// - Parameters:
  ///   - events: Kinds of event; nil for all but attention.
  ///   - streams: Names; nil for all of the daemon's.
  ///   - every: Attention frames whose index is a multiple of this.
  ///   - weights: How attention weights travel.
  ///   - spectrum: How feature rows travel.
  ///   - since: A detection that is known: those after it come first.
  public init(
    events: [SubscribableEvent]? = nil, streams: [String]? = nil, every: Int = 1,
    weights: BulkForm = .none, spectrum: BulkForm = .none, since: DetectionNumber? = nil
  ) {
    self.events = events
    self.streams = streams
    self.every = every
    self.weights = weights
    self.spectrum = spectrum
    self.since = since
  }

  package func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("subscribe") { json in
      json.field("id", id)
      if let events { json.field("events", events.map(\.rawValue)) }
      if let streams { json.field("streams", streams) }
      json.field("every", every)
      json.field("weights", weights.rawValue)
      json.field("spectrum", spectrum.rawValue)
      if let since {
        json.name("since")
        json.object { json in
          json.field("run", since.run)
          json.field("seq", since.seq)
        }
      }
    }
  }
}

/// Bytes of the connection to events, as many as are asked for.
private struct WireReader {
  let path: String
  var bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
  private var decoder = EventDecoder(limits: .fromServer)

  init(path: String, bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) {
    self.path = path
    self.bytes = bytes
  }

  mutating func next(
    isolation: isolated (any Actor)?
  ) async throws(SocketError) -> Event? {
    while true {
      while let wire = try decode() {
        if case .other = wire { continue }
        return wire
      }
      let more: ByteBuffer?
      do {
        more = try await bytes.next(isolation: isolation)
      } catch {
        more = nil  // A reset is an end like any other.
      }
      guard let more else { return nil }
      decoder.feed(more)
    }
  }

  private mutating func decode() throws(SocketError) -> Event? {
    do {
      guard let wire = try decoder.next() else { return nil }
      // Another version's fields are its own business: look at its number before anything else.
      if wire.type == "hello", let version = wire.fields["protocol"]?.integer,
        version != Hello.protocolVersion
      {
        throw SocketError.otherProtocol(path: path, version: version)
      }
      return try Event(wire)
    } catch let error as SocketError {
      throw error
    } catch let error as FramingError {
      throw .notUnderstood(path: path, found: error.text)
    } catch let error as FieldError {
      throw .notUnderstood(path: path, found: error.text)
    } catch {
      throw .notUnderstood(path: path, found: "\(error)")
    }
  }
}
