import JSONText
import NIOCore

extension Event {
  /// Reads an event of the server; unknown types become `.other`, unknown fields are skipped.
  package init(_ wire: WireEvent) throws(FieldError) {
    let fields = Fields(wire.fields)
    switch wire.type {
    case "hello": self = .hello(try Hello(fields))
    case "subscribe-reply": self = .subscribed(try SubscribeReply(fields))
    case "unsubscribe-reply": self = .unsubscribed
    case "state": self = .state(try StreamStatus(fields))
    case "attention": self = .attention(try AttentionFrame(fields, payload: wire.payload))
    case "detection": self = .detection(try Detection(fields))
    case "dropped": self = .dropped(try DroppedFrames(fields))
    case "discontinuity": self = .discontinuity(try Discontinuity(fields))
    case "warning": self = .warning(try Warning(fields))
    case "pong": self = .pong(try fields.optionalString("text"))
    case "error": self = .error(try ErrorReply(fields))
    case "bye": self = .bye(try Bye(fields))
    default: self = .other(type: wire.type)
    }
  }
}

extension RequestID {
  /// The `id` of a request or a reply: an integer from 0 to 2^53 - 1, or 1 to 64 characters.
  package init?(_ fields: Fields) throws(FieldError) {
    switch fields["id"] {
    case nil: return nil
    case .string(let name) where (1...64).contains(name.unicodeScalars.count): self = .name(name)
    case let value?:
      guard let number = value.integer, (0..<1 << 53).contains(number) else {
        throw fields.wrong(
          "id", "an integer from 0 to 9007199254740991, or a string of 1 to 64 characters")
      }
      self = .number(number)
    }
  }
}

extension Hello {
  init(_ fields: Fields) throws(FieldError) {
    protocolVersion = try fields.integer("protocol")
    program = try fields.string("program")
    version = try fields.string("version")
    run = try fields.string("run")
    model = try ModelDescription(try fields.object("model"))
    streams = []
    for stream in try fields.objects("streams") { streams.append(try Stream(stream)) }
    keywords = []
    for keyword in try fields.objects("keywords") {
      keywords.append(
        KeywordDescription(
          name: try keyword.string("name"), phrase: try keyword.string("phrase"),
          threshold: try keyword.float("threshold")))
    }
    features = try fields.strings("features")
    mayControl = try fields.object("permissions").bool("control")
    limits = [:]
    let limits = try fields.object("limits")
    for name in limits.all.keys {
      if let limit = limits[name]?.integer { self.limits[name] = limit }
    }
  }
}

extension ModelDescription {
  init(_ fields: Fields) throws(FieldError) {
    self.init(
      name: try fields.string("name"), digest: try fields.string("digest"),
      score: try fields.string("score"), heads: try fields.integer("heads"))
  }
}

extension Hello.Stream {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    description = StreamDescription(
      name: try fields.string("name"),
      kind: StreamDescription.Kind(rawValue: try fields.string("kind")) ?? .other,
      rate: try fields.integer("rate"), hop: try fields.integer("hop"),
      window: try fields.integer("window"), bins: try fields.integer("bins"))
    epoch = try fields.integer("epoch")
    state = StreamState(rawValue: try fields.string("state")) ?? .other
  }
}

extension SubscribeReply {
  init(_ event: WireEvent) throws(FieldError) { try self.init(Fields(event.fields)) }

  fileprivate init(_ fields: Fields) throws(FieldError) {
    events = try fields.strings("events").compactMap(SubscribableEvent.init)
    streams = try fields.strings("streams")
    every = try fields.integer("every")
    weights = BulkForm(rawValue: try fields.string("weights")) ?? .none
    spectrum = BulkForm(rawValue: try fields.string("spectrum")) ?? .none
    replayed = try fields.integer("replayed")
    missed = try fields.integer("missed")
  }
}

extension StreamStatus {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    stream = try fields.string("stream")
    state = StreamState(rawValue: try fields.string("state")) ?? .other
    reason = StateReason(rawValue: try fields.string("reason")) ?? .other
    text = try fields.string("text")
    epoch = try fields.integer("epoch")
    sample = try fields.integer("sample")
    since = try fields.number("since")
    attempt = try fields.optionalInteger("attempt", in: 0...Int.max)
    inhibitedUntil = try fields.optionalNumber("inhibited_until")
    inhibited = try fields.optionalStrings("inhibited") ?? []
  }
}

extension Focus {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    expected = try fields.float("expected")
    spread = try fields.float("spread")
    peak = try fields.float("peak")
  }
}

extension AttentionFrame {
  init(_ event: WireEvent) throws(FieldError) {
    try self.init(Fields(event.fields), payload: event.payload)
  }

