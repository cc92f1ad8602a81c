import JSONText
import NIOCore

/// A detection's name for ever: the daemon process that made it, and its number there.
public struct DetectionNumber: Equatable, Sendable {
  /// `Hello.run` of the daemon.
  public var run: String
  /// `Detection.seq`; 0 stands before the first.
  public var seq: Int

  /// The detection `seq` of the daemon process `run`.
  public init(run: String, seq: Int) {
    self.run = run
    self.seq = seq
  }
}

/// What a client asks for; nil leaves it to the daemon's default.
public struct SubscriptionRequest: Equatable, Sendable {
  /// Kinds of event; nil for all but attention.
  public var events: [SubscribableEvent]?
  /// Names; nil for all of the daemon's.
  public var streams: [String]?
  /// Attention frames whose index is a multiple of this.
  public var every: Int
  /// How attention weights travel.
  public var weights: BulkForm
  /// How feature rows travel.
  public var spectrum: BulkForm
  /// Replays detections after the one with this number.
  public var since: DetectionNumber?

  /// A request.
  ///
  /// - Parameters:
  ///   - events: Kinds of event; nil for all but attention.
  ///   - streams: Names; nil for all of the daemon's.
  ///   - every: Attention frames whose index is a multiple of this.
  ///   - weights: How attention weights travel.
  ///   - spectrum: How feature rows travel.
  ///   - since: A detection that is known: those after it come first.
  public init(
    events: [SubscribableEvent]? = nil, streams: [String]? = nil, every: Int = 1,
    weights: BulkForm = .none, spectrum: BulkForm = .none, since: DetectionNumber? = nil
  ) {
    self.events = events
    self.streams = streams
    self.every = every
    self.weights = weights
    self.spectrum = spectrum
    self.since = since
  }

  /// The whole request.
  package func encoded(id: RequestID?) -> ByteBuffer {
    EventEncoder.encode("subscribe") { json in
      json.field("id", id)
      write(to: &json)
    }
  }

  func write(to json: inout JSONWriter) {
    if let events { json.field("events", events.map(\.rawValue)) }
    if let streams { json.field("streams", streams) }
    json.field("every", every)
    json.field("weights", weights.rawValue)
    json.field("spectrum", spectrum.rawValue)
    if let since {
      json.name("since")
      json.object { json in
        json.field("run", since.run)
        json.field("seq", since.seq)
      }
    }
  }
}
