import JSONText
import NIOCore

/// A keyword's threshold after and before a `set`.
public struct ThresholdReply: Equatable, Sendable {
  /// The keyword's name.
  public var keyword: String
  /// What is in force now.
  public var threshold: Float
  /// What was before.
  public var previous: Float
}

/// What a daemon can read anew.
public enum ReloadTarget: String, CaseIterable, Sendable {
  case config, model, all
}

/// What listens after a `reload`.
public struct ReloadReply: Equatable, Sendable {
  /// The model.
  public var model: ModelDescription
  /// Whether it is another one than before.
  public var hasChanged: Bool
}

/// Frames of the past.
public struct ReplayReply: Equatable, Sendable {
  /// In order, without weights and feature rows.
  public var frames: [AttentionFrame]
  /// Where what was there begins; nil when there was nothing.
  public var fromSample: Int?
  /// Where what was there ends.
  public var toSample: Int?
  /// Whether that is all that was asked for.
  public var isComplete: Bool
}

/// A program of a Wyoming service that listens for wake words.
public struct WakeProgram: Equatable, Sendable {
  /// A wake word that it knows.
  public struct Model: Equatable, Sendable {
    /// The id to ask for, and the name of its detections.
    public var name: String
    /// What is said.
    public var phrase: String?
    /// For people.
    public var description: String?
    /// Languages in which it is said, as `en` or `pt-BR`.
    public var languages: [String]
    /// Whether it can be used now.
    public var isInstalled: Bool
    /// The model's version.
    public var version: String?
  }

  /// The program's name.
  public var name: String
  /// For people.
  public var description: String?
  /// Whether it can be used now.
  public var isInstalled: Bool
  /// The program's version.
  public var version: String?
  /// One for each wake word.
  public var models: [Model]
}

// MARK: Decoding

extension ThresholdReply {
  init(_ event: WireEvent) throws(FieldError) {
    let fields = Fields(event.fields)
    keyword = try fields.string("keyword")
    threshold = try fields.float("threshold")
    previous = try fields.float("previous")
  }
}

extension ReloadReply {
  func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("reload-reply") { json in
      json.field("id", id)
      json.field("model", object: model.write)
      json.field("changed", hasChanged)
    }
  }

  init(_ event: WireEvent) throws(FieldError) {
    let fields = Fields(event.fields)
    model = try ModelDescription(try fields.object("model"))
    hasChanged = try fields.bool("changed")
  }
}

extension ReplayReply {
  init(_ event: WireEvent, frames: [AttentionFrame]) throws(FieldError) {
    let fields = Fields(event.fields)
    guard try fields.integer("frames") == frames.count else {
      throw fields.wrong("frames", "the number of frames that came, \(frames.count)")
    }
    self.frames = frames
    fromSample = try fields.optionalInteger("from_sample", in: 0...Int.max)
    toSample = try fields.optionalInteger("to_sample", in: 0...Int.max)
    isComplete = try fields.bool("complete")
  }
}

extension DaemonStatus {
  package init(_ event: WireEvent) throws(FieldError) {
    let fields = Fields(event.fields)
    run = try fields.string("run")
    program = try fields.string("program")
    version = try fields.string("version")
    uptime = try fields.number("uptime")
    model = try ModelDescription(try fields.object("model"))
    streams = []
    for stream in try fields.objects("streams") { streams.append(try Stream(stream)) }
    connections = try fields.integer("connections")
    subscribers = try fields.integer("subscribers")
    dropped = try fields.integer("dropped")
    ignored = try fields.integer("ignored")
    let times = try fields.object("step_us")
    stepMicroseconds = StepTimes(
      p50: try times.number("p50"), p99: try times.number("p99"), max: try times.number("max"))
    memory = try fields.integer("memory")
    // What follows an older daemon doesn't say.
    latencyBudget = try fields.optionalNumber("latency_budget") ?? 0
    kernels = try fields.optionalString("kernels") ?? ""
    descriptors = try fields.optionalInteger("descriptors", in: 0...Int.max) ?? 0
    threads = try fields.optionalInteger("threads", in: 0...Int.max) ?? 0
  }
}

extension DaemonStatus.Stream {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    name = try fields.string("name")
    state = StreamState(rawValue: try fields.string("state")) ?? .other
    epoch = try fields.integer("epoch")
    sample = try fields.integer("sample")
    index = try fields.integer("index", in: Int.min...Int.max)
    lag = try fields.optionalNumber("lag")
    level = try fields.float("level")
    detections = try fields.integer("detections")
    discontinuities = try fields.integer("discontinuities")
    lostSamples = try fields.integer("lost_samples")
    reconnects = try fields.integer("reconnects")
    // What follows an older daemon doesn't say.
    reason = StateReason(rawValue: try fields.optionalString("reason") ?? "") ?? .other
    text = try fields.optionalString("text") ?? ""
    idle = try fields.optionalNumber("idle")
    clipping = try fields.optionalNumber("clipping")
    interruptions = try fields.optionalInteger("xruns", in: 0...Int.max) ?? 0
    ownVoice = try fields.optionalInteger("own_voice", in: 0...Int.max) ?? 0
    latency = try fields.optionalObject("latency_ms").map { times throws(FieldError) in
      DaemonStatus.Latency(
        count: try times.integer("count"), p50: try times.number("p50"),
        p99: try times.number("p99"), p999: try times.number("p999"),
        max: try times.number("max"))
    }
    subscribers = try fields.optionalInteger("subscribers", in: 0...Int.max) ?? 0
    warnings = (try fields.optionalStrings("warnings") ?? []).map {
      WarningCode(rawValue: $0) ?? .other
    }
  }
}

extension WakeProgram {
  /// The programs of an `info`.
  static func all(in event: WireEvent) throws(FieldError) -> [WakeProgram] {
    var programs: [WakeProgram] = []
    for program in try Fields(event.fields).objects("wake") {
      programs.append(try WakeProgram(program))
    }
    return programs
  }

  private init(_ fields: Fields) throws(FieldError) {
    name = try fields.string("name")
    description = try fields.optionalString("description")
    isInstalled = try fields.bool("installed")
    version = try fields.optionalString("version")
    models = []
    for model in try fields.objects("models") { models.append(try Model(model)) }
  }
}

extension WakeProgram.Model {
  fileprivate init(_ fields: Fields) throws(FieldError) {
    name = try fields.string("name")
    phrase = try fields.optionalString("phrase")
    description = try fields.optionalString("description")
    languages = try fields.optionalStrings("languages") ?? []
    isInstalled = try fields.bool("installed")
    version = try fields.optionalString("version")
  }
}
