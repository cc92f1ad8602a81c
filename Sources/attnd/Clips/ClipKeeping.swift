import AttentionSocket
import AudioInput
import Logging
import ModelFile

/// How a daemon keeps clips: one folder for all its streams.
struct ClipKeeping: Sendable {
  private let settings: ClipSettings
  private let store: ClipStore
  private let timekeeper: any Timekeeper
  private let logger: Logger

  /// Makes the folder.
  ///
  /// A daemon hears without it, too: that it can't be made is said, and no error.
  init(_ settings: ClipSettings, timekeeper: any Timekeeper = SystemTime(), logger: Logger) {
    self.settings = settings
    self.timekeeper = timekeeper
    self.logger = logger
    let folder = DiskFolder(settings.folder)
    store = ClipStore(
      folder: folder, mostClips: settings.mostClips, mostBytes: settings.mostBytes)
    do {
      try folder.make()
      logger.info("clips: kept in \(settings.folder)")
    } catch {
      logger.warning("clips: can't be kept for now: \(error)")
    }
  }

  /// What records a stream.
  func recorder(
    of source: any AudioSource, models: ModelHistory, publisher: FramePublisher,
    role: VoiceRole, patience: ClipRecorder.Patience
  ) -> ClipRecorder {
    ClipRecorder(
      source, stream: publisher.stream.name, models: models, settings: settings, store: store,
      patience: patience, clock: { [timekeeper] in timekeeper.unix },
      isSuppressed: {
        publisher.isInhibited($0, at: $1.position) || role.silences($0, at: $1.began)
      }, warn: { publisher.warn(.noSpace) },
      logger: logger)
  }
}
