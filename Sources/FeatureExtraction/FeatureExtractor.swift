import Kernels

/// The owner of the front end's state: push samples, get a row per hop.
///
/// In: mono samples in -1 ..< 1 at the front end's rate, in pieces of any size. Out: rows of
/// `frontEnd.rowLength` floats, each as soon as its frame's last sample is in (with differences in
/// time, when that of `frontEnd.deltaDelay` frames later is in); how the samples are cut changes no
/// bit. One per stream, used by one thread at a time; allocates only in `init`.
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
  private var chain: RowChain
  private let prepared: FloatBuffer
  private let power: FloatBuffer
  private let row: FloatBuffer
  /// Frames analysed since the start.
  private var analysed = 0
  private var hasEnded = false

  /// Checks the front end and makes its tables.
  ///
  /// - Parameters:
  ///   - frontEnd: The numbers.
  ///   - mean: Subtracted from each element of a row; zeros when absent.
  ///   - scale: What each element is multiplied by after that; ones when absent.
  /// - Throws: `FrontEndError` when the front end cannot be, or mean and scale are not as many as
  ///   the elements of a row, not finite, or so large that a row could overflow.
  public init(
    _ frontEnd: FrontEnd, mean: [Float]? = nil, scale: [Float]? = nil
  ) throws(FrontEndError) {
    try frontEnd.validate()
    // Before anything is stored: a throwing init may not leave half of it.
    let chain = try RowChain(frontEnd, mean: mean, scale: scale)
    self.chain = chain
    self.frontEnd = frontEnd
    frames = FrameBuffer(frontEnd)
    window = FloatBuffer(frontEnd.window.coefficients(length: frontEnd.frameLength))
    transform = FourierTransform(size: frontEnd.fftSize)
    filterbank = MelFilterbank(MelTriangles(frontEnd))
    prepared = FloatBuffer(count: frontEnd.fftSize)
    power = FloatBuffer(count: frontEnd.fftSize / 2 + 1)
    row = FloatBuffer(count: frontEnd.bins)
  }

  /// Samples pushed since the start.
  public var samples: Int { frames.samples }

  /// Rows given out since the start.
  public var rows: Int { chain.rows }

  /// Position just after the last sample of the newest row's own frame; 0 before the first row.
  ///
  /// Rows with differences in time leave late: `samples` is then `frontEnd.deltaDelay` hops ahead.
  public var position: Int { rows == 0 ? 0 : frontEnd.endPosition(ofRow: rows - 1) }

  /// Takes samples and gives out each row that they complete.
  ///
  /// After `finish` only once the extractor has been reset.
  ///
  /// - Parameters:
  ///   - samples: The next samples of the stream.
  ///   - body: Called with each row, `rowLength` floats, oldest first.
  public mutating func push(_ samples: Span<Float>, _ body: (Span<Float>) -> Void) {
    precondition(!hasEnded, "A recording that has ended takes no more samples")
    samples.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      var offset = 0
      while true {
        let (taken, isFull) = frames.fill(from: base + offset, count: buffer.count - offset)
        offset += taken
        guard isFull else { return }
        analyse(body)
      }
    }
  }

  /// Gives out the rows that only the end of the recording completes: those whose frames reach
  /// beyond it, and those that waited for differences in time.
  ///
  /// - Parameter body: Called with each row, oldest first.
  public mutating func finish(_ body: (Span<Float>) -> Void) {
    hasEnded = true
    let total = frontEnd.rows(inSamples: frames.samples)
    while analysed < total {
      frames.completeEnd()
      analyse(body)
    }
    chain.finish(body)
  }

  /// Forgets everything: the next sample is the first of a new stream.
  public mutating func reset() {
    frames.reset()
    chain.reset()
    analysed = 0
    hasEnded = false
  }

  /// The way of a frame, from samples to the row that it completes.
  private mutating func analyse(_ body: (Span<Float>) -> Void) {
    Framing.prepare(
      frames.pointer, into: prepared.pointer, window: window.pointer,
      length: frontEnd.frameLength, paddedLength: frontEnd.fftSize, scale: frontEnd.sampleScale,
      preEmphasis: frontEnd.preEmphasis, removesMean: frontEnd.removesDC)
    let spectrum = transform.transform(prepared.pointer)
    Framing.power(spectrum, into: power.pointer, count: transform.bins)
    filterbank.apply(power.pointer, into: row.pointer)
    chain.compress(row.pointer, count: row.count)
    let energy = frontEnd.cepstra?.energy == true ? frameEnergy() : 0
    frames.advance()
    analysed += 1
    chain.push(row.pointer, frameEnergy: energy, body)
  }

  /// Sum of squares of the present frame, scaled and freed of its mean.
  private func frameEnergy() -> Float {
    let length = frontEnd.frameLength
    let samples = frames.pointer
    let mean = frontEnd.removesDC ? Reduction.sum(samples, count: length) / Float(length) : 0
    for i in 0..<length { prepared.pointer[i] = (samples[i] - mean) * frontEnd.sampleScale }
    return Reduction.dot(prepared.pointer, prepared.pointer, count: length)
  }
}
