import Kernels

/// A keyword that was heard; positions are samples from the start of the stream.
public struct Detection: Sendable, Equatable {
  /// Index of the keyword.
  public let keyword: Int
  /// Smoothed posterior at the decision.
  public let score: Float
  /// Threshold that it reached.
  public let threshold: Float
  /// Samples that had been seen when it was decided.
  public let position: Int
  /// First sample of the word, from its attention.
  public let start: Int
  /// Position just after the word's last sample, from its attention; start <= end <= position.
  public let end: Int
}

/// The owner of one stream's whole state: rows in, posteriors and detections out.
///
/// In: rows x_t of `architecture.bins` floats, one a hop, and the position just after the last
/// sample of each. Out: every `stride` rows a step of the network, whose posteriors, weights and
/// focus stay readable until the next. One per stream, used by one thread at a time; allocates
/// only in `init`. The weights are shared with other streams.
public struct AttentionStream: ~Copyable {
  /// The shared weights.
  public let parameters: Parameters

  /// Samples between two steps.
  public let stepSamples: Int

  private var encoder: RecurrentStack
  private var attention: AttentionCalculator
  private var decoder: RecurrentStack
  private var outputLayer: OutputLayer
  private var detector: Detector

  /// The last `stack` rows, oldest first.
  private let stacked: FloatBuffer
  private let decoderInput: FloatBuffer
  private var rows = 0

  /// Steps of the network since the start.
  public private(set) var steps = 0

  /// Position just after the last sample that the newest step has seen.
  public private(set) var position = 0

  /// Takes memory for the state.
  ///
  /// - Parameters:
  ///   - parameters: The weights.
  ///   - detector: When a posterior becomes a detection; a threshold for each keyword.
  ///   - sampleRate: Samples a second, for the detector's times.
  ///   - hop: Samples between two rows.
  /// - Throws: `DetectorSettingsError` when the settings cannot be.
  public init(
    _ parameters: Parameters, detector: DetectorSettings, sampleRate: Int, hop: Int
  ) throws(DetectorSettingsError) {
    precondition(sampleRate > 0 && hop > 0, "A stream has a sample rate and a hop")
    try detector.validate()
    let architecture = parameters.architecture
    guard detector.thresholds.count == architecture.keywords else {
      throw DetectorSettingsError(
        field: "threshold", found: "given for \(detector.thresholds.count) keywords",
        expected: "one for each of \(architecture.keywords)")
    }
    self.parameters = parameters
    stepSamples = hop * architecture.stride
    encoder = RecurrentStack(parameters.encoder)
    attention = AttentionCalculator(parameters)
    decoder = RecurrentStack(parameters.decoder)
    outputLayer = OutputLayer(parameters)
    self.detector = Detector(detector, sampleRate: sampleRate)
    stacked = FloatBuffer(count: architecture.inputSize)
    decoderInput = FloatBuffer(count: architecture.decoderInputSize)
  }

  /// Takes in the next row.
  ///
  /// An element that is a NaN, or larger than 2^50, counts as 0: it would never leave the state.
  ///
  /// - Parameters:
  ///   - row: `bins` floats.
  ///   - position: Position just after the last sample that the row has seen.
  /// - Returns: Whether the row completed a step of the network, so that there are new
  ///   posteriors, weights and perhaps detections to read.
  @discardableResult
  public mutating func push(_ row: Span<Float>, position: Int) -> Bool {
    let architecture = parameters.architecture
    precondition(row.count == architecture.bins, "A row has as many elements as the model's bins")
    guard shift(row) else { return false }
    step()
    steps += 1
    detector.step(outputLayer.output, position: position)
    self.position = position
    return true
  }

  /// The network in one column.
  private mutating func step() {
    let architecture = parameters.architecture
    let x = UnsafePointer(stacked.pointer)
    encoder.step(x)
    let h = encoder.output
    attention.step(hidden: h, memory: architecture.memory == .x ? x : h)
    let c = attention.output
    decoderInput.pointer.update(from: c, count: architecture.contextSize)
    if architecture.decoderInput == .contextAndHidden {
      (decoderInput.pointer + architecture.contextSize).update(
        from: h, count: architecture.encoder.units)
    }
    decoder.step(decoderInput.pointer)
    outputLayer.step(decoder.output)
  }

  /// `Parameters.largestWeight` has the argument.
  private static var largestInput: Float { 0x1p50 }

