import AttentionSocket
import AudioInput
import Logging
import ModelFile
import ServiceLifecycle

/// One stream of the daemon: a source, its pipeline, and the publisher of what comes of it.
///
/// Runs on a thread of its own; ends with its source or when the daemon is to stop.
final class StreamService: Service {
  private let source: any AudioSource
  private let model: ModelFile
  private let threshold: Float?
  private let publisher: FramePublisher
  private let clips: ClipKeeping?
  private let patience: ClipRecorder.Patience
  private let exchange: PipelineExchange
  private let role: VoiceRole
  private let logger: Logger
  private let timekeeper: any Timekeeper
  /// How the stream does.
  let pulse: StreamPulse

  init(
    source: any AudioSource, model: ModelFile, threshold: Float?, publisher: FramePublisher,
    clips: ClipKeeping? = nil, patience: ClipRecorder.Patience = .none, pulse: StreamPulse,
    exchange: PipelineExchange? = nil, role: VoiceRole = .none,
    timekeeper: any Timekeeper = SystemTime(), logger: Logger
  ) {
    self.pulse = pulse
    self.exchange = exchange ?? PipelineExchange(model)
    self.role = role
    self.source = source
    self.model = model
    self.threshold = threshold
    self.publisher = publisher
    self.timekeeper = timekeeper
    self.clips = clips
    self.patience = patience
    self.logger = logger
  }

  /// Runs the stream to its end.
  func run() async throws { _ = try await summary() }

  /// Runs the stream to its end and says what it came to.
  func summary() async throws -> StreamSummary {
    let recorder = clips?.recorder(
      of: source, models: exchange.models, publisher: publisher, role: role,
      patience: patience)
    // Before there is sound: a stream that began may end, and then waits for its clips.
    let writing = try recorder.map { recorder in
      try ProcessingThread(name: "attnd-clips") { recorder.writer.run() }
    }
    let outcome = await heard(by: recorder)
    recorder?.finish()
    try await writing?.value
    return try outcome.get()
  }

  private func heard(by recorder: ClipRecorder?) async -> Result<StreamSummary, any Error> {
    let source = recorder?.source ?? source
    do {
      let thread = try ProcessingThread(name: "attnd-stream") { [self] in
        try process(recorder)
      }
      return try await withTaskCancellationOrGracefulShutdownHandler {
        .success(try await thread.value)
      } onCancelOrGracefulShutdown: {
        source.cancel()
      }
    } catch {
      return .failure(error)
    }
  }

  /// The thread: hop after hop until the source ends.
  private func process(_ recorder: ClipRecorder?) throws -> StreamSummary {
    defer { pulse.end() }
    let stream = try ListeningStream(
      source: source, model: model, threshold: threshold, publisher: publisher, pulse: pulse,
      exchange: exchange, recorder: recorder, role: role, timekeeper: timekeeper)
    try stream.listen()
    let summary = stream.summary
    logger.info(
      "stream ended",
      metadata: [
        "frames": "\(summary.frames)", "detections": "\(summary.detections)",
        "seconds": "\(fixed(Double(stream.position) / Double(source.sampleRate), 2))",
      ])
    return summary
  }
}
