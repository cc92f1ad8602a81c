import JSONText
import NIOCore

/// Bytes of a connection to events, as many as are asked for.
struct WireReader {
  private let address: String
  private var bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
  private var decoder = EventDecoder(limits: .fromServer)

  init(address: String, bytes: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) {
    self.address = address
    self.bytes = bytes
  }

  /// The next whole event; nil when the connection has ended, be it amid an event.
  mutating func next(
    isolation: isolated (any Actor)?
  ) async throws(SocketError) -> WireEvent? {
    while true {
      if let event = try decode() { return event }
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

  private mutating func decode() throws(SocketError) -> WireEvent? {
    let event: WireEvent?
    do throws(FramingError) {
      event = try decoder.next()
    } catch {
      throw .notUnderstood(path: address, found: error.text)
    }
    // Another version's fields are its own business: look at its number before anything else.
    if let event, event.type == "hello", let version = event.fields["protocol"]?.integer,
      version != Hello.protocolVersion
    {
      throw .otherProtocol(path: address, version: version)
    }
    return event
  }
}

extension WireEvent {
  /// Reads what the peer at `address` wrote; a field that can't be is the peer's fault.
  func read<Value>(
    from address: String, _ read: (WireEvent) throws(FieldError) -> Value
  ) throws(SocketError) -> Value {
    do throws(FieldError) {
      return try read(self)
    } catch {
      throw .notUnderstood(path: address, found: "\(type.prefix(64)): \(error.text)")
    }
  }
}
