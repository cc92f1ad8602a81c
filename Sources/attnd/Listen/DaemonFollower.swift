import AttentionSocket
import JSONText

/// A subscription that outlives connections: after each it goes on where the last one ended.
struct DaemonFollower {
  private enum End {
    /// As many detections have come as were asked for.
    case enough
    /// The daemon has gone; its last words, if it had any.
    case gone(String?)
  }

  /// Waits between two attempts to connect: the first, and the longest.
  private static let firstPause = Duration.milliseconds(500)
  private static let longestPause = Duration.seconds(10)

  private let address: SocketAddress
  private var request: SubscriptionRequest
  /// Detections yet to come; nil for no end.
  private var remaining: Int?

  /// A follower.
  ///
  /// - Parameters:
  ///   - address: Where the daemon is to be found.
  ///   - request: What to subscribe to; its `since` is where to begin.
  ///   - detections: How many make an end; nil for none.
  init(address: SocketAddress, request: SubscriptionRequest, detections: Int?) {
    self.address = address
    self.request = request
    remaining = detections
  }

  /// Follows until there is enough or, unless it reconnects, until the daemon goes.
  ///
  /// - Parameters:
  ///   - reconnects: Whether to wait for a daemon that isn't there.
  ///   - take: Given every event, the daemon's `hello` at each connection first.
  /// - Throws: `SocketError` for what waiting wouldn't mend, and what `take` throws.
  mutating func follow(
    reconnects: Bool, _ take: (WireEvent, Hello) throws -> Void
  ) async throws {
    var pause = Self.firstPause
    var told = ""
    while true {
      do {
        let end = try await AttentionClient.withConnection(to: address) { client in
          if !told.isEmpty { StandardError.write("attnd: socket \(address): connected\n") }
          try await subscribe(client)
          pause = Self.firstPause
          told = ""
          return try await read(client, take)
        }
        guard case .gone(let words) = end, reconnects else { return }
        told = "socket \(address): the daemon has gone" + (words.map { ": \($0)" } ?? "")
        StandardError.write("attnd: \(told) (waiting for it)\n")
      } catch let error as SocketError where reconnects && error.passes {
        if !error.meansPresence, wantsDetections, request.since == nil {
          // Whoever comes now comes later than this: all that it has heard is news.
          request.since = DetectionNumber(run: "none", seq: 0)
        }
        // Once for each reason, not at each attempt.
        if told != error.description {
          told = error.description
          StandardError.write("attnd: \(told) (trying again)\n")
        }
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, Self.longestPause)
    }
  }

  /// Detections of before the first connection, which nobody asked for.
  private var old = 0

  private var wantsDetections: Bool { request.events?.contains(.detection) == true }

  /// Subscribes after the last detection that was seen.
  private mutating func subscribe(_ client: AttentionClient) async throws {
    guard wantsDetections else {
      try await client.subscribe(request)
      return
    }
    var request = request
    // The number of the newest detection is learned by asking for all that there are: then none is
    // missed between two connections, even when none was seen on the first.
    if request.since == nil { request.since = DetectionNumber(run: client.hello.run, seq: 0) }
    let reply = try await client.subscribe(request)
    if self.request.since == nil {
      old = reply.replayed
      if old == 0 { self.request.since = request.since }
    } else if reply.missed > 0 {
      StandardError.write(
        "attnd: socket \(address): \(reply.missed) detections are lost; "
          + "the daemon doesn't remember them\n")
    }
  }

  private mutating func read(
    _ client: AttentionClient, _ take: (WireEvent, Hello) throws -> Void
  ) async throws -> End {
    let hello = client.hello
    var words: String?
    try take(client.greeting, hello)
    while let event = try await client.nextWireEvent() {
      guard event.type == "detection" else {
        if ["bye", "error"].contains(event.type),
          case .string(let text)? = event.fields["text"]
        {
          words = text
        }
        try take(event, hello)
        continue
      }
      let number = event.fields["seq"]?.integer.map { DetectionNumber(run: hello.run, seq: $0) }
      if old > 0 {
        old -= 1
        if old == 0 { request.since = number }
        continue
      }
      try take(event, hello)
      // Only now: what couldn't be handed on would come again.
      if let number { request.since = number }
      if let remaining {
        self.remaining = remaining - 1
        if remaining == 1 { return .enough }
      }
    }
    return .gone(words)
  }
}

extension SocketError {
  /// Whether there may be a daemon all the same.
  fileprivate var meansPresence: Bool {
    switch self {
    case .missing, .nobodyListens: false
    default: true
    }
  }

  /// Whether it can pass when the daemon, or the network, comes back.
  fileprivate var passes: Bool {
    switch self {
    case .missing, .nobodyListens, .noAnswer, .closed, .unknownHost, .inUse: true
    case .refused(_, let reply): reply.code == .busy
    case .system(let operation, _, _): operation == "connect"
    case .pathTooLong, .directoryMissing, .notASocket, .noPermission, .otherProtocol,
      .notUnderstood, .notForClients, .notServable:
      false
    }
  }
}
