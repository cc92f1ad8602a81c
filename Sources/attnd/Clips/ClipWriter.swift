import AudioInput
import Logging
import ModelFile
import Synchronization

/// Notes and recent sound of a stream -> clips: sound and document, on a thread of its own.
///
/// A clip is written as soon as its last sample has been heard, or the stream has ended. What can't be
/// written (no room, no folder) is said once, and counted until it can be again; the stream never
/// learns of it. One thread calls `run`, or `writeNext` where time is made up.
package final class ClipWriter: @unchecked Sendable {
  // Unchecked: one thread writes; `hasEnded` is atomic, and what it shares with others is made for two.

  private let sound: RecentSound
  private let notes: ClipNotes
  private let sleep: Sleeper
  private let store: ClipStore
  private let stream: String
  private let models: ModelHistory
  /// Where the stream waits for room, if it does.
  private let room: Sleeper
  private let warn: @Sendable () -> Void
  private let logger: Logger
  private let hasEnded = Atomic(false)

  // The writing thread's own.
  private var fault: ClipError?
  private var missing = 0

  init(
    sound: RecentSound, notes: ClipNotes, sleep: Sleeper, store: ClipStore, stream: String,
    models: ModelHistory, room: Sleeper, warn: @escaping @Sendable () -> Void,
    logger: Logger
  ) {
    self.sound = sound
    self.notes = notes
    self.sleep = sleep
    self.store = store
    self.stream = stream
    self.models = models
    self.room = room
    self.warn = warn
    self.logger = logger
  }

  /// Writes clips until the stream has ended and all are written.
  package func run() {
    while true {
      // Asked first: after the end there is no more to come.
      let isLast = hasEnded.load(ordering: .sequentiallyConsistent)
      let seen = notes.count
      while writeNext() {}
      if isLast { break }
      let position = notes.oldest?.clipEnd ?? .max
      sleep.sleep(until: position) {
        hasEnded.load(ordering: .sequentiallyConsistent) || notes.count != seen
          || sound.position >= position
      }
    }
  }

  /// Any thread: says that nothing more will be heard.
  func finish() {
    hasEnded.store(true, ordering: .sequentiallyConsistent)
    sleep.wake()
  }

  /// Writes the oldest clip if it is complete.
  ///
  /// - Returns: Whether there was one to write.
  package func writeNext() -> Bool {
    let dropped = notes.takeDropped()
    if dropped > 0 {
      logger.warning(
        "clips: detections came faster than clips are written", metadata: ["lost": "\(dropped)"])
      for _ in 0..<dropped { warn() }
    }
    let isLast = hasEnded.load(ordering: .sequentiallyConsistent)
    guard let note = notes.oldest, isLast || sound.position >= note.clipEnd else { return false }
    let stretch = sound.stretch(from: note.clipStart, to: note.clipEnd)
    // From here on the stream may overwrite the sound and the note.
    let attention = notes.take()
    room.wake()
    do throws(ClipError) {
      guard let stretch else { throw .tooLate }
      let name = try write(note, attention, stretch)
      recover(name)
    } catch {
      complain(error)
    }
    return true
  }

  private func write(
    _ note: ClipNote, _ attention: ClipAttention, _ stretch: RecentSound.Stretch
  ) throws(ClipError) -> ClipName {
    let model = models[note.model]
    let recording: [UInt8]
    do throws(AudioInputError) {
      recording = try FLACFile.bytes(
        of: stretch.samples, sampleRate: model.sampleRate, name: "clip of \(stream)")
    } catch {
      throw .encoding(error)
    }
    return try store.keep(
      recording, milliseconds: ClipName.milliseconds(ofUnix: note.unix),
      keyword: model.keywords[note.keyword].name
    ) { name in
      ClipDocument(stream: stream, model: model).text(name, note, attention, stretch)
    }
  }

  /// One line for each new reason, however many clips it costs.
  private func complain(_ error: ClipError) {
    missing += 1
    warn()
    if let fault, fault.isAgain(error) { return }
    fault = error
    logger.warning("clips: not kept: \(error)", metadata: ["stream": "\(stream)"])
  }

  private func recover(_ name: ClipName) {
    logger.debug("clips: kept \(name.stem)", metadata: ["stream": "\(stream)"])
    guard fault != nil else { return }
    logger.info("clips: kept again", metadata: ["stream": "\(stream)", "missing": "\(missing)"])
    fault = nil
    missing = 0
  }
}
