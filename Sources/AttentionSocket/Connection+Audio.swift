import JSONText
import Logging
import NIOCore

// The wake-word service: audio in, detections out.

/// What a client sends to be heard, and how far the listener is with it.
struct ClientAudio {
  private enum Step {
    case begin(AudioFormat, epoch: Int)
    case audio(ByteBuffer)
    case end
  }

  /// An end of audio that is yet to be heard.
  private struct End {
    let epoch: Int
    /// Of the choice in force then.
    let context: JSON?
    /// `audio-stop` messages to be answered, if nothing was detected.
    var replies: Int
  }

  private var listener: (any AudioListener)?
  private(set) var timeline: AudioTimeline
  /// What the listener had no room for.
  private var steps: [Step] = []
  /// Of the audio under way; nil before its beginning and after its end.
  private(set) var format: AudioFormat?
  private var epoch = -1
  private var ends: [End] = []
  private var lastDetected: Int?
  private var hasInputEnded = false

  init(keywords: [KeywordDescription]) {
    timeline = AudioTimeline(KeywordChoice(all: keywords))
  }

  var hasListener: Bool { listener != nil }

  /// Whether more may not be read before the listener has moved.
  var isFull: Bool { !steps.isEmpty }

  mutating func choose(_ keywords: KeywordChoice) { timeline.choose(keywords) }

  /// Begins an epoch.
  ///
  /// - Parameters:
  ///   - format: Of the audio to come.
  ///   - makeListener: Called at the first.
  mutating func begin(
    _ format: AudioFormat, _ makeListener: () throws -> (any AudioListener)?
  ) rethrows {
    if listener == nil { listener = try makeListener() }
    epoch += 1
    self.format = format
    timeline.begin(epoch: epoch, rate: format.rate)
    steps.append(.begin(format, epoch: epoch))
    proceed()
  }

  mutating func append(_ bytes: ByteBuffer, timestamp: Int?) {
    guard let format, bytes.readableBytes > 0 else { return }
    timeline.append(sampleFrames: bytes.readableBytes / format.frameBytes, timestamp: timestamp)
    steps.append(.audio(bytes))
    proceed()
  }

  /// Ends the audio under way.
  ///
  /// - Returns: Whether an answer will come from the listener; if not, nothing was detected.
  mutating func stop() -> Bool {
    if format != nil {
      end(replies: 1)
      return true
    }
    guard !ends.isEmpty else { return false }
    ends[ends.count - 1].replies += 1
    return true
  }

  private mutating func end(replies: Int) {
    format = nil
    ends.append(End(epoch: epoch, context: timeline.keywords.context, replies: replies))
    steps.append(.end)
    proceed()
  }

  /// Nothing more will come: what did come is heard to its end.
  ///
  /// - Returns: Whether there is anything to wait for.
  mutating func finishInput() -> Bool {
    if format != nil { end(replies: 0) }
    return !ends.isEmpty
  }

  /// Gives the listener what it has room for.
  mutating func proceed() {
    guard let listener else { return }
    while let step = steps.first {
      switch step {
      case .begin(let format, let epoch):
        guard listener.begin(format, epoch: epoch) else { return }
      case .audio(var bytes):
        let taken = bytes.withUnsafeReadableBytes { listener.take($0) }
        bytes.moveReaderIndex(forwardBy: taken)
        guard bytes.readableBytes == 0 else {
          steps[0] = .audio(bytes)
          return
        }
      case .end:
        guard listener.end() else { return }
      }
      steps.removeFirst()
    }
  }

  /// The listener has read or published: there may be room again on either side.
  mutating func listenerHasMoved() {
    listener?.publicationsRead()
    proceed()
  }

  func show() { listener?.show() }

  func close() { listener?.close() }

  mutating func hasDetected(inEpoch epoch: Int) { lastDetected = epoch }

  mutating func hasHeard(upTo sample: Int, sampleRate: Int, epoch: Int) {
    timeline.forget(before: sample, sampleRate: sampleRate, epoch: epoch)
  }

  /// An end has been heard.
  ///
  /// - Returns: How often to say that nothing was detected, and the context to say it with.
  mutating func hasHeardToTheEnd() -> (replies: Int, context: JSON?) {
    guard !ends.isEmpty else { return (0, nil) }
    let end = ends.removeFirst()
    return (lastDetected == end.epoch ? max(0, end.replies - 1) : end.replies, end.context)
  }
}

extension Connection {
  /// Acts on an event of the wake-word service.
  ///
  /// - Returns: Whether it was one.
  func serveWakeWord(_ event: WireEvent, _ fields: Fields) -> Bool {
    switch event.type {
    case "describe": offer(hub.info)
    case "select-program": break  // There is one program.
    case "detect": detect(fields)
    case "audio-start": startAudio(fields)
    case "audio-chunk": takeAudio(fields, event.payload)
    case "audio-stop": stopAudio()
    default: return false
    }
    return true
  }

