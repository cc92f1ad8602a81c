import Kernels

/// The owner of the front end's state: push samples, get a row per hop.
///
/// In: mono samples in -1 ..< 1 at the front end's rate, in pieces of any size. Out: rows of
/// `frontEnd.bins` floats, each as soon as its frame's last sample is in; how the samples are cut
/// changes no bit. One per stream, used by one thread at a time; allocates only in `init`.
///
///     var extractor = try FeatureExtractor(FrontEnd())
///     extractor.push(samples.span) { row in print(row[0]) }
public struct FeatureExtractor: ~Copyable {
  /// The numbers that this extractor works by.
  public let frontEnd: FrontEnd

  private var frames: FrameBuffer
  private let window: FloatBuffer
  private var transform: FourierTransform
  private let filterbank: MelFilterbank
  private var normalisation: Normalisation
  private let prepared: FloatBuffer
  private let power: FloatBuffer
  private let row: FloatBuffer
  private var hasEnded = false

  /// Rows given out since the start.
  public private(set) var rows = 0

  /// Checks the front end and makes its tables.
  ///
  /// - Parameters:
  ///   - frontEnd: The numbers.
  ///   - mean: Subtracted from each bin of a compressed row; zeros when absent.
  ///   - scale: What each bin is multiplied by after that; ones when absent.
  /// - Throws: `FrontEndError` when the front end cannot be, or mean and scale are not as many as
  ///   its bins, not finite, or so large that a row could overflow.
  public init(
    _ frontEnd: FrontEnd, mean: [Float]? = nil, scale: [Float]? = nil
  ) throws(FrontEndError) {
    try frontEnd.validate()
    let bins = frontEnd.bins
    let mean = mean ?? Array(repeating: 0, count: bins)
    let scale = scale ?? Array(repeating: 1, count: bins)
    guard mean.count == bins, scale.count == bins else {
      throw FrontEndError(
        field: "feature.mean and feature.scale", found: "\(mean.count) and \(scale.count) long",
        expected: "\(bins) each, a number per bin")
    }
    try Normalisation.check("feature.mean", mean, limit: Normalisation.largestMean)
    try Normalisation.check("feature.scale", scale, limit: Normalisation.largestScale)
    self.frontEnd = frontEnd
    frames = FrameBuffer(frontEnd)
    window = FloatBuffer(frontEnd.window.coefficients(length: frontEnd.frameLength))
    transform = FourierTransform(size: frontEnd.fftSize)
    filterbank = MelFilterbank(frontEnd)
    normalisation = Normalisation(frontEnd.compression, mean: mean, scale: scale)
    prepared = FloatBuffer(count: frontEnd.fftSize)
    power = FloatBuffer(count: frontEnd.fftSize / 2 + 1)
    row = FloatBuffer(count: bins)
  }

  /// Samples pushed since the start.
  public var samples: Int { frames.samples }

  /// Position just after the last sample of the newest row's frame; 0 before the first row.
  public var position: Int { rows == 0 ? 0 : frontEnd.endPosition(ofRow: rows - 1) }

  /// Takes samples and gives out each row that they complete.
  ///
  /// After `finish` only once the extractor has been reset.
  ///
  /// - Parameters:
  ///   - samples: The next samples of the stream.
  ///   - body: Called with each row, `bins` floats, oldest first.
  public mutating func push(_ samples: Span<Float>, _ body: (Span<Float>) -> Void) {
    precondition(!hasEnded, "A recording that has ended takes no more samples")
    samples.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      var offset = 0
      while offset < buffer.count {
        let (taken, isFull) = frames.fill(from: base + offset, count: buffer.count - offset)
        offset += taken
        guard isFull else { continue }
        giveRow(body)
        frames.advance()
      }
    }
  }

  /// Gives out the rows that only the end of the recording completes (`Edges.mirror`).
  ///
  /// - Parameter body: Called with each row, oldest first.
  public mutating func finish(_ body: (Span<Float>) -> Void) {
    hasEnded = true
    let total = frontEnd.rows(inSamples: frames.samples)
    while rows < total {
      frames.mirrorEnd()
      giveRow(body)
      frames.advance()
    }
  }

  /// Forgets everything: the next sample is the first of a new stream.
  public mutating func reset() {
    frames.reset()
    normalisation.reset()
    rows = 0
    hasEnded = false
  }

  private mutating func giveRow(_ body: (Span<Float>) -> Void) {
    Framing.prepare(
      frames.pointer, into: prepared.pointer, window: window.pointer,
      length: frontEnd.frameLength, paddedLength: frontEnd.fftSize, scale: frontEnd.sampleScale,
      preEmphasis: frontEnd.preEmphasis, removesMean: frontEnd.removesDC)
    let spectrum = transform.transform(prepared.pointer)
    Framing.power(spectrum, into: power.pointer, count: transform.bins)
    filterbank.apply(power.pointer, into: row.pointer)
    normalisation.apply(row.pointer)
    rows += 1
    body(row.elements.span)
  }
}
