import NIOCore

/// An event as a client of the socket receives it (protocol, part B).
public enum Event: Equatable, Sendable {
  case hello(Hello)
  case subscribed(SubscribeReply)
  case unsubscribed
  case state(StreamStatus)
  case attention(AttentionFrame)
  case detection(Detection)
  case dropped(DroppedFrames)
  case discontinuity(Discontinuity)
  case warning(Warning)
  case pong(String?)
  case error(ErrorReply)
  case bye(Bye)
  /// An event of a type that this version doesn't know; clients skip it.
  case other(type: String)
}

/// A request's number or name, copied into its reply.
public enum RequestID: Hashable, Sendable {
  case number(Int)
  case name(String)
}

/// What a stream is doing.
public enum StreamState: String, Sendable {
  case starting, running, waiting, recovering, stopped
  /// A state that this version doesn't know.
  case other
}

/// Why a stream is in its state.
public enum StateReason: String, Sendable {
  case ok
  case deviceLost = "device-lost"
  case deviceBusy = "device-busy"
  case noPermission = "no-permission"
  case endOfFile = "end-of-file"
  case reload, start, suspend
  /// A reason that this version doesn't know.
  case other
}

/// Why samples were lost.
public enum DiscontinuityReason: String, Sendable {
  case overrun
  case deviceLost = "device-lost"
  case suspend, overload
  /// A reason that this version doesn't know.
  case other
}

/// What a warning is about.
public enum WarningCode: String, CaseIterable, Sendable {
  /// The latency budget was missed.
  case late
  case clipping
  /// Ten seconds of digital zero.
  case silence
  /// The sound's mean is far from zero.
  case dcOffset = "dc-offset"
  /// Nothing above 4 kHz although there is sound below: a telephone's.
  case narrowBand = "narrow-band"
  case clockDrift = "clock-drift"
  case noSpace = "no-space"
  /// What should be the machine's own voice is what the microphone hears.
  case falseReference = "false-reference"
  /// A code that this version doesn't know.
  case other
}

/// Why the server ends a connection.
public enum ByeReason: String, Sendable {
  case shutdown
  case slowReader = "slow-reader"
  case error
  /// Another process takes over the socket.
  case replaced
  /// A reason that this version doesn't know.
  case other
}

/// What is wrong, for programs.
public enum ErrorCode: String, Sendable {
  case badHeader = "bad-header"
  case badJSON = "bad-json"
  case tooLarge = "too-large"
  case timeout, busy, `internal`
  case badAudio = "bad-audio"
  case unknownKeyword = "unknown-keyword"
  case unknownStream = "unknown-stream"
  case unknownType = "unknown-type"
  case missingField = "missing-field"
  case badValue = "bad-value"
  case notPermitted = "not-permitted"
  case notAvailable = "not-available"
  case reloadFailed = "reload-failed"
  /// A code that this version doesn't know.
  case other
}

/// The server's first words: what a client must know to read the rest.
public struct Hello: Equatable, Sendable {
  /// The version of the protocol that this module speaks.
  public static let protocolVersion = 1

  /// A stream, and where it stands.
  public struct Stream: Equatable, Sendable {
    /// What it is.
    public var description: StreamDescription
    /// Grows by one when positions restart at 0.
    public var epoch: Int
    /// What it is doing.
    public var state: StreamState
  }

  /// The number of the protocol.
  public var protocolVersion: Int
  /// The daemon's name.
  public var program: String
  /// The daemon's version.
  public var version: String
  /// Sixteen hexadecimal digits, drawn anew by each daemon process.
  public var run: String
  /// The model that listens.
  public var model: ModelDescription
  /// By name.
  public var streams: [Stream]
  /// In the order of the model.
  public var keywords: [KeywordDescription]
  /// Optional abilities.
  public var features: [String]
  /// Whether this connection may use the verbs that change what the daemon does.
  public var mayControl: Bool
  /// The longest queue and history that the server keeps, and what it accepts, by name.
  public var limits: [String: Int]
}

/// How bulk values of attention frames travel.
public enum BulkForm: String, CaseIterable, Sendable {
  case none, json, float32
}

/// Kinds of event that a subscription can ask for.
public enum SubscribableEvent: String, CaseIterable, Sendable {
  case attention, detection, state, discontinuity, warning
}

/// What is in force after a `subscribe`.
public struct SubscribeReply: Equatable, Sendable {
  /// Kinds of event.
  public var events: [SubscribableEvent]
  /// By name.
  public var streams: [String]
  /// Attention frames whose index is a multiple of this.
  public var every: Int
  /// How attention weights travel.
  public var weights: BulkForm
  /// How feature rows travel.
  public var spectrum: BulkForm
  /// Detections of the history that follow.
  public var replayed: Int
  /// Detections that were asked for and are no longer in the history.
  public var missed: Int
}

