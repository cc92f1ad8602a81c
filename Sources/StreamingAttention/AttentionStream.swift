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

  let state: UnsafeMutablePointer<StreamState>
  /// This stream alone, for the network.
  private var alone: StreamGroup
  private var detector: Detector
  private var rows = 0
  private var rowPosition = 0

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
    stepSamples = hop * architecture.rowsPerStep
    self.detector = Detector(detector, sampleRate: sampleRate)
    state = .allocate(capacity: 1)
    state.initialize(
      to: StreamState(parameters.network.plan, parameters.network.attentionShape))
    alone = StreamGroup(capacity: 1)
    alone.append(state)
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
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
    guard accept(row, position: position) else { return false }
    parameters.network.intake.complete(alone.streams)
    parameters.network.step(alone)
    finishStep()
    return true
  }

  /// Rows that the next step still waits for, 1 or more.
  public var rowsToStep: Int { parameters.network.intake.rowsToStep(from: rows) }

  /// Takes in a row that completes no step; of one that does, only notes it.
  ///
  /// - Returns: Whether a step is to be taken: the intake's completion, the network's, `finishStep`.
  mutating func accept(_ row: Span<Float>, position: Int) -> Bool {
    precondition(
      row.count == parameters.architecture.bins, "A row has as many elements as the model's bins")
    let intake = parameters.network.intake
    copyBounded(row, to: state.pointee.block.pointer + intake.row)
    let number = rows
    rows += 1
    rowPosition = position
    guard intake.completesStep(number) else {
      intake.take(alone.streams, number: number)
      return false
    }
    return true
  }

  /// What follows when the network has taken a step.
  mutating func finishStep() {
    steps += 1
    position = rowPosition
    detector.step(vector(parameters.network.posteriors), position: position)
  }

  private func vector(_ place: Int) -> UnsafePointer<Float> {
    UnsafePointer(state.pointee.block.pointer + place)
  }

  private func weights(head: Int) -> UnsafePointer<Float> {
    state.pointee.weights(head: head, parameters.network.attentionShape)
  }

  /// Reads a word's place at the newest step off the weights of its head.
  package func place(of keyword: Int) -> Range<Int> {
    let attended = AttendedSpan(weights: weights(head: head(of: keyword)), span: span)
    let start = max(0, position - (attended.firstAge + 1) * stepSamples)
    return start..<max(start, position - attended.lastAge * stepSamples)
  }

  private func detection(of keyword: Int, score: Float) -> Detection {
    let place = place(of: keyword)
    return Detection(
      keyword: keyword, score: score, threshold: detector.threshold(keyword), position: position,
      start: place.lowerBound, end: place.upperBound)
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
  public var span: Int { state.pointee.span }

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
  /// - Returns: 0 to 1, unless the output is linear.
  public func posterior(_ keyword: Int) -> Float {
    precondition((0..<parameters.architecture.keywords).contains(keyword), "No such keyword")
    return vector(parameters.network.posteriors)[keyword]
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
    return Focus(weights: weights(head: head), span: span)
  }

  /// A head's weights alpha over the window.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given `span` weights, oldest step first; they add up to 1.
  /// - Returns: What `body` returns.
  public func withWeights<Result>(head: Int, _ body: (Span<Float>) -> Result) -> Result {
    precondition((0..<parameters.architecture.headCount).contains(head), "No such head")
    return body(UnsafeBufferPointer(start: weights(head: head), count: span).span)
  }

  /// The newest row that was taken in.
  ///
  /// - Parameter body: Given `bins` floats.
  /// - Returns: What `body` returns.
  public func withNewestRow<Result>(_ body: (Span<Float>) -> Result) -> Result {
    let row = vector(parameters.network.intake.row)
    return body(UnsafeBufferPointer(start: row, count: parameters.architecture.bins).span)
  }

  /// Every intermediate result of the newest step, for tests: h, e, a, c, d, y.
  ///
  /// e has the bias added where the score has one; the heads of e and a are apart by
  /// `headStride`.
  package func withIntermediates<Result>(
    _ body: (
      _ h: UnsafePointer<Float>, _ e: UnsafePointer<Float>, _ a: UnsafePointer<Float>,
      _ c: UnsafePointer<Float>, _ d: UnsafePointer<Float>, _ y: UnsafePointer<Float>
    ) -> Result
  ) -> Result {
    let places = parameters.network.intermediates
    return body(
      vector(places.h), vector(places.e), vector(places.a), vector(places.c), vector(places.d),
      vector(places.y))
  }

  /// Floats from one head's query or key to the next one's, in `withIntermediates`.
  package var headStride: Int { parameters.network.attentionShape.keyStride }

  /// Changes from which smoothed posterior on a keyword is detected, from the next step on.
  ///
  /// - Parameters:
  ///   - threshold: Within `DetectorSettings.thresholdRange`.
  ///   - keyword: Index of the keyword.
  public mutating func setThreshold(_ threshold: Float, of keyword: Int) {
    precondition((0..<parameters.architecture.keywords).contains(keyword), "No such keyword")
    precondition(DetectorSettings.thresholdRange.contains(threshold), "No such threshold")
    detector.setThreshold(threshold, of: keyword)
  }

  /// Forgets everything: the next row is the first of a new stream.
  public mutating func reset() {
    state.pointee.reset()
    detector.forget()
    rows = 0
    rowPosition = 0
    steps = 0
    position = 0
    detector.reset()
  }

  /// Forgets what was heard: network, window and the smoothing of posteriors begin anew.
  ///
  /// The stream goes on: rows that wait to be stacked, steps, positions,
  /// and when a keyword was last detected stay.
  public mutating func forget() {
    state.pointee.reset(from: parameters.network.intakeEnd)
    detector.forget()
  }
}
