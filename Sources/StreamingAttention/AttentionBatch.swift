/// Streams that share weights and step together, each with the bits that it would have alone.
///
/// Streams join and leave at any step. A step of many streams reads the weights once, where each by
/// itself would read them again:
///
///     let place = batch.join()
///     batch.push(row, position: p, to: place)      // for each stream that has a row
///     batch.step()                                 // all that are due, at once
///     batch.withStream(place) { stream in ... }    // posteriors, detections, weights
///
/// A stream may also be made elsewhere, where memory may be taken, and handed over and back:
///
///     let place = batch.join(try AttentionStream(...))
///     let stream = batch.remove(place)
///
/// Used by one thread at a time. Allocates only in `init`.
public struct AttentionBatch: ~Copyable {
  /// The shared weights.
  public let parameters: Parameters
  /// Most streams at once.
  public let capacity: Int

  private let streams: UnsafeMutablePointer<AttentionStream>
  private var places: [Place]
  private var group: StreamGroup
  /// Streams of which a step is due, and those that took one at the newest call of `step`.
  private var due: [Int] = []
  private var stepped: [Int] = []

  private struct Place {
    /// There is a stream: one that has joined, or one that waits to.
    var holdsStream = false
    var isTaken = false
    /// A row has completed a step that has not been taken.
    var isDue = false
    /// The newest call of `step` took a step of this stream.
    var hasStepped = false
  }

  /// Takes memory for as many streams as there may be at once.
  ///
  /// - Parameters:
  ///   - parameters: The weights.
  ///   - detector: When a posterior becomes a detection; a threshold for each keyword.
  ///   - sampleRate: Samples a second, for the detector's times.
  ///   - hop: Samples between two rows.
  ///   - capacity: Most streams at once, 1 or more.
  /// - Throws: `DetectorSettingsError` when the settings cannot be.
  public init(
    _ parameters: Parameters, detector: DetectorSettings, sampleRate: Int, hop: Int, capacity: Int
  ) throws(DetectorSettingsError) {
    self.init(parameters, capacity: capacity)
    for place in 0..<capacity {
      (streams + place).initialize(
        to: try AttentionStream(parameters, detector: detector, sampleRate: sampleRate, hop: hop))
      places[place].holdsStream = true
    }
  }

  /// Takes memory for the places alone: streams come by `join(_:)`.
  ///
  /// - Parameters:
  ///   - parameters: The weights.
  ///   - capacity: Most streams at once, 1 or more.
  public init(_ parameters: Parameters, capacity: Int) {
    precondition(capacity > 0, "A batch has room for a stream")
    self.parameters = parameters
    self.capacity = capacity
    streams = .allocate(capacity: capacity)
    group = StreamGroup(capacity: capacity)
    places = Array(repeating: Place(), count: capacity)
    due.reserveCapacity(capacity)
    stepped.reserveCapacity(capacity)
  }

  deinit {
    for place in places.indices where places[place].holdsStream {
      (streams + place).deinitialize(count: 1)
    }
    streams.deallocate()
  }

  /// Begins a new stream.
  ///
  /// - Returns: Its place, by which it is called until it leaves; nil when all places are taken.
  public mutating func join() -> Int? {
    guard let place = places.firstIndex(where: { $0.holdsStream && !$0.isTaken }) else {
      return nil
    }
    places[place] = Place(holdsStream: true, isTaken: true)
    streams[place].reset()
    return place
  }

  /// Streams that can still be handed over.
  public var emptyPlaces: Int { places.count { !$0.holdsStream } }

  /// Takes a stream in, as it is.
  ///
  /// - Parameter stream: One of the same weights; there is an empty place for it.
  /// - Returns: Its place, by which it is called until it is removed.
  public mutating func join(_ stream: consuming AttentionStream) -> Int {
    precondition(stream.parameters === parameters, "The streams of a batch share their weights")
    guard let place = places.firstIndex(where: { !$0.holdsStream }) else {
      preconditionFailure("A batch of \(capacity) is full")
    }
    (streams + place).initialize(to: stream)
    places[place] = Place(holdsStream: true, isTaken: true)
    return place
  }

