import AttentionSocket
import AudioInput
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
  private let logger: Logger

  init(
    source: any AudioSource, model: ModelFile, threshold: Float?, publisher: FramePublisher,
    logger: Logger
  ) {
    self.source = source
    self.model = model
    self.threshold = threshold
    self.publisher = publisher
    self.logger = logger
  }

  /// Runs the stream to its end.
  func run() async throws { _ = try await summary() }

  /// Runs the stream to its end and says what it came to.
  func summary() async throws -> StreamSummary {
    let thread = try ProcessingThread(name: "attnd-stream") { [self] in try process() }
    return try await withTaskCancellationOrGracefulShutdownHandler {
      try await thread.value
    } onCancelOrGracefulShutdown: { [source] in
      source.cancel()
    }
  }

  /// The thread: hop after hop until the source ends.
  private func process() throws -> StreamSummary {
    var pipeline = try Pipeline(model, threshold: threshold)
    var output = StreamOutput(model: model, publisher: publisher)
    publisher.state(
      .running, reason: .start, text: "listening to \(source.name)", epoch: 0, sample: 0)
    do {
      while try pipeline.advance(
        reading: source,
        gap: { output.publish($0) },
        frame: { frame, stream in output.publish(frame, stream) },
        detection: { output.publish($0) })
      {}
    } catch {
      publisher.state(
        .stopped, reason: .deviceLost, text: "\(error)", epoch: 0, sample: pipeline.position)
      throw error
    }
    publisher.state(
      .stopped, reason: .endOfFile, text: "\(source.name) has ended", epoch: 0,
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
  private var position = 0
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
      sample: gap.position - gap.samples, lostSamples: gap.samples, isExact: false,
      reason: .overrun, isReset: gap.isForgotten)
  }

  package mutating func publish(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    summary.frames += 1
    captured = frame.captured ?? .nan
    position = frame.position
    publisher.attention { record in
      record.index = frame.index
      record.sample = frame.position
      record.captured = captured
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
