import AudioInput
import Logging
import ModelFile
import StreamingAttention
import Synchronization

/// Keeps the sound around the detections of one stream: what the stream's own threads see of it.
///
/// In: the stream's samples, through `source`; every frame, through `hear`. Out: notes for `ClipWriter`,
/// which has a thread of its own. Owns the stream's recent sound and the notes. All but `cancel` is
/// called by the thread that hears the stream, which allocates nothing here, takes no lock and, unless
/// it is told to, waits for nobody.
package final class ClipRecorder: @unchecked Sendable {
  // Unchecked: one thread hears; what the writer's thread sees is made for two.

  /// Whether the stream can stand still.
  package enum Patience: Sendable {
    /// It is heard while it happens: a detection may be left without a clip.
    case none
    /// It comes from a file: it waits for the writer when it is too fast for it.
    case waits
  }

  /// Whether nobody is told of a keyword, by the step that decided.
  package typealias Suppression = @Sendable (_ keyword: Int, _ frame: Pipeline.Frame) -> Bool

  /// What the stream is to be read from in place of its source.
  package var source: any AudioSource { tap }
  /// What runs on a thread of its own until `finish` has been called and all is written.
  package let writer: ClipWriter

  /// Number of the model that the stream listens with.
  package var model = 0

  private let tap: ClipTap
  private let sound: RecentSound
  private let notes: ClipNotes
  private let writerSleep: Sleeper
  private let clock: @Sendable () -> Double
  private let isSuppressed: Suppression
  private let samplesBefore: Int
  private let samplesAfter: Int
  /// Positions of the window's steps; slot = step mod window.
  private let stepPositions: UnsafeMutableBufferPointer<Int>
  private var steps = 0

  /// Seconds by which the writer may be late before what it needs is overwritten.
  private static let lateness = 5.0
  /// Notes that wait at most, and one for each keyword: those of clips that end a minute from now.
  private static let noteCapacity = 32

  /// - Parameters:
  ///   - source: What the stream is made of.
  ///   - stream: Its name.
  ///   - models: What is listened with, and was.
  ///   - settings: How long clips are.
  ///   - store: Where they are kept.
  ///   - patience: Whether the stream can stand still.
  ///   - clock: Tells Unix seconds, for streams without capture time; called on both threads.
  ///   - isSuppressed: Whether nobody is told of a keyword now: what isn't told isn't recorded.
  ///   - warn: Told by the writer of every detection that has no clip.
  ///   - logger: Told when clips can't be kept any more, and when they can again.
  package init(
    _ source: any AudioSource, stream: String, models: ModelHistory, settings: ClipSettings,
    store: ClipStore, patience: Patience, clock: @escaping @Sendable () -> Double,
    isSuppressed: @escaping Suppression = { _, _ in false },
    warn: @escaping @Sendable () -> Void = {}, logger: Logger
  ) {
    // In what is asked of it here all of them are alike.
    let model = models[0]
    let rate = Double(model.sampleRate)
    samplesBefore = Int((settings.before * rate).rounded())
    samplesAfter = Int((settings.after * rate).rounded())
    let window = model.architecture.window
    let keywords = model.keywords.count
    sound = RecentSound(
      capacity: samplesBefore + samplesAfter + max(1 << 16, Int(Self.lateness * rate)))
    notes = ClipNotes(
      capacity: Self.noteCapacity + keywords, keywords: keywords, window: window)
    writerSleep = Sleeper()
    self.clock = clock
    self.isSuppressed = isSuppressed
    stepPositions = .allocate(capacity: min(window, ClipNotes.mostSteps))
    stepPositions.initialize(repeating: 0)
    tap = ClipTap(
      source, sound: sound, notes: notes, writerSleep: writerSleep, patience: patience,
      notesAtOnce: keywords)
    writer = ClipWriter(
      sound: sound, notes: notes, sleep: writerSleep, store: store,
      stream: stream, models: models,
      room: tap.sleep, warn: warn, logger: logger)
  }

  deinit { stepPositions.deallocate() }

  /// Takes in a step of the network: notes down what it detected.
  package func hear(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    stepPositions[steps % stepPositions.count] = frame.position
    steps += 1
    stream.forEachDetection { detection in
      guard !isSuppressed(detection.keyword, frame) else { return }
      note(detection, frame, stream)
    }
  }

  private func note(
    _ detection: StreamingAttention.Detection, _ frame: Pipeline.Frame,
    _ stream: borrowing AttentionStream
  ) {
    var note = ClipNote()
    note.keyword = detection.keyword
    note.model = model
    note.score = detection.score
    note.threshold = detection.threshold
    note.position = detection.position
    note.wordStart = detection.start
    note.wordEnd = detection.end
    note.isCaptureTime = frame.captured != nil
    note.unix = frame.captured ?? clock()
    note.clipStart = max(0, detection.position - samplesBefore)
    note.clipEnd = detection.position + samplesAfter
    stream.withWeights(head: stream.head(of: detection.keyword)) { weights in
      notes.add(
        note, score: { stream.smoothedPosterior($0) },
        position: { ago in stepPositions[(steps - 1 - ago) % stepPositions.count] },
        attention: weights)
    }
    writerSleep.wake()
  }

  /// Says that the stream has ended; what was heard is still written.
  package func finish() { writer.finish() }
}

/// A source that remembers what passed by.
///
/// The samples are the same, and come when they come; only a stream that can stand still waits, here,
/// before it would overwrite what a clip is to be made of.
final class ClipTap: AudioSource {
  /// Where the stream waits for the writer.
  let sleep = Sleeper()
  private let source: any AudioSource
  private let sound: RecentSound
  private let notes: ClipNotes
  private let writerSleep: Sleeper
  private let patience: ClipRecorder.Patience
  private let notesAtOnce: Int
  private let isCancelled = Atomic(false)

  init(
    _ source: any AudioSource, sound: RecentSound, notes: ClipNotes, writerSleep: Sleeper,
    patience: ClipRecorder.Patience, notesAtOnce: Int
  ) {
    self.source = source
    self.sound = sound
    self.notes = notes
    self.writerSleep = writerSleep
    self.patience = patience
    self.notesAtOnce = notesAtOnce
  }

  var sampleRate: Int { source.sampleRate }

  var name: String { source.name }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    if patience == .waits { waitForRoom(buffer.count) }
    let block = try source.read(into: buffer)
    sound.append(
      UnsafeBufferPointer(rebasing: buffer[..<block.count]), lostBefore: block.lostSamples)
    writerSleep.wake(at: sound.position)
    return block
  }

  func cancel() {
    source.cancel()
    isCancelled.store(true, ordering: .sequentiallyConsistent)
    sleep.wake()
  }

  private func waitForRoom(_ count: Int) {
    while isTooFast(for: count) {
      sleep.sleep(unless: { !isTooFast(for: count) })
    }
  }

  /// Whether the next block would cost a clip, and the writer can do something about it: one that
  /// still waits for its end can't be written before more is heard.
  private func isTooFast(for count: Int) -> Bool {
    guard let note = notes.oldestWaiting, note.clipEnd <= sound.position,
      !isCancelled.load(ordering: .sequentiallyConsistent)
    else { return false }
    return notes.freeSlots < notesAtOnce || !sound.hasRoom(for: count, keeping: note.clipStart)
  }
}
