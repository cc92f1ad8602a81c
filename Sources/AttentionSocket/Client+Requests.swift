import JSONText
import NIOCore

extension AttentionClient {
  // MARK: Events

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
    try await ask("subscribe", isolation: isolation, request.write)
      .read(from: address, SubscribeReply.init)
  }

  /// Ends the subscription; what was sent before is still to be read.
  ///
  /// - Parameter isolation: The caller's; leave it out.
  /// - Throws: `SocketError`.
  public func unsubscribe(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) {
    _ = try await ask("unsubscribe", isolation: isolation)
  }

  /// Waits until the daemon has answered everything that was sent before.
  ///
  /// - Parameters:
  ///   - text: Comes back.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: The text that came back.
  /// - Throws: `SocketError`.
  @discardableResult
  public func ping(
    _ text: String? = nil, isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> String? {
    try await ask(
      "ping", reply: "pong", isolation: isolation,
      { json in
        if let text { json.field("text", text) }
      }
    )
    .read(from: address) { event throws(FieldError) in
      try Fields(event.fields).optionalString("text")
    }
  }

  // MARK: What there is

  /// Asks how the daemon and its streams are.
  ///
  /// - Parameter isolation: The caller's; leave it out.
  /// - Returns: What it says.
  /// - Throws: `SocketError`.
  public func status(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> DaemonStatus {
    try await ask("status", isolation: isolation).read(from: address, DaemonStatus.init)
  }

  /// The same, and the reply as it came.
  package func statusReply(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> (status: DaemonStatus, event: WireEvent) {
    try await ask("status", isolation: isolation).read(from: address) {
      event throws(FieldError) in (try DaemonStatus(event), event)
    }
  }

  /// Asks for the newest frame of a stream, with its weights and its feature row.
  ///
  /// - Parameters:
  ///   - stream: The stream's name.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: The frame.
  /// - Throws: `SocketError.refused` when there is no such stream, or no frame yet.
  public func snapshot(
    stream: String, isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> AttentionFrame {
    try await ask("snapshot", isolation: isolation, { $0.field("stream", stream) })
      .read(from: address, AttentionFrame.init)
  }

  /// Asks for the frames of a span of the past, as far as the daemon has kept them.
  ///
  /// - Parameters:
  ///   - stream: The stream's name.
  ///   - fromSample: Where the span begins.
  ///   - toSample: Where it ends: the first sample that isn't wanted.
  ///   - epoch: The stream's; nil for the present one.
  ///   - every: Frames whose index is a multiple of this.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: The frames, without weights and feature rows, and whether they are all.
  /// - Throws: `SocketError.refused` when there is no such stream.
  public func replay(
    stream: String, fromSample: Int, toSample: Int, epoch: Int? = nil, every: Int = 1,
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> ReplayReply {
    var frames: [AttentionFrame] = []
    let address = address
    let reply = try await ask(
      "replay", isolation: isolation,
      { json in
        json.field("stream", stream)
        json.field("from_sample", fromSample)
        json.field("to_sample", toSample)
        if let epoch { json.field("epoch", epoch) }
        json.field("every", every)
      },
      part: { event, id throws(SocketError) in
        guard event.type == "attention", event.fields["replay"] == id.json else { return false }
        frames.append(try event.read(from: address, AttentionFrame.init))
        return true
      })
    return try reply.read(from: address) { event throws(FieldError) in
      try ReplayReply(event, frames: frames)
    }
  }

  // MARK: Control; for those whom the daemon permits it (`Hello.mayControl`)

  /// Sets the threshold of a keyword, from the next frame on and until the daemon ends.
  ///
  /// - Parameters:
  ///   - keyword: Its name.
  ///   - threshold: 0 to 1.
  ///   - stream: The stream's name; nil for all.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: What is in force and what was before.
  /// - Throws: `SocketError.refused` when it may not be.
  @discardableResult
  public func set(
    keyword: String, threshold: Float, stream: String? = nil,
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> ThresholdReply {
    try await ask(
      "set", isolation: isolation,
      { json in
        json.field("keyword", keyword)
        json.field("threshold", threshold)
        if let stream { json.field("stream", stream) }
      }
    )
    .read(from: address, ThresholdReply.init)
  }

  /// Suppresses detections for a while: the machine is talking.
  ///
  /// - Parameters:
  ///   - seconds: Of stream time from now, 0 to 3600; 0 ends it. Replaces what was said before.
  ///   - stream: The stream's name; nil for all.
  ///   - keywords: Their names; nil for all.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: By stream the seconds of stream time until which it holds.
  /// - Throws: `SocketError.refused` when it may not be.
  @discardableResult
  public func inhibit(
    seconds: Double, stream: String? = nil, keywords: [String]? = nil,
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> [String: Double] {
    try await ask(
      "inhibit", isolation: isolation,
      { json in
        json.field("seconds", seconds)
        if let stream { json.field("stream", stream) }
        if let keywords { json.field("keywords", keywords) }
      }
    )
    .read(from: address) { event throws(FieldError) in
      let until = try Fields(event.fields).object("until")
      var seconds: [String: Double] = [:]
      for name in until.all.keys { seconds[name] = try until.number(name) }
      return seconds
    }
  }

  /// Lets the daemon read its configuration or its model anew.
  ///
  /// - Parameters:
  ///   - what: What to read.
  ///   - isolation: The caller's; leave it out.
  /// - Returns: What listens from now on.
  /// - Throws: `SocketError.refused` when it may not be, or can't be: the old one goes on.
  @discardableResult
  public func reload(
    _ what: ReloadTarget = .all, isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> ReloadReply {
    try await ask("reload", isolation: isolation, { $0.field("what", what.rawValue) })
      .read(from: address, ReloadReply.init)
  }
}

extension RequestID {
  /// The value that stands for it on the wire.
  fileprivate var json: JSON {
    switch self {
    case .number(let number): .number(String(number))
    case .name(let name): .string(name)
    }
  }
}
