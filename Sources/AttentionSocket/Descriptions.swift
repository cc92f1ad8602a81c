import Glibc

/// What a stream of the daemon is, as `hello` tells it to clients.
public struct StreamDescription: Equatable, Sendable {
  /// Where a stream's audio comes from.
  public enum Kind: String, Sendable {
    case device, file, pipe
    /// What a client sends over its own connection, which alone sees it.
    case client = "self"
    /// A kind that this version doesn't know.
    case other
  }

  /// The name that every connection calls its own audio by.
  public static let clientName = "self"

  /// Unique among the daemon's streams, and not `self`.
  public var name: String
  /// Where its audio comes from.
  public var kind: Kind
  /// Samples a second; positions count samples of this rate.
  public var rate: Int
  /// Samples between attention frames.
  public var hop: Int
  /// Attention frames that the window holds.
  public var window: Int
  /// Values in a spectrum row.
  public var bins: Int

  /// Describes a stream.
  public init(name: String, kind: Kind, rate: Int, hop: Int, window: Int, bins: Int) {
    self.name = name
    self.kind = kind
    self.rate = rate
    self.hop = hop
    self.window = window
    self.bins = bins
  }
}

/// What is known of the model that listens.
public struct ModelDescription: Equatable, Sendable {
  /// What people call it.
  public var name: String
  /// `sha256:` and 64 hexadecimal digits, of the model file.
  public var digest: String
  /// `dot`, `scaled-dot`, `additive`, `aligned` or `static`.
  public var score: String
  /// Attention heads.
  public var heads: Int

  /// Describes a model.
  public init(name: String, digest: String, score: String, heads: Int) {
    self.name = name
    self.digest = digest
    self.score = score
    self.heads = heads
  }
}

/// A keyword of the model.
public struct KeywordDescription: Equatable, Sendable {
  /// The id in frames and detections.
  public var name: String
  /// What is said.
  public var phrase: String
  /// Languages in which it is said, as `en` or `pt-BR`; may be empty.
  public var languages: [String] = []
  /// The posterior, 0 to 1, from which it counts as detected.
  public var threshold: Float

  /// Describes a keyword.
  public init(name: String, phrase: String, threshold: Float) {
    self.name = name
    self.phrase = phrase
    self.threshold = threshold
  }
}

/// Who may do what over which kind of connection.
public struct ServerPolicy: Sendable {
  /// Members of this group may control the daemon over a Unix socket, beside root and its own user.
  public var controlGroup: gid_t?
  /// Peers on the loopback interface may control it over TCP.
  public var controlsOverTCP = false
  /// Peers on other machines may use attnd's own events, not only the wake-word service.
  public var nativeOverTCP = false

  /// The strictest.
  public init() {}
}

/// Whose attention the frames show.
public enum AttentionHeads: Sendable {
  /// All keywords share the heads; `focus` is that of head 0.
  case shared
  /// Each keyword has its own; `focus` is that of the keyword with the highest posterior.
  case perKeyword
}

/// The bounds of the server; together they bound its memory, whatever its clients do.
public struct ServerLimits: Sendable {
  /// Bytes of a client's header line with its newline.
  public var header = 65_536
  /// Bytes of a client's data block.
  public var data = 65_536
  /// Bytes of a client's payload: 32 s of 16 kHz 16-bit mono.
  public var payload = 1 << 20
  /// Connections at once; one more is told `busy`.
  public var connections = 64
  /// Attention frames queued for one connection.
  public var queueEvents = 256
  /// Bytes of attention frames queued for one connection, or twice the largest frame if that is more.
  public var queueBytes = 256 << 10
  /// Events that must arrive, queued for one connection.
  public var mustArriveEvents = 1_024
  /// Bytes of events that must arrive, queued for one connection.
  public var mustArriveBytes = 1 << 20
  /// Detections kept for clients that come back.
  public var history = 1_024
  /// From an event's first byte to its last.
  public var eventTime: Duration = .seconds(10)
  /// How long a reader may take no byte while some are waiting.
  public var stallTime: Duration = .seconds(30)
  /// How long what is queued may take to leave after `bye` or a fatal error.
  public var drainTime: Duration = .seconds(2)
  /// How long a `snapshot` waits for the next frame of a running stream.
  public var answerTime: Duration = .seconds(1)
  /// Attention frames kept of each stream, for `replay`.
  public var retainedFrames = 3_000
  /// How long after its capture a frame may leave; later ones are shed where newer ones wait.
  public var latencyBudget: Duration = .milliseconds(100)
  /// What a threshold may be set to; what is asked beyond counts as the nearest that may.
  public var thresholds: ClosedRange<Float> = 0...1

  /// The protocol's defaults.
  public init() {}

  var events: EventLimits { EventLimits(header: header, data: data, payload: payload) }
}