/// A stream's state.
public struct StreamStatus: Equatable, Sendable {
  /// The stream's name.
  public var stream: String
  /// What it is doing.
  public var state: StreamState
  /// Why.
  public var reason: StateReason
  /// For people.
  public var text: String
  /// Grows by one when positions restart at 0.
  public var epoch: Int
  /// Samples of the stream before this.
  public var sample: Int
  /// Unix seconds.
  public var since: Double
  /// Which attempt to recover this is.
  public var attempt: Int?
  /// Seconds of stream time until which detections are suppressed; nil when none are.
  public var inhibitedUntil: Double?
  /// The keywords whose detections are suppressed.
  public var inhibited: [String] = []
}

/// Where in the past the attention is: seconds before the frame's sample.
public struct Focus: Equatable, Sendable {
  /// The mean.
  public var expected: Float
  /// The standard deviation.
  public var spread: Float
  /// The largest weight, the latest on a tie.
  public var peak: Float

  /// A focus, in seconds.
  public init(expected: Float, spread: Float, peak: Float) {
    self.expected = expected
    self.spread = spread
    self.peak = peak
  }
}

/// What the model attends to and believes after one hop.
public struct AttentionFrame: Equatable, Sendable {
  /// The stream's name.
  public var stream: String
  /// Grows by one when positions restart at 0.
  public var epoch: Int
  /// Number of the frame in its epoch.
  public var index: Int
  /// Position just after the last sample that the frame has seen.
  public var sample: Int
  /// Seconds of stream time.
  public var time: Double
  /// Unix seconds at which that sample was captured; nil for files and pipes.
  public var captured: Double?
  /// By keyword, 0 to 1.
  public var posteriors: [String: Float]
  /// Where the attention is: of head 0, or of the strongest keyword's.
  public var focus: Focus
  /// By keyword, when each has heads of its own; else empty.
  public var focuses: [String: Focus]
  /// RMS of the last hop in dBFS, at least -120.
  public var level: Float
  /// Frames in the window.
  public var span: Int
  /// A row of `span` weights per head, oldest first; empty unless subscribed.
  public var weights: [[Float]]
  /// The feature row; empty unless subscribed.
  public var spectrum: [Float]
}

/// A keyword was spoken.
public struct Detection: Equatable, Sendable {
  /// From 1, for the life of the daemon process.
  public var seq: Int
  /// The stream's name.
  public var stream: String
  /// Grows by one when positions restart at 0.
  public var epoch: Int
  /// The keyword.
  public var name: String
  /// The smoothed posterior at the decision.
  public var score: Float
  /// The threshold in force then.
  public var threshold: Float
  /// Position of the decision, in samples.
  public var sample: Int
  /// Position of the decision, in seconds.
  public var time: Double
  /// Where the word began, in samples.
  public var startSample: Int
  /// Where the word began, in seconds.
  public var start: Double
  /// Where the word ended, in samples.
  public var endSample: Int
  /// Where the word ended, in seconds.
  public var end: Double
  /// Unix seconds of `endSample`; nil for files, pipes and what clients send.
  public var captured: Double?
  /// Milliseconds: of the chunk that holds the deciding sample, as its sender counts them; else
  /// those of `time`.
  public var timestamp: Int
  /// Whether it comes from the history.
  public var replayed: Bool
}

/// Attention frames that this connection would have got and didn't.
public struct DroppedFrames: Equatable, Sendable {
  /// The stream's name.
  public var stream: String
  /// Grows by one when positions restart at 0.
  public var epoch: Int
  /// How many.
  public var count: Int
  /// The first.
  public var fromIndex: Int
  /// The last.
  public var toIndex: Int
  /// Frames dropped on this connection so far, these included.
  public var total: Int
}

/// Samples that were never heard.
public struct Discontinuity: Equatable, Sendable {
  /// The stream's name.
  public var stream: String
  /// Grows by one when positions restart at 0.
  public var epoch: Int
  /// Position of the first lost sample.
  public var sample: Int
  /// How many were lost.
  public var lostSamples: Int
  /// Whether the number is counted; else it is estimated from the clock.
  public var isExact: Bool
  /// Why.
  public var reason: DiscontinuityReason
  /// Whether the model's state was reset.
  public var isReset: Bool
}

/// Something that a person should look at.
public struct Warning: Equatable, Sendable {
  /// What it is about.
  public var code: WarningCode
  /// For people.
  public var text: String
  /// The stream's name.
  public var stream: String?
  /// How often since the last warning of this code and stream.
  public var count: Int
  /// Seconds behind the capture.
  public var lag: Double?
}

/// A request, or the bytes themselves, couldn't be understood.
public struct ErrorReply: Equatable, Sendable {
  /// What it is about.
  public var code: ErrorCode
  /// For people.
  public var text: String
  /// Whether the connection ends.
  public var isFatal: Bool
  /// The request's.
  public var id: RequestID?
  /// The request's type.
  public var verb: String?
  /// The field that is wrong.
  public var field: String?
}

/// The last event of a connection.
public struct Bye: Equatable, Sendable {
  /// Why.
  public var reason: ByeReason
  /// For people.
  public var text: String

  /// The last event of a connection.
  public init(reason: ByeReason, text: String) {
    self.reason = reason
    self.text = text
  }
}
