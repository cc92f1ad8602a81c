import AttentionSocket
import AudioInput
import ModelFile
import StreamingAttention

/// What a stream came to, for the last line of a log or a summary.
package struct StreamSummary: Sendable {
  package var frames = 0
  package var detections = 0
  package var lostSamples = 0
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