  /// Shifts a row into the stack.
  ///
  /// - Returns: Whether the stack is full and its turn has come.
  private mutating func shift(_ row: Span<Float>) -> Bool {
    let architecture = parameters.architecture
    let kept = (architecture.stack - 1) * architecture.bins
    stacked.pointer.update(from: stacked.pointer + architecture.bins, count: kept)
    for i in 0..<row.count {
      stacked.pointer[kept + i] = row[i].magnitude <= Self.largestInput ? row[i] : 0
    }
    rows += 1
    return rows >= architecture.stack
      && (rows - architecture.stack) % architecture.stride == 0
  }

  /// Reads a word's place off the weights of its head.
  private func detection(of keyword: Int, score: Float) -> Detection {
    let attended = AttendedSpan(weights: attention.weights(head: head(of: keyword)), span: span)
    let start = max(0, position - (attended.firstAge + 1) * stepSamples)
    return Detection(
      keyword: keyword, score: score, threshold: detector.threshold(keyword), position: position,
      start: start, end: max(start, position - attended.lastAge * stepSamples))
  }

  // MARK: The newest step

  /// Gives out the keywords that were detected at the newest step, in the order of the keywords.
  ///
  /// - Parameter body: Called for each.
  public func forEachDetection(_ body: (Detection) -> Void) {
    for keyword in 0..<parameters.architecture.keywords {
      guard let score = detector.firedScore(keyword) else { continue }
      body(detection(of: keyword, score: score))
    }
  }

  /// Steps in the window: min(steps, N).
  public var span: Int { attention.span }

  /// The head that tells where a keyword lies: its own, or the first.
  ///
  /// - Parameter keyword: Index of the keyword.
  /// - Returns: Index of the head.
  public func head(of keyword: Int) -> Int {
    parameters.architecture.heads == .keyword ? keyword : 0
  }

  /// Posterior of a keyword at the newest step.
  ///
  /// - Parameter keyword: Index of the keyword.
  /// - Returns: 0 to 1.
  public func posterior(_ keyword: Int) -> Float {
    precondition((0..<parameters.architecture.keywords).contains(keyword), "No such keyword")
    return outputLayer.output[keyword]
  }

  /// Smoothed posterior of a keyword: what the threshold is compared with.
  ///
  /// - Parameter keyword: Index of the keyword.
  /// - Returns: 0 to 1.
  public func smoothedPosterior(_ keyword: Int) -> Float {
    precondition((0..<parameters.architecture.keywords).contains(keyword), "No such keyword")
    return detector.smoothed(keyword)
  }

  /// Where a head looks, in steps before the newest.
  ///
  /// - Parameter head: Index of the head.
  /// - Returns: Mean age, spread and peak; all zero before the first step.
  public func focus(head: Int) -> Focus {
    precondition((0..<parameters.architecture.headCount).contains(head), "No such head")
    guard span > 0 else { return Focus(expected: 0, spread: 0, peak: 0) }
    return Focus(weights: attention.weights(head: head), span: span)
  }

  /// A head's weights alpha over the window.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given `span` weights, oldest step first; they add up to 1.
  /// - Returns: What `body` returns.
  public func withWeights<Result>(head: Int, _ body: (Span<Float>) -> Result) -> Result {
    precondition((0..<parameters.architecture.headCount).contains(head), "No such head")
    return body(UnsafeBufferPointer(start: attention.weights(head: head), count: span).span)
  }

  /// The newest row that was taken in.
  ///
  /// - Parameter body: Given `bins` floats.
  /// - Returns: What `body` returns.
  public func withNewestRow<Result>(_ body: (Span<Float>) -> Result) -> Result {
    let bins = parameters.architecture.bins
    let row = stacked.pointer + (stacked.count - bins)
    return body(UnsafeBufferPointer(start: row, count: bins).span)
  }

  /// Every intermediate result of the newest step, for tests: h, e, a, c, d, y.
  package func withIntermediates<Result>(
    _ body: (
      _ h: UnsafePointer<Float>, _ e: UnsafePointer<Float>, _ a: UnsafePointer<Float>,
      _ c: UnsafePointer<Float>, _ d: UnsafePointer<Float>, _ y: UnsafePointer<Float>
    ) -> Result
  ) -> Result {
    body(
      encoder.output, attention.newestQuery, attention.newestKey, attention.output,
      decoder.output, outputLayer.output)
  }

  /// Forgets everything: the next row is the first of a new stream.
  public mutating func reset() {
    encoder.reset()
    attention.reset()
    decoder.reset()
    outputLayer.reset()
    detector.reset()
    rows = 0
    steps = 0
    position = 0
  }
}