  private func detect(_ fields: Fields) {
    let names: [String]?
    let context: JSON?
    do throws(FieldError) {
      names = try fields.optionalStrings("names")
      context = try fields.optionalObject("context") == nil ? nil : fields["context"]
    } catch {
      refuse(Refusal(error, verb: "detect"), verb: "detect", id: nil)
      return
    }
    let keywords = hub.identity.keywords
    guard let names, !names.isEmpty else {
      choose(KeywordChoice(all: keywords, context: context))
      return
    }
    let choice = KeywordChoice(names, of: keywords, context: context)
    choose(choice)
    let unknown = names.filter { KeywordChoice([$0], of: keywords, context: nil).isEmpty }
    if choice.isEmpty {
      let known = keywords.map(\.name).joined(separator: ", ")
      refuse(
        Refusal(
          code: .unknownKeyword,
          text: "detect: none of \(unknown.prefix(8).map(\.shortened).joined(separator: ", "))"
            + " is known; there are: \(known)", field: "names"), verb: "detect", id: nil)
    } else if let first = unknown.first {
      hub.logger.notice("\(peer.name) asked for the unknown keyword '\(first.shortened)'; skipped")
    }
  }

  private func choose(_ choice: KeywordChoice) {
    if audio == nil { audio = ClientAudio(keywords: hub.identity.keywords) }
    audio?.choose(choice)
  }

  private func startAudio(_ fields: Fields) {
    guard let format = audioFormat(fields, "audio-start") else { return }
    begin(format)
  }

  private func takeAudio(_ fields: Fields, _ payload: ByteBuffer) {
    guard let format = audioFormat(fields, "audio-chunk") else { return }
    guard payload.readableBytes % format.frameBytes == 0 else {
      fail(
        .badAudio,
        "audio-chunk: \(payload.readableBytes) bytes aren't whole sample frames of"
          + " \(format.frameBytes)")
      return
    }
    if audio?.format != format { begin(format) }
    guard isOpen else { return }
    audio?.append(payload, timestamp: fields.milliseconds("timestamp"))
  }

  private func begin(_ format: AudioFormat) {
    guard hub.hearsClients else {
      fail(.notAvailable, "this daemon doesn't hear what clients send")
      return
    }
    if audio == nil { audio = ClientAudio(keywords: hub.identity.keywords) }
    do {
      try audio?.begin(format) { try hub.makeListener(for: self) }
    } catch {
      let trace = String(UInt32.random(in: .min ... .max), radix: 16)
      hub.logger.error("trace \(trace): no listener for \(peer.name): \(error)")
      fail(.internal, "the daemon can't listen to another client now (trace \(trace))")
    }
  }

  private func stopAudio() {
    guard audio?.stop() != true else { return }
    sayNotDetected(context: audio?.timeline.keywords.context)
  }

  private func sayNotDetected(context: JSON?) {
    offer(
      EventEncoder.encode("not-detected") { json in
        if let context {
          json.name("context")
          json.value(context)
        }
      })
  }

  /// Reads an event's format; one that can't be heard ends the connection.
  private func audioFormat(_ fields: Fields, _ type: String) -> AudioFormat? {
    do throws(FieldError) {
      return AudioFormat(
        rate: try fields.integer("rate", in: AudioFormat.rates),
        width: try fields.integer("width", in: AudioFormat.widths),
        channels: try fields.integer("channels", in: AudioFormat.channelCounts))
    } catch {
      fail(.badAudio, "\(type): \(error.text)")
      return nil
    }
  }

  // MARK: What the listener says

  /// The listener has read or published.
  func listenerHasMoved() {
    guard isOpen else { return }
    audio?.listenerHasMoved()
    goOn()
  }

  /// Everything that was decided up to a sample is known.
  func hasHeard(upTo sample: Int, epoch: Int) {
    guard let feed = hub.feed(hub.clientIndex, for: self) else { return }
    audio?.hasHeard(upTo: sample, sampleRate: feed.sampleRate, epoch: epoch)
  }

  /// Tells of a keyword, if it was asked for when it was spoken.
  func hasDetected(_ found: EventRecord.Detection, epoch: Int, in feed: StreamFeed) {
    guard let audio else { return }
    let (keywords, timestamp) = audio.timeline.moment(
      sample: found.sample, sampleRate: feed.sampleRate, epoch: epoch)
    guard let name = keywords.name(of: found.keyword) else { return }
    self.audio?.hasDetected(inEpoch: epoch)
    let detection = feed.detection(
      found, epoch: epoch, number: feed.countDetection(), name: name, timestamp: timestamp)
    offer(detection.encoded(context: keywords.context))
  }

  /// An end of audio has been heard.
  func hasHeardToTheEnd() {
    guard let (replies, context) = audio?.hasHeardToTheEnd() else { return }
    for _ in 0..<replies { sayNotDetected(context: context) }
  }
}

extension Fields {
  /// A time in milliseconds, as exact as its sender writes it; nil where there is none.
  fileprivate func milliseconds(_ name: String) -> Int? {
    guard let value = self[name] else { return nil }
    if let integer = value.integer { return integer }
    guard let number = value.double, number.magnitude < 0x1p53 else { return nil }
    return Int(number.rounded(.down))
  }
}
