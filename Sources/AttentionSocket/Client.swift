import Glibc
import JSONText
import NIOCore
import NIOPosix

/// A client of the daemon: reads its events, asks, controls, and sends audio to be heard.
///
///     try await AttentionClient.withConnection(to: .unix(path: path)) { client in
///       try await client.subscribe(SubscriptionRequest(events: [.attention, .detection], every: 10))
///       while let event = try await client.next() { print(event) }
///     }
///
/// Reads only what is asked for: when nobody calls `next`, the daemon's queue for this connection fills,
/// and the oldest attention frames are dropped there.
///
/// One task uses a client; `AudioSender` alone may be used beside it. Requests wait for their reply;
/// events that come before it are kept, and `next` gives them in their order.
public final class AttentionClient {
  /// What the daemon said of itself.
  public let hello: Hello
  /// The same as it wrote it.
  package let greeting: WireEvent
  /// For messages.
  let address: String
  let writer: NIOAsyncChannelOutboundWriter<ByteBuffer>
  private var wire: WireReader
  /// Events that came before the answer to a request.
  private var waiting = CircularBuffer<WireEvent>()
  private var requests = 0

  /// Events that may come before the answer to a request: ten minutes of frames.
  static let mostWaiting = 65_536

  private init(
    address: SocketAddress, channel: any Channel, wire: consuming WireReader,
    writer: NIOAsyncChannelOutboundWriter<ByteBuffer>, patience: Duration
  ) async throws(SocketError) {
    self.address = address.description
    self.wire = wire
    self.writer = writer
    // Over TCP a server is silent until it is spoken to.
    if case .tcp = address { try? await writer.write(EventEncoder.encode("hello")) }
    let start = ContinuousClock.now
    let impatience = channel.eventLoop.scheduleTask(in: TimeAmount(patience)) {
      channel.close(promise: nil)
    }
    defer { impatience.cancel() }
    guard let first = try await self.wire.next(isolation: nil) else {
      if ContinuousClock.now - start >= patience {
        throw .noAnswer(path: self.address, after: patience)
      }
      throw .closed(path: self.address)
    }
    greeting = first
    switch try first.read(from: self.address, Event.init) {
    case .hello(let hello): self.hello = hello
    case .error(let reply): throw .refused(path: self.address, reply: reply)
    default: throw .notUnderstood(path: self.address, found: "its first event isn't hello")
    }
  }

  /// Connects, calls `body`, and closes the connection.
  ///
  /// - Parameters:
  ///   - address: Where the daemon listens.
  ///   - patience: How long the daemon may take to accept, and then to say what it is.
  ///   - isolation: The caller's; leave it out.
  ///   - body: Reads; the client must not be used after it.
  /// - Returns: What `body` returns.
  /// - Throws: `SocketError`, or what `body` throws.
  public static func withConnection<Result: Sendable>(
    to address: SocketAddress, patience: Duration = .seconds(10),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (sending AttentionClient) async throws -> Result
  ) async throws -> Result {
    let channel = try await connect(to: address, patience: patience)
    return try await channel.executeThenClose(isolation: isolation) { inbound, outbound in
      let wire = WireReader(
        address: address.description, bytes: inbound.makeAsyncIterator())
      return try await body(
        AttentionClient(
          address: address, channel: channel.channel, wire: wire, writer: outbound,
          patience: patience))
    }
  }

  /// Connects to a Unix socket, calls `body`, and closes the connection.
  ///
  /// - Parameters:
  ///   - path: The daemon's socket.
  ///   - isolation: The caller's; leave it out.
  ///   - body: Reads; the client must not be used after it.
  /// - Returns: What `body` returns.
  /// - Throws: `SocketError`, or what `body` throws.
  public static func withConnection<Result: Sendable>(
    to path: String, isolation: isolated (any Actor)? = #isolation,
    _ body: (sending AttentionClient) async throws -> Result
  ) async throws -> Result {
    try await withConnection(to: .unix(path: path), isolation: isolation, body)
  }

