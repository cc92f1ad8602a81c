import JSONText
import NIOCore

/// What a daemon says of itself when it is asked.
public struct DaemonStatus: Equatable, Sendable {
  /// A stream, and what has become of it.
  public struct Stream: Equatable, Sendable {
    /// The stream's name.
    public var name: String
    /// What it is doing.
    public var state: StreamState
    /// Grows by one when positions restart at 0.
    public var epoch: Int
    /// Samples heard.
    public var sample: Int
    /// Number of the newest frame.
    public var index: Int
    /// Seconds between the capture of the newest frame and its reading; nil where nobody knows.
    public var lag: Double?
    /// RMS of the last hop in dBFS, at least -120.
    public var level: Float
    /// Detections told of.
    public var detections: Int
    /// Holes in the audio.
    public var discontinuities: Int
    /// Samples that were never heard.
    public var lostSamples: Int
    /// Times that a lost source was found again.
    public var reconnects: Int
    /// Why it is in its state.
    public var reason: StateReason
    /// The same for people.
    public var text: String
    /// Seconds since the newest frame's sound came; nil before there was one.
    public var idle: Double?
    /// Share of the last second's samples that clip, 0 to 1; nil where nobody looks.
    public var clipping: Double?
    /// Times that the card overran, or the machine slept.
    public var interruptions: Int
    /// Of frames, to their write to a socket; nil before there was one.
    public var latency: Latency?
    /// Connections that subscribed to it.
    public var subscribers: Int
    /// Warnings that hold now.
    public var warnings: [WarningCode]
    /// Detections that nobody was told of, since they were of the machine's own voice.
    public var ownVoice = 0
  }

  /// From the capture of a frame's newest sample to the frame's write to a socket, in milliseconds.
  public struct Latency: Equatable, Sendable {
    /// Frames counted: one that went to several sockets as often.
    public var count: Int
    /// The median.
    public var p50: Double
    /// What one of a hundred exceeds.
    public var p99: Double
    /// What one of a thousand exceeds.
    public var p999: Double
    /// The longest.
    public var max: Double
  }

  /// Processing time of what is heard at a time, in microseconds: a step of a stream, a hop of a client.
  public struct StepTimes: Equatable, Sendable {
    /// The median.
    public var p50: Double
    /// What one of a hundred exceeds.
    public var p99: Double
    /// The longest.
    public var max: Double
  }

  /// Sixteen hexadecimal digits, drawn anew by each daemon process.
  public var run: String
  /// The daemon's name.
  public var program: String
  /// The daemon's version.
  public var version: String
  /// Seconds since the start.
  public var uptime: Double
  /// The model that listens.
  public var model: ModelDescription
  /// The daemon's streams, and `self` once it was used.
  public var streams: [Stream]
  /// Connections now.
  public var connections: Int
  /// Connections with a subscription now.
  public var subscribers: Int
  /// Attention frames dropped, over all connections.
  public var dropped: Int
  /// Events of unknown type.
  public var ignored: Int
  /// Over all streams.
  public var stepMicroseconds: StepTimes
  /// Bytes resident.
  public var memory: Int
  /// How long after its capture a frame may leave, in milliseconds.
  public var latencyBudget: Double
  /// The instruction set that the kernels are built for.
  public var kernels: String
  /// Open descriptors.
  public var descriptors: Int
  /// Threads of the process.
  public var threads: Int
}

extension DaemonStatus {
  func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("status-reply") { json in
      json.field("id", id)
      json.field("run", run)
      json.field("program", program)
      json.field("version", version)
      json.field("uptime", uptime)
      json.field("model", object: model.write)
      json.name("streams")
      json.array { json in
        for stream in streams { json.object { stream.write(to: &$0) } }
      }
      json.field("connections", connections)
      json.field("subscribers", subscribers)
      json.field("dropped", dropped)
      json.field("ignored", ignored)
      json.field("step_us") { json in
        json.field("p50", stepMicroseconds.p50)
        json.field("p99", stepMicroseconds.p99)
        json.field("max", stepMicroseconds.max)
      }
      json.field("memory", memory)
      json.field("latency_budget", latencyBudget)
      json.field("kernels", kernels)
      json.field("descriptors", descriptors)
      json.field("threads", threads)
    }
  }
}

extension DaemonStatus.Stream {
  fileprivate func write(to json: inout JSONWriter) {
    json.field("name", name)
    json.field("state", state.rawValue)
    json.field("epoch", epoch)
    json.field("sample", sample)
    json.field("index", index)
    json.nullable("lag", lag)
    json.field("level", level)
    json.field("detections", detections)
    json.field("discontinuities", discontinuities)
    json.field("lost_samples", lostSamples)
    json.field("reconnects", reconnects)
    json.field("reason", reason.rawValue)
    json.field("text", text)
    json.nullable("idle", idle)
    json.nullable("clipping", clipping)
    json.field("xruns", interruptions)
    if let latency {
      json.field("latency_ms") { json in
        json.field("count", latency.count)
        json.field("p50", latency.p50)
        json.field("p99", latency.p99)
        json.field("p999", latency.p999)
        json.field("max", latency.max)
      }
    } else {
      json.name("latency_ms")
      json.null()
    }
    json.field("subscribers", subscribers)
    json.field("warnings", warnings.map(\.rawValue))
    json.field("own_voice", ownVoice)
  }
}
