import AttentionSocket
import NIOCore
import NIOEmbedded

/// Keeps what is written, while it is full, as the channel does when the kernel takes no more.
package final class FullSocket: ChannelOutboundHandler {
  package typealias OutboundIn = ByteBuffer
  package var isFull = false

  package init() {}

  package func flush(context: ChannelHandlerContext) {
    if !isFull { context.flush() }
  }
}

/// A client that is driven by hand.
package final class EmbeddedSubscriber {
  package let channel: EmbeddedChannel
  private var decoder = EventDecoder(limits: .fromServer)

  package init(_ channel: EmbeddedChannel) { self.channel = channel }

  /// Stops or starts taking bytes, as a full or emptied socket does.
  package func read(_ isReading: Bool) {
    channel.isWritable = isReading
    channel.pipeline.fireChannelWritabilityChanged()
  }

  package func send(_ type: String, _ json: String = "{}") throws {
    try send(
      bytes: "{\"type\":\"\(type)\",\"data_length\":\(json.utf8.count)}\n\(json)")
  }

  package func send(bytes: String) throws {
    try channel.writeInbound(ByteBuffer(string: bytes))
  }

  package func wireEvents() throws -> [WireEvent] {
    while let bytes = try channel.readOutbound(as: ByteBuffer.self) { decoder.feed(bytes) }
    var events: [WireEvent] = []
    while let event = try decoder.next() { events.append(event) }
    return events
  }

  /// What has come since the last look.
  package func events() throws -> [Event] { try wireEvents().map(Event.init) }
}

extension Peer {
  /// The daemon's own user, on a Unix socket.
  package static let trusted = Peer(
    isGreeted: true, usesNative: true, controls: true, name: "the tests")
  /// Somebody on another machine.
  package static let remote = Peer(
    isGreeted: false, usesNative: false, controls: false, name: "another machine")
  /// Another user, on a Unix socket.
  package static let stranger = Peer(
    isGreeted: true, usesNative: true, controls: false, name: "a stranger")
}
