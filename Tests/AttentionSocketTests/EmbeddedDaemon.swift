import AttentionSocket
import Logging
import NIOCore
import NIOEmbedded
import Simulated
import Testing

/// What the tests' daemon is made of.
enum Example {
  static let stream = StreamDescription(
    name: "mic", kind: .device, rate: 16_000, hop: 160, window: 8, bins: 4)
  static let keywords = ["alexa", "computer"].map {
    KeywordDescription(name: $0, phrase: $0, threshold: 0.5)
  }
  static let model = ModelDescription(
    name: "six-words", digest: "sha256:" + String(repeating: "4c", count: 32), score: "additive",
    heads: 2)

  static let clientStream = StreamDescription(
    name: "self", kind: .client, rate: 16_000, hop: 160, window: 8, bins: 4)

  static func identity(
    streams: [StreamDescription] = [stream], hearsClients: Bool = false
  ) -> Hello {
    Hello(
      program: "attnd", version: "1.0.0", run: "9f3c1a7b20e4d581", model: model,
      keywords: keywords, streams: streams, hearsClients: hearsClients, limits: ServerLimits())
  }
}

extension FramePublisher {
  /// Publishes a frame whose values all follow from its index.
  func frame(_ index: Int, span: Int = 3) {
    attention { record in
      record.index = index
      record.sample = 400 + 160 * index
      record.level = -27.5
      record.span = span
      for keyword in record.posteriors.indices {
        record.posteriors[keyword] = Float(index % 97 + keyword) / 131
      }
      for keyword in record.focuses.indices {
        record.focuses[keyword] = Focus(expected: 0.1 * Float(keyword), spread: 0.05, peak: 0.2)
      }
      let window = record.weights.count / Example.model.heads
      for head in 0..<(record.weights.isEmpty ? 0 : Example.model.heads) {
        for step in 0..<span {
          record.weights[head * window + step] = Float(step + 1 + head) / Float(7 + index)
        }
      }
      for bin in record.spectrum.indices { record.spectrum[bin] = Float(bin) * 0.3 - 1.1 }
    }
  }

  /// Publishes a detection at the sample of a frame.
  func detection(at index: Int, keyword: Int = 1) {
    let sample = 400 + 160 * index
    detection(
      keyword: keyword, score: 0.97, threshold: 0.5, sample: sample,
      startSample: max(0, sample - 8_640), endSample: max(0, sample - 720))
  }

  func running(epoch: Int = 0, sample: Int = 0) {
    state(.running, reason: .ok, text: "running", epoch: epoch, sample: sample)
  }
}

/// A daemon on a loop whose clock stands still, and clients without sockets.
final class EmbeddedDaemon {
  let loop = EmbeddedEventLoop()
  let hub: Hub

  init(
    streams: [StreamDescription] = [Example.stream], limits: ServerLimits = ServerLimits(),
    heads: AttentionHeads = .perKeyword, listening: (any AudioListening)? = nil,
    clock: ServerClock = .system
  ) {
    hub = Hub(
      eventLoop: loop,
      identity: Example.identity(streams: streams, hearsClients: listening != nil),
      attentionHeads: heads,
      clients: listening.map { ClientAudioService(stream: Example.clientStream, listening: $0) },
      limits: limits, clock: clock, kernels: "baseline",
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  func publisher(_ stream: Int = 0) -> FramePublisher { hub.publishers[stream] }

  /// Lets the hub read all that was published, as the event loop does turn by turn.
  func drain() {
    while !hub.drain() {}
  }

  /// A connection, greeted.
  func connect(
    through kernel: FullSocket? = nil, as peer: Peer = .trusted
  ) throws -> EmbeddedSubscriber {
    let channel = EmbeddedChannel(handler: kernel, loop: loop)
    try channel.pipeline.syncOperations.addHandler(Connection(hub: hub, peer: peer))
    try channel.connect(to: NIOCore.SocketAddress(unixDomainSocketPath: "/test")).wait()
    return EmbeddedSubscriber(channel)
  }
}

extension EmbeddedSubscriber {
  /// Subscribes, and takes the reply and the states away.
  @discardableResult
  func subscribe(_ request: SubscriptionRequest) throws -> SubscribeReply {
    _ = try wireEvents()
    try channel.writeInbound(request.encoded(id: nil))
    let reply = try #require(try events().first)
    guard case .subscribed(let inForce) = reply else {
      throw UnexpectedEvent(event: reply)
    }
    return inForce
  }
}

struct UnexpectedEvent: Error { let event: Event }

extension Event {
  var frameIndex: Int? { if case .attention(let frame) = self { frame.index } else { nil } }

  /// One word, and the number that tells two of the kind apart.
  var summary: String {
    switch self {
    case .hello: "hello"
    case .subscribed: "subscribe-reply"
    case .unsubscribed: "unsubscribe-reply"
    case .state(let status): "state \(status.state.rawValue)"
    case .attention(let frame): "attention \(frame.index)"
    case .detection(let found): "detection \(found.seq)" + (found.replayed ? " replayed" : "")
    case .dropped(let hole): "dropped \(hole.fromIndex)-\(hole.toIndex)"
    case .discontinuity(let hole): "discontinuity \(hole.sample)"
    case .warning(let warning): "warning \(warning.code.rawValue) \(warning.count)"
    case .pong(let text): "pong \(text ?? "-")"
    case .error(let reply): "error \(reply.code.rawValue)"
    case .bye(let bye): "bye \(bye.reason.rawValue)"
    case .other(let type): "other \(type)"
    }
  }
}