  /// The next event; one of a type that this version doesn't know is `other`.
  ///
  /// - Parameter isolation: The caller's; leave it out.
  /// - Returns: The event; nil when the connection has ended.
  /// - Throws: `SocketError` when the peer's bytes aren't events.
  public func next(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> Event? {
    try await nextWireEvent(isolation: isolation)?.read(from: address, Event.init)
  }

  /// The next event with its fields as the daemon wrote them, for programs that hand them on.
  package func nextWireEvent(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> WireEvent? {
    if let event = waiting.popFirst() { return event }
    return try await wire.next(isolation: isolation)
  }
}

// MARK: Requests and their answers

extension AttentionClient {
  /// What an event is to a request that waits.
  enum Reading<Answer> {
    case answer(Answer)
    /// A part of the answer; more follows.
    case part
    /// Somebody else's; kept for `next`.
    case other
  }

  /// Sends a request and reads until it is answered.
  ///
  /// - Parameters:
  ///   - request: The whole event.
  ///   - isolation: The caller's.
  ///   - read: Looks at each event that comes.
  /// - Returns: The answer.
  /// - Throws: `SocketError.refused` for a fatal error, `closed` when the connection ends before.
  func exchange<Answer>(
    _ request: ByteBuffer, isolation: isolated (any Actor)?,
    _ read: (WireEvent) throws(SocketError) -> Reading<Answer>
  ) async throws(SocketError) -> Answer {
    // Where the peer takes no more, what it said before it closed is still to be read.
    try? await writer.write(request)
    while let event = try await wire.next(isolation: isolation) {
      if event.type == "error" {
        let reply = try event.read(from: address, ErrorReply.init)
        if reply.isFatal { throw .refused(path: address, reply: reply) }
      }
      switch try read(event) {
      case .answer(let answer): return answer
      case .part: break
      case .other: try keep(event)
      }
    }
    throw .closed(path: address)
  }

  private func keep(_ event: WireEvent) throws(SocketError) {
    guard waiting.count < Self.mostWaiting else {
      throw .notUnderstood(
        path: address, found: "\(waiting.count) events and no answer to a request")
    }
    waiting.append(event)
  }

  /// Sends a request with an `id` of its own and reads until the reply with this `id`.
  ///
  /// - Parameters:
  ///   - verb: The request's type.
  ///   - reply: The reply's type; nil for `verb-reply`.
  ///   - isolation: The caller's.
  ///   - fields: Writes the request's fields.
  ///   - part: Whether an event is a part of the answer.
  /// - Returns: The reply.
  /// - Throws: `SocketError.refused` when the answer is an error, and as `exchange` does.
  func ask(
    _ verb: String, reply: String? = nil, isolation: isolated (any Actor)?,
    _ fields: @escaping (inout JSONWriter) -> Void = { _ in },
    part: (WireEvent, RequestID) throws(SocketError) -> Bool = { _, _ in false }
  ) async throws(SocketError) -> WireEvent {
    requests += 1
    let id = RequestID.number(requests)
    let expected = reply ?? verb + "-reply"
    let address = address
    let request = EventEncoder.encode(verb) { json in
      json.field("id", id)
      fields(&json)
    }
    return try await exchange(request, isolation: isolation) { event throws(SocketError) in
      if event.type == expected {
        // Requests are answered in order, and this is the only one that waits.
        guard try event.read(from: address, RequestID.init(of:)) == id else {
          throw .notUnderstood(path: address, found: "\(expected) with another request's id")
        }
        return .answer(event)
      }
      if event.type == "error" {
        let reply = try event.read(from: address, ErrorReply.init)
        if reply.id == id || (reply.id == nil && reply.verb == verb) {
          throw .refused(path: address, reply: reply)
        }
      }
      return try part(event, id) ? .part : .other
    }
  }
}

extension RequestID {
  init?(of event: WireEvent) throws(FieldError) { try self.init(Fields(event.fields)) }
}
