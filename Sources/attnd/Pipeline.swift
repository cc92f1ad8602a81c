import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention

/// One stream of sound on its way: samples -> rows -> steps of the network -> frames, detections.
///
/// Start reading here. A hop of samples is read, the front end makes rows of it, the network
/// takes the rows, and what comes of it is handed to whoever called: the daemon publishes it, the
/// batch command prints it. Used by one thread; after `init` it allocates nothing.
package struct Pipeline: ~Copyable {
  /// What a step of the network has to say, with positions in samples of the stream.
  package struct Frame {
    /// Number of the step.
    package let index: Int
    /// Position just after the last sample that the step has seen.
    package let position: Int
    /// When that sample was captured, Unix seconds; nil for files and pipes.
    package let captured: Double?
    /// Level of the samples since the frame before, dBFS.
    package let level: Float
  }

  /// A hole in the sound: so many samples before `position` are missing.
  package struct Gap {
    package let position: Int
    package let samples: Int
  }

  private var extractor: FeatureExtractor
  private var stream: AttentionStream
  private var level = LevelMeter()
  private let buffer: UnsafeMutableBufferPointer<Float>
  /// Samples that never arrived: what lies between the front end's count and the stream's.
  private var lost = 0

  /// - Parameters:
  ///   - model: What to listen for, and every number of it.
  ///   - threshold: In place of every keyword's own; nil for those.
  /// - Throws: What the parts find wrong with their numbers.
  package init(_ model: ModelFile, threshold: Float? = nil) throws {
    let front = model.frontEnd
    var detector = model.detector
    if let threshold {
      detector.thresholds = detector.thresholds.map { _ in threshold }
    }
    // Both before either is stored: a throwing init may not leave half of it.
    let extractor = try FeatureExtractor(front, mean: model.mean, scale: model.scale)
    let stream = try AttentionStream(
      model.parameters, detector: detector, sampleRate: front.sampleRate, hop: front.hop)
    self.extractor = extractor
    self.stream = stream
    buffer = .allocate(capacity: max(front.hop, front.frameLength))
  }

  /// Samples of the stream so far, the lost ones included.
  package var position: Int { extractor.samples + lost }

  deinit { buffer.deallocate() }

  /// Reads one hop (the first time a whole frame, so that a row is never waited for longer than
  /// it needs) and hands out what comes of it, in the order of the stream.
  ///
  /// - Parameters:
  ///   - source: Where the samples come from.
  ///   - gap: Called first when samples are missing before those that were read.
  ///   - frame: Called for each step of the network, with its state.
  ///   - detection: Called after a step for each keyword that it detected.
  /// - Returns: Whether there was anything to read; false at the end of the source, after which the
  ///   pipeline takes no more.
  /// - Throws: `AudioInputError` when the source fails.
  package mutating func advance(
    reading source: borrowing any AudioSource,
    gap: (Gap) -> Void = { _ in },
    frame: (Frame, borrowing AttentionStream) -> Void = { _, _ in },
    detection: (Detection) -> Void = { _ in }
  ) throws(AudioInputError) -> Bool {
    let front = extractor.frontEnd
    let wanted = extractor.samples == 0 ? front.frameLength : front.hop
    let block = try source.read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<wanted]))
    guard block.count > 0 else {
      Self.advance(
        &extractor, &stream, &level, nil, lost: lost, captured: nil, frame, detection)
      return false
    }
    if block.lostSamples > 0 {
      lost += block.lostSamples
      gap(Gap(position: position, samples: block.lostSamples))
    }
    let samples = UnsafeBufferPointer(rebasing: buffer[..<block.count]).span
    level.push(samples)
    Self.advance(
      &extractor, &stream, &level, samples, lost: lost, captured: block.captured, frame, detection)
    return true
  }

  /// The way of a block of samples, each part given to the next; of none at the end of the source,
  /// where rows may have waited for more.
  private static func advance(
    _ extractor: inout FeatureExtractor, _ stream: inout AttentionStream,
    _ level: inout LevelMeter, _ samples: Span<Float>?, lost: Int, captured: Double?,
    _ frame: (Frame, borrowing AttentionStream) -> Void, _ detection: (Detection) -> Void
  ) {
    let front = extractor.frontEnd
    var row = extractor.rows
    if let samples {
      extractor.push(samples) { values in
        let position = front.endPosition(ofRow: row) + lost
        row += 1
        take(values, at: position, &stream, &level, captured: captured, frame, detection)
      }
    } else {
      extractor.finish { values in
        let position = front.endPosition(ofRow: row) + lost
        row += 1
        take(values, at: position, &stream, &level, captured: captured, frame, detection)
      }
    }
  }

  /// A row's way through the network.
  private static func take(
    _ row: Span<Float>, at position: Int, _ stream: inout AttentionStream,
    _ level: inout LevelMeter, captured: Double?,
    _ frame: (Frame, borrowing AttentionStream) -> Void, _ detection: (Detection) -> Void
  ) {
    guard stream.push(row, position: position) else { return }
    let reading = Frame(
      index: stream.steps - 1, position: position, captured: captured, level: level.read())
    frame(reading, stream)
    stream.forEachDetection(detection)
  }
}
