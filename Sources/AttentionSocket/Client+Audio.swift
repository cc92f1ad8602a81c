import JSONText
import NIOCore

// The daemon as a wake-word service: audio goes there, detections of the stream `self` come back.
//
//     try await client.subscribe(SubscriptionRequest(events: [.attention], streams: ["self"]))
//     try await client.detect(["computer"])
//     let audio = try await client.startAudio(AudioFormat(rate: 16_000, width: 2, channels: 1))
//     try await audio.send(bytes)
//     try await audio.stop()
//     while let event = try await client.next() { ... }

extension AttentionClient {
  /// Asks what the daemon can listen for, as Wyoming clients do.
  ///
  /// - Parameter isolation: The caller's; leave it out.
  /// - Returns: Its programs for wake words; attnd has one, with a model for each keyword.
  /// - Throws: `SocketError`.
  public func describe(
    isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) -> [WakeProgram] {
    let address = address
    return try await exchange(EventEncoder.encode("describe"), isolation: isolation) {
      event throws(SocketError) in
      guard event.type == "info" else { return .other }
      return .answer(try event.read(from: address, WakeProgram.all(in:)))
    }
  }

  /// Chooses the keywords to detect in the audio that this client sends.
  ///
  /// - Parameters:
  ///   - names: As the daemon or a person spells them; nil for all.
  ///   - isolation: The caller's; leave it out.
  /// - Throws: `SocketError.refused` when none of the names is known: none is detected then.
  public func detect(
    _ names: [String]? = nil, isolation: isolated (any Actor)? = #isolation
  ) async throws(SocketError) {
    let address = address
    let request = EventEncoder.encode("detect") { json in
      if let names { json.field("names", names) }
    }
    try? await writer.write(request)
    // It has no reply; that of a ping comes after whatever there is to say against it.
    var refusal: ErrorReply?
    _ = try await ask(
      "ping", reply: "pong", isolation: isolation,
      part: { event, _ throws(SocketError) in
        guard event.type == "error" else { return false }
        let reply = try event.read(from: address, ErrorReply.init)
        guard reply.verb == "detect" else { return false }
        refusal = reply
        return true
      })
    if let refusal { throw .refused(path: address, reply: refusal) }
  }

  /// Begins to send audio; its positions count from 0.
  ///
  /// - Parameters:
  ///   - format: Of the audio to come.
  ///   - timestamp: Milliseconds by the sender's clock.
  /// - Returns: What sends it, from any task.
  /// - Throws: `SocketError.closed` when the connection has ended.
  public func startAudio(
    _ format: AudioFormat, timestamp: Int? = nil
  ) async throws(SocketError) -> AudioSender {
    let sender = AudioSender(
      format: format, address: address, writer: writer,
      mostBytes: hello.limits["payload"] ?? ServerLimits().payload)
    try await sender.write("audio-start", timestamp: timestamp)
    return sender
  }
}

/// Sends audio to the daemon, on whatever task has it, beside the one that reads events.
public struct AudioSender: Sendable {
  /// How the samples lie.
  public let format: AudioFormat
  private let address: String
  private let writer: NIOAsyncChannelOutboundWriter<ByteBuffer>
  /// Bytes of one event: whole sample frames.
  private let mostBytes: Int

  init(
    format: AudioFormat, address: String, writer: NIOAsyncChannelOutboundWriter<ByteBuffer>,
    mostBytes: Int
  ) {
    self.format = format
    self.address = address
    self.writer = writer
    // What a daemon allows can't be less than one frame, nor more than is good for anybody.
    let frames = min(max(mostBytes, 0), 1 << 20) / format.frameBytes
    self.mostBytes = max(1, frames) * format.frameBytes
  }

  /// Sends samples; waits while the daemon has two seconds that it hasn't heard.
  ///
  /// - Parameters:
  ///   - bytes: Whole sample frames.
  ///   - timestamp: Milliseconds by the sender's clock, of the first sample; a detection tells the
  ///     time of the chunk that it lies in.
  /// - Throws: `SocketError.closed` when the connection has ended.
  public func send(
    _ bytes: some Collection<UInt8>, timestamp: Int? = nil
  ) async throws(SocketError) {
    precondition(
      bytes.count % format.frameBytes == 0,
      "Audio is sent in whole sample frames of \(format.frameBytes) bytes")
    var rest = ByteBuffer(bytes: bytes)
    while let chunk = rest.readSlice(length: min(mostBytes, rest.readableBytes)),
      chunk.readableBytes > 0
    {
      let sent = (bytes.count - rest.readableBytes - chunk.readableBytes) / format.frameBytes
      try await write(
        "audio-chunk", timestamp: timestamp.map { $0 &+ 1_000 * sent / format.rate },
        payload: chunk)
    }
  }

  /// Ends the audio; `not-detected` comes as an event if there was no detection in it.
  ///
  /// - Parameter timestamp: Milliseconds by the sender's clock.
  /// - Throws: `SocketError.closed` when the connection has ended.
  public func stop(timestamp: Int? = nil) async throws(SocketError) {
    try await write(
      EventEncoder.encode("audio-stop") { json in
        if let timestamp { json.field("timestamp", timestamp) }
      })
  }

  fileprivate func write(
    _ type: String, timestamp: Int?, payload: ByteBuffer? = nil
  ) async throws(SocketError) {
    try await write(
      EventEncoder.encode(type, payload: payload) { json in
        json.field("rate", format.rate)
        json.field("width", format.width)
        json.field("channels", format.channels)
        if let timestamp { json.field("timestamp", timestamp) }
      })
  }

  private func write(_ event: ByteBuffer) async throws(SocketError) {
    do {
      try await writer.write(event)
    } catch {
      throw .closed(path: address)
    }
  }
}