  fileprivate init(_ fields: Fields, payload: ByteBuffer) throws(FieldError) {
    stream = try fields.string("stream")
    epoch = try fields.integer("epoch")
    index = try fields.integer("index")
    sample = try fields.integer("sample")
    time = try fields.number("time")
    captured = try fields.optionalNumber("captured")
    posteriors = [:]
    let posteriors = try fields.object("posteriors")
    for name in posteriors.all.keys { self.posteriors[name] = try posteriors.float(name) }
    focus = try Focus(try fields.object("focus"))
    focuses = [:]
    if let focuses = try fields.optionalObject("focuses") {
      for name in focuses.all.keys { self.focuses[name] = try Focus(try focuses.object(name)) }
    }
    level = try fields.float("level")
    span = try fields.integer("span")
    weights = []
    for row in try fields.optionalArray("weights") ?? [] {
      guard case .array(let values) = row else { throw fields.wrong("weights", "a list of lists") }
      weights.append(try Self.floats(values, of: "weights", in: fields))
    }
    spectrum = try Self.floats(
      try fields.optionalArray("spectrum") ?? [], of: "spectrum", in: fields)
    if fields["blocks"] != nil {
      for block in try fields.objects("blocks") { try read(block, from: payload) }
    }
  }

  private static func floats(
    _ values: [JSON], of name: String, in fields: Fields
  ) throws(FieldError) -> [Float] {
    var floats: [Float] = []
    floats.reserveCapacity(values.count)
    for value in values {
      guard let number = value.double else { throw fields.wrong(name, "a list of numbers") }
      floats.append(Float(number))
    }
    return floats
  }

  /// Takes a block that it knows from the payload; others are skipped.
  private mutating func read(_ block: Fields, from payload: ByteBuffer) throws(FieldError) {
    let name = try block.string("name")
    guard name == "weights" || name == "spectrum", try block.string("dtype") == "f32le" else {
      return
    }
    let offset = try block.integer("offset", in: 0...payload.readableBytes)
    let count = try block.integer("bytes", in: 0...payload.readableBytes - offset)
    var shape: [Int] = []
    for value in try block.optionalArray("shape") ?? [] {
      guard let length = value.integer, length > 0 else {
        throw block.wrong("shape", "a list of integers of 1 or more")
      }
      shape.append(length)
    }
    guard let columns = shape.last, count % 4 == 0, count / 4 % columns == 0,
      var bytes = payload.getSlice(at: payload.readerIndex + offset, length: count)
    else { throw block.wrong("bytes", "what the shape says, inside the payload") }
    var values: [Float] = []
    values.reserveCapacity(count / 4)
    while let bits = bytes.readInteger(endianness: .little, as: UInt32.self) {
      values.append(Float(bitPattern: bits))
    }
    if name == "spectrum" {
      spectrum = values
    } else {
      weights = stride(from: 0, to: values.count, by: columns).map {
        Array(values[$0..<$0 + columns])
      }
    }
  }
}

extension Detection {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    seq = try fields.integer("seq")
    stream = try fields.string("stream")
    epoch = try fields.integer("epoch")
    name = try fields.string("name")
    score = try fields.float("score")
    threshold = try fields.float("threshold")
    sample = try fields.integer("sample")
    time = try fields.number("time")
    startSample = try fields.integer("start_sample")
    start = try fields.number("start")
    endSample = try fields.integer("end_sample")
    end = try fields.number("end")
    captured = try fields.optionalNumber("captured")
    timestamp = try fields.integer("timestamp", in: Int.min...Int.max)
    replayed = try fields.optionalBool("replayed") ?? false
  }
}

extension DroppedFrames {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    stream = try fields.string("stream")
    epoch = try fields.integer("epoch")
    count = try fields.integer("count")
    fromIndex = try fields.integer("from_index")
    toIndex = try fields.integer("to_index")
    total = try fields.integer("total")
  }
}

extension Discontinuity {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    stream = try fields.string("stream")
    epoch = try fields.integer("epoch")
    sample = try fields.integer("sample")
    lostSamples = try fields.integer("lost_samples")
    isExact = try fields.bool("exact")
    reason = DiscontinuityReason(rawValue: try fields.string("reason")) ?? .other
    isReset = try fields.bool("reset")
  }
}

extension Warning {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    code = WarningCode(rawValue: try fields.string("code")) ?? .other
    text = try fields.string("text")
    stream = try fields.optionalString("stream")
    count = try fields.integer("count")
    lag = try fields.optionalNumber("lag")
  }
}

extension ErrorReply {
  init(_ event: WireEvent) throws(FieldError) { try self.init(Fields(event.fields)) }

  fileprivate init(_ fields: Fields) throws(FieldError) {
    code = ErrorCode(rawValue: try fields.string("code")) ?? .other
    text = try fields.string("text")
    isFatal = try fields.bool("fatal")
    id = try RequestID(fields)
    verb = try fields.optionalString("verb")
    field = try fields.optionalString("field")
  }
}

extension Bye {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    reason = ByeReason(rawValue: try fields.string("reason")) ?? .other
    text = try fields.string("text")
  }
}
