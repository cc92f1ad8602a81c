import AttentionSocket
import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention
import Synchronization

/// What one client sends, on its way: bytes -> samples -> rows -> steps -> events.
///
/// Two threads meet here. The event loop gives audio (the methods of `AudioListener`); a client
/// thread takes it hop by hop (`hear`), together with the hops of other clients. Memory is taken on
/// the event loop, when a client comes and when an epoch begins.
package final class ClientStream: AudioListener, @unchecked Sendable {
  // Unchecked: `incoming` and `current` are the event loop's; beginnings are handed over through a
  // ring of two counters; everything under "client thread" is that thread's.

  /// An epoch's audio.
  private struct Beginning {
    let source: QueuedSource
    let epoch: Int
  }

  let publisher: FramePublisher
  private let thread: ClientThread
  private let model: ModelFile

  // The event loop's.
  private var incoming: QueuedSource?

  // Handed over.
  private let beginnings: UnsafeMutablePointer<Beginning?>
  private static let mostBeginnings = 4
  private let begun = Atomic(0)
  private let adopted = Atomic(0)
  private let wantsBeginning = Atomic(false)
  private let closed = Atomic(false)
  private let shown = Atomic(false)
  private let waitsForReader = Atomic(false)
  /// Whether the thread is to look at it.
  let isCalled = Atomic(false)

  // The client thread's.
  private var network: AttentionStream?
  private var rows: SoundRows
  private var gauge = StepGauge()
  private var output: StreamOutput
  private var current: Beginning?
  private var place = -1
  /// Whether a step is due, or was taken and not spoken of.
  private(set) var hasStepped = false
  /// Whether the thread looks at it in every turn.
  var isActive = false

  /// - Parameters:
  ///   - model: What to listen for.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - publisher: Where to say what is heard.
  ///   - thread: Where it is heard.
  ///   - timekeeper: What time it is.
  /// - Throws: What the parts find wrong with their numbers.
  package init(
    model: ModelFile, threshold: Float?, publisher: FramePublisher, thread: ClientThread,
    timekeeper: any Timekeeper = SystemTime()
  ) throws {
    let front = try model.frontEnd()
    rows = try SoundRows(
      front, mean: model.mean, scale: model.scale, reset: model.reset, timekeeper: timekeeper)
    network = try AttentionStream(
      model.parameters, detector: model.detector(threshold: threshold),
      sampleRate: front.sampleRate, hop: front.hop)
    output = StreamOutput(model: model, publisher: publisher)
    self.model = model
    self.publisher = publisher
    self.thread = thread
    beginnings = .allocate(capacity: Self.mostBeginnings)
    beginnings.initialize(repeating: nil, count: Self.mostBeginnings)
  }

  deinit {
    beginnings.deinitialize(count: Self.mostBeginnings)
    beginnings.deallocate()
  }

  // MARK: Event loop

  package func begin(_ format: AudioFormat, epoch: Int) -> Bool {
    let index = begun.load(ordering: .relaxed)
    guard hasRoomForBeginning(index) else { return false }
    do {
      let source = try QueuedSource(
        format: PCMFormat(
          encoding: Self.encodings[format.width - 1], rate: format.rate,
          channels: format.channels), sampleRate: model.sampleRate, most: rows.mostSamplesWanted,
        name: "a client's audio")
      incoming = source
      beginnings[index % Self.mostBeginnings] = Beginning(source: source, epoch: epoch)
    } catch {
      // The formats that come here are all within what a resampler takes.
      preconditionFailure("\(format): \(error)")
    }
    begun.store(index + 1, ordering: .releasing)
    thread.call(self)
    return true
  }

  private static let encodings: [SampleEncoding] = [.u8, .s16le, .s24le, .s32le]

  private func hasRoomForBeginning(_ index: Int) -> Bool {
    func hasRoom() -> Bool {
      index - adopted.load(ordering: .sequentiallyConsistent) < Self.mostBeginnings
    }
    if hasRoom() { return true }
    wantsBeginning.store(true, ordering: .sequentiallyConsistent)
    return hasRoom()
  }

  package func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard let incoming else { return bytes.count }
    defer { thread.call(self) }
    return incoming.write(bytes)
  }

  package func end() -> Bool {
    incoming?.finish()
    thread.call(self)
    return true
  }

  package func show() {
    shown.store(true, ordering: .relaxed)
    thread.call(self)
  }

  package func publicationsRead() {
    if waitsForReader.exchange(false, ordering: .sequentiallyConsistent) { thread.call(self) }
  }

  package func close() {
    closed.store(true, ordering: .releasing)
    thread.call(self)
  }

  // MARK: Client thread

  /// What came of all that was heard.
  package var summary: StreamSummary { output.summary }

  /// Whether the client has gone.
  var isClosed: Bool { closed.load(ordering: .acquiring) }

  /// Joins a batch, to step together with others, if it hasn't yet.
  func join(_ batch: inout AttentionBatch) {
    if let stream = network.take() { place = batch.join(stream) }
  }

  /// Leaves the batch.
  ///
  /// - Returns: Whether it hadn't before.
  func leave(_ batch: inout AttentionBatch) -> Bool {
    guard place >= 0 || network != nil else { return false }
    if place >= 0 { network = batch.remove(place) }
    network = nil
    place = -1
    return true
  }

  /// Hears a hop, if there is one and room to say what comes of it.
  ///
  /// - Parameters:
  ///   - batch: Given the row; a step may be due then.
  ///   - step: Called when a row needs the step before it taken first.
  /// - Returns: Whether there was anything to do.
  /// - Throws: What the resampler says.
  func hear(_ batch: inout AttentionBatch, step: (inout AttentionBatch) -> Void) throws -> Bool {
    let place = place
    publisher.changedThresholds { batch.setThreshold($1, of: $0, at: place) }
    if shown.exchange(false, ordering: .relaxed) { showNewest(batch) }
    guard hasRoomToSpeak else { return false }
    if current == nil || !(current?.source.isFinished == true), let next = nextBeginning() {
      begin(next, &batch)
      return true
    }
    guard let source = current?.source, try source.prepare(rows.samplesWanted) else { return false }
    let hasMore = try rows.read(source) { row, origin in
      takeDueStep(&batch, step)
      gauge.take(origin)
      if origin.followsSilence { batch.forget(place) }
      hasStepped = batch.push(row, position: origin.position, to: place)
    }
    if source.tookRoom() { publisher.ringForRoom() }
    if !hasMore {
      takeDueStep(&batch, step)
      current = nil
      publisher.ended()
    }
    return true
  }

  /// Takes a step that is due before its turn, and says what came of it.
  private func takeDueStep(
    _ batch: inout AttentionBatch, _ step: (inout AttentionBatch) -> Void
  ) {
    guard hasStepped else { return }
    step(&batch)
    speak(batch)
  }

  /// Takes the audio under way for heard: nothing comes of the rest.
  func giveUp() {
    current = nil
    publisher.ended()
  }

  private var hasRoomToSpeak: Bool {
    if publisher.hasRoom { return true }
    waitsForReader.store(true, ordering: .sequentiallyConsistent)
    // The reader may have been there in between.
    return publisher.hasRoom
  }

  private func nextBeginning() -> Beginning? {
    let index = adopted.load(ordering: .relaxed)
    guard index < begun.load(ordering: .acquiring) else { return nil }
    let next = beginnings[index % Self.mostBeginnings].take()
    adopted.store(index + 1, ordering: .sequentiallyConsistent)
    if wantsBeginning.exchange(false, ordering: .sequentiallyConsistent) {
      publisher.ringForRoom()
    }
    return next
  }

  private func begin(_ next: Beginning, _ batch: inout AttentionBatch) {
    current = next
    rows.reset()
    gauge = StepGauge()
    hasStepped = false
    batch.reset(place)
    publisher.hasHeard(0)
    publisher.state(
      .running, reason: .ok, text: "listening to what this connection sends", epoch: next.epoch,
      sample: 0)
  }

  /// Says what came of a step that was due.
  ///
  /// - Parameter batch: Has taken the step.
  func speak(_ batch: borrowing AttentionBatch) {
    guard hasStepped else { return }
    hasStepped = false
    batch.withStream(place) { stream in
      let frame = gauge.frame(of: stream)
      if publisher.wantsFrames {
        output.publish(frame, stream)
      } else {
        output.pass(frame)
      }
      stream.forEachDetection { output.publish($0) }
    }
  }

  private func showNewest(_ batch: borrowing AttentionBatch) {
    batch.withStream(place) { stream in
      if stream.steps > 0 { output.show(stream) } else { publisher.noFrame() }
    }
  }
}