  /// Hands a stream back, as it is; its place is empty.
  ///
  /// - Parameter place: What `join` returned.
  /// - Returns: The stream.
  public mutating func remove(_ place: Int) -> AttentionStream {
    precondition(places[place].isTaken, "Only a stream that has joined can be removed")
    cancelStep(of: place)
    places[place] = Place()
    return (streams + place).move()
  }

  /// Ends a stream; its place may be given to another.
  ///
  /// - Parameter place: What `join` returned.
  public mutating func leave(_ place: Int) {
    precondition(places[place].isTaken, "Only a stream that has joined leaves")
    cancelStep(of: place)
    places[place] = Place(holdsStream: true)
  }

  /// Gives a stream its next row.
  ///
  /// - Parameters:
  ///   - row: `bins` floats.
  ///   - position: Position just after the last sample that the row has seen.
  ///   - place: The stream.
  /// - Returns: Whether the row completed a step, which `step` then takes. Until it has, the stream
  ///   takes no further row.
  @discardableResult
  public mutating func push(_ row: Span<Float>, position: Int, to place: Int) -> Bool {
    precondition(places[place].isTaken, "Only a stream that has joined takes rows")
    precondition(!places[place].isDue, "A stream steps before it takes another row")
    places[place].isDue = streams[place].accept(row, position: position)
    if places[place].isDue { due.append(place) }
    return places[place].isDue
  }

  /// Forgets what a stream has heard, as `AttentionStream.forget` does.
  ///
  /// - Parameter place: The stream, of which no step is due.
  public mutating func forget(_ place: Int) {
    precondition(places[place].isTaken, "Only a stream that has joined forgets")
    precondition(!places[place].isDue, "A stream steps before it forgets")
    streams[place].forget()
  }

  /// Begins a stream anew, as `AttentionStream.reset` does; a step that is due is not taken.
  ///
  /// - Parameter place: The stream.
  public mutating func reset(_ place: Int) {
    precondition(places[place].isTaken, "Only a stream that has joined begins anew")
    cancelStep(of: place)
    places[place] = Place(holdsStream: true, isTaken: true)
    streams[place].reset()
  }

  /// Changes from which smoothed posterior on a stream detects a keyword.
  ///
  /// - Parameters:
  ///   - threshold: Within `DetectorSettings.thresholdRange`.
  ///   - keyword: Index of the keyword.
  ///   - place: The stream.
  public mutating func setThreshold(_ threshold: Float, of keyword: Int, at place: Int) {
    precondition(places[place].isTaken, "Only a stream that has joined has thresholds")
    streams[place].setThreshold(threshold, of: keyword)
  }

  /// Takes the steps that are due.
  public mutating func step() {
    for place in stepped { places[place].hasStepped = false }
    swap(&stepped, &due)
    due.removeAll(keepingCapacity: true)
    group.removeAll()
    for place in stepped {
      places[place].hasStepped = true
      places[place].isDue = false
      group.append(streams[place].state)
    }
    guard group.count > 0 else { return }
    parameters.network.intake.complete(group.streams)
    parameters.network.step(group)
    for place in stepped { streams[place].finishStep() }
  }

  /// A stream that goes or begins anew takes no step.
  private mutating func cancelStep(of place: Int) {
    guard places[place].isDue else { return }
    due.removeAll { $0 == place }
  }

  /// Whether the newest call of `step` took a step of a stream.
  ///
  /// - Parameter place: The stream.
  /// - Returns: False also for a place that is free.
  public func hasStepped(_ place: Int) -> Bool { places[place].hasStepped }

  /// Lends a stream to be read.
  ///
  /// - Parameters:
  ///   - place: The stream.
  ///   - body: Given the stream.
  /// - Returns: What `body` returns.
  public func withStream<Result>(
    _ place: Int, _ body: (borrowing AttentionStream) -> Result
  ) -> Result {
    precondition(places[place].isTaken, "Only a stream that has joined can be read")
    return body(streams[place])
  }
}
