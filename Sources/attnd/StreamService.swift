import AttentionSocket
import AudioInput
import Glibc
import Logging
import ModelFile
import ServiceLifecycle
import StreamingAttention

/// What a stream came to, for the last line of a log or a summary.
package struct StreamSummary: Sendable {
  package var frames = 0
  package var detections = 0
  package var lostSamples = 0
}

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
  private let logger: Logger
  private let timekeeper: any Timekeeper
  /// How the stream does.
  let pulse: StreamPulse

  init(
    source: any AudioSource, model: ModelFile, threshold: Float?, publisher: FramePublisher,
    clips: ClipKeeping? = nil, patience: ClipRecorder.Patience = .none, pulse: StreamPulse,
    exchange: PipelineExchange? = nil,
    timekeeper: any Timekeeper = SystemTime(), logger: Logger
  ) {
    self.pulse = pulse
    self.exchange = exchange ?? PipelineExchange(model)
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
      of: source, models: exchange.models, publisher: publisher, patience: patience)
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
        try process(source, recorder)
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
  private func process(
    _ source: any AudioSource, _ recorder: ClipRecorder?
  ) throws -> StreamSummary {
    defer { pulse.end() }
    var pipeline = try Pipeline(model, threshold: threshold, timekeeper: timekeeper)
    var watch = try SignalWatch(sampleRate: model.sampleRate)
    var output = StreamOutput(model: model, publisher: publisher)
    // A device says itself when it is there.
    let isDevice = self.source is DeviceSource
    if !isDevice {
      publisher.state(
        .running, reason: .start, text: "listening to \(source.name)", epoch: 0, sample: 0)
    }
    do {
      var used = threadNanoseconds()
      while try pipeline.advance(
        reading: source,
        gap: { output.publish($0) },
        sound: { watch.push($0) { publisher.setWarning($0.code, holds: $1) } },
        frame: { frame, stream in
          output.publish(frame, stream)
          recorder?.hear(frame, stream)
        },
        detection: { output.publish($0) })
      {
        pulse.heard(pipeline.position)
        publisher.clips(share: watch.clippedShare)
        exchange.refit(&pipeline) { position, model, text in
          publisher.state(.running, reason: .reload, text: text, epoch: 0, sample: position)
          recorder?.model = model
        }
        publisher.changedThresholds { pipeline.setThreshold($1, of: $0) }
        let now = threadNanoseconds()
        publisher.stepTook(nanoseconds: now - used)
        used = now
      }
    } catch {
      publisher.state(
        .stopped, reason: .endOfFile, text: "\(error)", epoch: 0, sample: pipeline.position)
      throw error
    }
    publisher.state(
      .stopped, reason: isDevice ? .ok : .endOfFile,
      text: isDevice ? "attnd is stopping" : "\(source.name) has ended", epoch: 0,
      sample: pipeline.position)
    let summary = output.summary
    logger.info(
      "stream ended",
      metadata: [
        "frames": "\(summary.frames)", "detections": "\(summary.detections)",
        "seconds": "\(fixed(Double(pipeline.position) / Double(source.sampleRate), 2))",
      ])
    return summary
  }
}

extension LossReason {
  /// What subscribers are told.
  fileprivate var told: DiscontinuityReason {
    switch self {
    case .overrun: .overrun
    case .suspended: .suspend
    case .deviceLost: .deviceLost
    case .overload: .overload
    }
  }
}

extension SignalWatch.Trouble {
  /// What subscribers are told.
  fileprivate var code: WarningCode {
    switch self {
    case .silence: .silence
    case .clipping: .clipping
    case .offset: .dcOffset
    case .narrowBand: .narrowBand
    }
  }
}

/// Processor time of the calling thread: waiting for sound is not in it.
private func threadNanoseconds() -> UInt64 {
  var used = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used)
  return UInt64(used.tv_sec) * 1_000_000_000 + UInt64(used.tv_nsec)
}

/// From the pipeline's terms to the socket's: steps to seconds, and into the publisher's records.
///
/// Allocates nothing.
package struct StreamOutput {
  private let publisher: FramePublisher
  private let keywords: Int
  private let heads: Int
  private let window: Int
  private let focusOfEachKeyword: Bool
  private let stepSeconds: Float
  private let secondsPerSample: Double
  private var captured = Double.nan
  private var newest: Pipeline.Frame?
  package private(set) var summary = StreamSummary()

  package init(model: ModelFile, publisher: FramePublisher) {
    self.publisher = publisher
    let architecture = model.architecture
    keywords = architecture.keywords
    heads = architecture.headCount
    window = architecture.window
    focusOfEachKeyword = architecture.heads == .keyword
    secondsPerSample = 1 / Double(model.sampleRate)
    stepSeconds = Float(model.stepSeconds)
  }

  package mutating func publish(_ gap: Pipeline.Gap) {
    summary.lostSamples += gap.samples
    publisher.discontinuity(
      sample: gap.position - gap.samples, lostSamples: gap.samples, isExact: gap.reason.isExact,
      reason: gap.reason.told, isReset: gap.isForgotten)
  }

  package mutating func publish(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    note(frame)
    publish(frame, stream, isRepeated: false)
  }

  /// Takes in a frame that nobody wants to see.
  mutating func pass(_ frame: Pipeline.Frame) {
    note(frame)
    publisher.hasHeard(
      frame.position, index: frame.index, level: frame.level, began: frame.began)
  }

  /// Publishes the newest frame once more, for whoever asked for it.
  func show(_ stream: borrowing AttentionStream) {
    guard let newest else { return }
    publish(newest, stream, isRepeated: true)
  }

  private mutating func note(_ frame: Pipeline.Frame) {
    summary.frames += 1
    captured = frame.captured ?? .nan
    newest = frame
  }

  private func publish(
    _ frame: Pipeline.Frame, _ stream: borrowing AttentionStream, isRepeated: Bool
  ) {
    publisher.attention(isRepeated: isRepeated) { record in
      record.index = frame.index
      record.sample = frame.position
      record.captured = captured
      record.began = frame.began
      record.isBehind = frame.isBehind
      record.level = frame.level
      record.span = stream.span
      for i in 0..<keywords { record.posteriors[i] = stream.posterior(i) }
      for i in record.focuses.indices {
        let focus = stream.focus(head: i)
        record.focuses[i] = AttentionSocket.Focus(
          expected: focus.expected * stepSeconds, spread: focus.spread * stepSeconds,
          peak: focus.peak * stepSeconds)
      }
      if !record.weights.isEmpty {
        for head in 0..<heads {
          stream.withWeights(head: head) { row in
            for i in row.indices { record.weights[head * window + i] = row[i] }
          }
        }
      }
      if !record.spectrum.isEmpty {
        stream.withNewestRow { row in
          for i in row.indices { record.spectrum[i] = row[i] }
        }
      }
    }
  }

  package mutating func publish(_ detection: StreamingAttention.Detection) {
    summary.detections += 1
    publisher.detection(
      keyword: detection.keyword, score: detection.score, threshold: detection.threshold,
      sample: detection.position, startSample: detection.start, endSample: detection.end,
      captured: captured - Double(detection.position - detection.end) * secondsPerSample)
  }
}
