import FeatureExtraction
import ModelFile
import StreamingAttention

/// What becomes of a file's steps.
///
/// Told of everything in the order of the stream.
package protocol FileObserver {
  /// The network is about to take a row.
  mutating func row(_ row: Span<Float>, _ origin: SoundRows.Origin)

  /// The network has taken a step.
  mutating func step(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream)

  /// A keyword was detected at the step.
  mutating func detection(_ detection: Detection)

  /// Bytes that it has gathered: beyond some, and before each block of rows is read, it is asked to
  /// hand them on.
  var gathered: Int { get }

  /// Hands on what it has gathered.
  ///
  /// - Returns: Whether the file may go on; if not, it is asked again later.
  mutating func relieve() throws -> Bool
}

/// Files that one thread listens to side by side, so that their steps are taken together.
///
/// Files join and leave at any step, each with the bits that it would have alone. Memory follows
/// from the model, the capacity and what the observers gather: each file holds one block of rows.
package final class FileGroup<Observer: FileObserver> {
  /// Bytes from which an observer is relieved between two steps.
  private static var largestGathering: Int { 1 << 16 }

  private let makeSource: () throws -> any RowSource
  private var batch: AttentionBatch
  private var places: [Place<Observer>?]
  /// Files that have joined and not ended.
  package private(set) var count = 0

  /// - Parameters:
  ///   - model: What to listen for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - capacity: Most files at once.
  ///   - makeSource: Makes what reads files; called when a place is first used.
  /// - Throws: What the model's detector and the threshold have wrong with them.
  package init(
    _ model: ModelFile, threshold: Float?, capacity: Int,
    makeSource: @escaping () throws -> any RowSource
  ) throws {
    batch = try AttentionBatch(
      model.parameters, detector: model.detector(threshold: threshold),
      sampleRate: model.sampleRate, hop: model.input.hop, capacity: capacity)
    places = Array(repeating: nil, count: capacity)
    self.makeSource = makeSource
  }

  /// Whether another file may join.
  package var hasRoom: Bool { count < batch.capacity }

  /// Takes in a file.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - observer: Told what comes of it.
  /// - Throws: What the file's beginning has wrong with it; then it hasn't joined.
  package func join(_ path: String, _ observer: Observer) throws {
    guard let index = batch.join() else { preconditionFailure("A file joins where there is room") }
    do {
      let place = try places[index] ?? Place(makeSource())
      places[index] = place
      try place.begin(path, observer)
    } catch {
      batch.leave(index)
      throw error
    }
    count += 1
  }

  /// Takes a step of every file that may go on.
  ///
  /// - Parameter ended: Told of each file that has ended: its observer, its length in seconds, and
  ///   what ended it if that was not its end.
  /// - Returns: Whether anything was done; false when all files wait for their observers.
  /// - Throws: What an observer or `ended` throws.
  package func advance(
    ended: (consuming Observer, Double, (any Error)?) throws -> Void
  ) throws -> Bool {
    var isMoving = false
    for (index, place) in places.enumerated() {
      guard let place, place.observer != nil else { continue }
      switch try feed(place, index) {
      case .isDue: isMoving = true
      case .waits: break
      case .hasEnded:
        isMoving = true
        batch.leave(index)
        count -= 1
        if let observer = place.end() { try ended(observer, place.source.seconds, place.failure) }
      }
    }
    batch.step()
    for (index, place) in places.enumerated() where batch.hasStepped(index) {
      guard let place else { continue }
      batch.withStream(index) { stream in
        place.observer?.step(place.gauge.frame(of: stream), stream)
        stream.forEachDetection { place.observer?.detection($0) }
      }
    }
    return isMoving
  }

  private enum Feeding {
    case isDue, waits, hasEnded
  }

  /// Gives a file's stream rows until a step of it is due.
  private func feed(_ place: Place<Observer>, _ index: Int) throws -> Feeding {
    if place.observer?.gathered ?? 0 > Self.largestGathering {
      guard try place.observer?.relieve() == true else { return .waits }
    }
    while true {
      while let next = place.queue.next() {
        place.gauge.take(next.origin)
        if next.origin.followsSilence { batch.forget(index) }
        let isDue = place.queue.withElements(next.row) { row in
          place.observer?.row(row, next.origin)
          return batch.push(row, position: next.origin.position, to: index)
        }
        if isDue { return .isDue }
      }
      if place.hasRead { return .hasEnded }
      guard try place.observer?.relieve() == true else { return .waits }
      place.read()
    }
  }
}

/// One file of a group, and after it another.
private final class Place<Observer> {
  let source: any RowSource
  var queue = RowQueue()
  var gauge = StepGauge()
  /// Nil where there is no file.
  var observer: Observer?
  /// Whether no row will follow those in the queue.
  private(set) var hasRead = false
  /// Why, if that was not the file's end.
  private(set) var failure: (any Error)?

  init(_ source: any RowSource) { self.source = source }

  func begin(_ path: String, _ observer: Observer) throws {
    try source.open(path)
    queue.clear()
    gauge = StepGauge()
    hasRead = false
    failure = nil
    self.observer = observer
  }

  /// Reads the next block into the queue, which is empty.
  func read() {
    queue.clear()
    do {
      hasRead = try !source.read { queue.append($0, $1) }
    } catch {
      failure = error
      hasRead = true
    }
  }

  func end() -> Observer? {
    source.close()
    defer { observer = nil }
    return observer
  }
}

/// Rows that have been read and not yet taken.
private struct RowQueue {
  private var values: [Float] = []
  private var origins: [SoundRows.Origin] = []
  private var taken = 0

  mutating func append(_ row: Span<Float>, _ origin: SoundRows.Origin) {
    row.withUnsafeBufferPointer { values.append(contentsOf: $0) }
    origins.append(origin)
  }

  /// Takes the oldest row.
  ///
  /// - Returns: Where its elements lie; nil when there is none.
  mutating func next() -> (row: Range<Int>, origin: SoundRows.Origin)? {
    guard taken < origins.count else { return nil }
    let length = values.count / origins.count
    defer { taken += 1 }
    return (taken * length..<(taken + 1) * length, origins[taken])
  }

  /// Lends elements.
  func withElements<Result>(_ range: Range<Int>, _ body: (Span<Float>) -> Result) -> Result {
    values.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range]).span) }
  }

  mutating func clear() {
    values.removeAll(keepingCapacity: true)
    origins.removeAll(keepingCapacity: true)
    taken = 0
  }
}
