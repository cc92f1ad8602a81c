import KernelDispatch
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
  /// The taper, times the scale of samples.
  private let window: FloatBuffer
  private let transform: FourierTransform
  private let filterbank: MelFilterbank
  /// Whether there is one: rows may be the power spectrum itself.
  private let hasFilters: Bool
  private var chain: RowChain
  private let usesFrameEnergy: Bool
  /// For eight frames each, lanes side by side.
  private let prepared: FloatBuffer
  private let power: FloatBuffer
  private let energies: FloatBuffer
  /// Eight rows, `rowRoom` floats from one to the next.
  private let block: FloatBuffer
  private let rowRoom: Int
  private let means: FloatBuffer
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
    window = FloatBuffer(
      frontEnd.window.coefficients(length: frontEnd.frameLength).map { $0 * frontEnd.sampleScale })
    transform = FourierTransform(size: frontEnd.fftSize)
    rowRoom = (frontEnd.bins + 7) / 8 * 8
    hasFilters = frontEnd.melScale != .none
    filterbank = MelFilterbank(hasFilters ? MelTriangles(frontEnd).filters : [])
    usesFrameEnergy = frontEnd.cepstra?.energy == true
    prepared = FloatBuffer(count: FrameBuffer.frames * frontEnd.fftSize)
    power = FloatBuffer(count: FrameBuffer.frames * (frontEnd.fftSize / 2 + 1 + filterbank.reach))
    energies = FloatBuffer(count: FrameBuffer.frames * rowRoom)
    block = FloatBuffer(count: FrameBuffer.frames * rowRoom)
    means = FloatBuffer(count: FrameBuffer.frames)
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
      while offset < buffer.count {
        offset += frames.append(base + offset, count: buffer.count - offset)
        while frames.ready >= FrameBuffer.frames { analyseEight(body) }
      }
      while frames.ready > 0 { analyse(body) }
    }
  }

  /// Gives out the rows that only the end of the recording completes: those whose frames reach
  /// beyond it, and those that waited for differences in time.
  ///
  /// - Parameter body: Called with each row, oldest first.
  public mutating func finish(_ body: (Span<Float>) -> Void) {
    hasEnded = true
    let total = frontEnd.rows(inSamples: frames.samples)
    if analysed < total { frames.completeEnd(frames: total - analysed) }
    while analysed < total { analyse(body) }
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
    let frame = frames.pointer
    let mean = mean(of: frame)
    kernels.prepare(
      frame, into: prepared.pointer, window: window.pointer, length: frontEnd.frameLength,
      paddedLength: frontEnd.fftSize, preEmphasis: frontEnd.preEmphasis, mean: mean)
    let row = block.pointer
    if hasFilters {
      transform.power(prepared.pointer, into: power.pointer)
      filterbank.apply(power.pointer, into: row)
    } else {
      transform.power(prepared.pointer, into: row)
    }
    chain.compress(row, count: frontEnd.bins)
    let energy = usesFrameEnergy ? energy(of: frame, mean: mean) : 0
    frames.advance()
    analysed += 1
    chain.push(row, frameEnergy: energy, body)
  }

  /// The same way for eight frames at once, to the same bits.
  private mutating func analyseEight(_ body: (Span<Float>) -> Void) {
    let first = frames.pointer
    let hop = frontEnd.hop
    for i in 0..<FrameBuffer.frames { means.pointer[i] = mean(of: first + i * hop) }
    kernels.prepareEight(
      first, hop: hop, into: prepared.pointer, window: window.pointer,
      length: frontEnd.frameLength, paddedLength: frontEnd.fftSize,
      preEmphasis: frontEnd.preEmphasis, means: means.pointer)
    transform.powerEight(prepared.pointer, into: power.pointer)
    if hasFilters {
      filterbank.applyEight(power.pointer, into: energies.pointer)
      kernels.deinterleave(
        energies.pointer, into: block.pointer, stride: rowRoom, count: frontEnd.bins)
    } else {
      kernels.deinterleave(
        power.pointer, into: block.pointer, stride: rowRoom, count: frontEnd.bins)
    }
    chain.compress(block.pointer, count: FrameBuffer.frames * rowRoom)
    frames.advance(by: FrameBuffer.frames)
    analysed += FrameBuffer.frames
    for i in 0..<FrameBuffer.frames {
      let energy = usesFrameEnergy ? energy(of: first + i * hop, mean: means.pointer[i]) : 0
      chain.push(block.pointer + i * rowRoom, frameEnergy: energy, body)
    }
  }

  private func mean(of frame: UnsafePointer<Float>) -> Float {
    frontEnd.removesDC
      ? kernels.sum(frame, count: frontEnd.frameLength) / Float(frontEnd.frameLength) : 0
  }

  /// Sum of squares of a frame, scaled and freed of its mean.
  private func energy(of frame: UnsafePointer<Float>, mean: Float) -> Float {
    let scale = frontEnd.sampleScale
    return scale * scale
      * kernels.sumOfSquares(frame, minus: mean, count: frontEnd.frameLength)
  }
}
