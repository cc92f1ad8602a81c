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
/// Used by one thread at a time. Allocates only in `init`.
public struct AttentionBatch: ~Copyable {
  /// The shared weights.
  public let parameters: Parameters
  /// Most streams at once.
  public let capacity: Int

  private let streams: UnsafeMutablePointer<AttentionStream>
  private var places: [Place]
  private var group: StreamGroup

  private struct Place {
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
    precondition(capacity > 0, "A batch has room for a stream")
    self.parameters = parameters
    self.capacity = capacity
    let streams = UnsafeMutablePointer<AttentionStream>.allocate(capacity: capacity)
    for place in 0..<capacity {
      do {
        (streams + place).initialize(
          to: try AttentionStream(
            parameters, detector: detector, sampleRate: sampleRate, hop: hop))
      } catch {
        streams.deinitialize(count: place)
        streams.deallocate()
        throw error
      }
    }
    self.streams = streams
    group = StreamGroup(capacity: capacity)
    places = Array(repeating: Place(), count: capacity)
  }

  deinit {
    streams.deinitialize(count: capacity)
    streams.deallocate()
  }

  /// Begins a new stream.
  ///
  /// - Returns: Its place, by which it is called until it leaves; nil when all places are taken.
  public mutating func join() -> Int? {
    guard let place = places.firstIndex(where: { !$0.isTaken }) else { return nil }
    places[place] = Place(isTaken: true)
    streams[place].reset()
    return place
  }

  /// Ends a stream; its place may be given to another.
  ///
  /// - Parameter place: What `join` returned.
  public mutating func leave(_ place: Int) {
    precondition(places[place].isTaken, "Only a stream that has joined leaves")
    places[place] = Place()
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

  /// Takes the steps that are due.
  public mutating func step() {
    group.removeAll()
    for place in places.indices {
      places[place].hasStepped = places[place].isDue
      if places[place].isDue { group.append(streams[place].state) }
      places[place].isDue = false
    }
    guard group.count > 0 else { return }
    parameters.network.intake.complete(group.streams)
    parameters.network.step(group)
    for place in places.indices where places[place].hasStepped { streams[place].finishStep() }
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
