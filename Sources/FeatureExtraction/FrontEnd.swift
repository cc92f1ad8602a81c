/// Every number of the front end, checked once: what turns samples into feature rows.
///
/// The default is Kaldi's log-mel filter bank for speech at 16 kHz (40 bins), as
/// kaldi-native-fbank and torchaudio compute it without dither.
public struct FrontEnd: Sendable, Equatable {
  /// What happens to a mel energy before it becomes an element of a row.
  public enum Compression: Sendable, Equatable {
    /// The energy as it is.
    case linear
    /// `ln(max(E, floor))`; the floor is an energy.
    case log(floor: Float)
    /// Per-channel energy normalisation: an automatic gain per bin, then a root.
    case pcen(PCEN)
  }

  /// Parameters of per-channel energy normalisation.
  ///
  /// Wang, Getreuer, Hughes, Lyon, Saurous: Trainable Frontend for Robust and Far-Field Keyword
  /// Spotting (2017), equations 1 and 2:
  /// `M_t = (1 - smoothing) M_(t-1) + smoothing E_t`, with `M_(-1) = E_0`, and
  /// `y_t = (E_t / (epsilon + M_t)^gain + bias)^power - bias^power`.
  public struct PCEN: Sendable, Equatable {
    /// Weight of the newest energy in the running mean, 0 to 1.
    public var smoothing: Float
    /// Exponent of the gain control, 0 to 1; 1 removes the level altogether.
    public var gain: Float
    /// Added before the root; large against the normalised energy of noise.
    public var bias: Float
    /// Exponent of the final root, 0 to 1.
    public var power: Float
    /// Keeps silence from being amplified without bound; in the unit of the energy.
    public var epsilon: Float

    /// Gathers the five parameters; `FrontEnd.init` checks them.
    ///
    /// - Parameters:
    ///   - smoothing: Weight of the newest energy in the running mean, 0 to 1.
    ///   - gain: Exponent of the gain control, 0 to 1.
    ///   - bias: Added before the root.
    ///   - power: Exponent of the root.
    ///   - epsilon: Floor of the running mean, an energy.
    public init(smoothing: Float, gain: Float, bias: Float, power: Float, epsilon: Float) {
      self.smoothing = smoothing
      self.gain = gain
      self.bias = bias
      self.power = power
      self.epsilon = epsilon
    }
  }

  /// Where the first frame lies, and what stands in for samples outside of the recording.
  public enum Edges: String, Sendable, CaseIterable {
    /// Frame i starts at sample i x hop; only whole frames count. Kaldi's `snip-edges=true`.
    case snip
    /// Frame i is centred on hop i; the recording is mirrored at its ends. Kaldi's
    /// `snip-edges=false`.
    case mirror
  }

  /// Samples a second.
  public var sampleRate: Int = 16_000
  /// Samples analysed together.
  public var frameLength: Int = 400
  /// Samples between the starts of two frames.
  public var hop: Int = 160
  /// Points of the Fourier transform; frames are padded with zeros to it.
  public var fftSize: Int = 512
  /// The taper.
  public var window: WindowFunction = .povey
  /// Coefficient of `x_i - k x_(i-1)`; 0 for none.
  public var preEmphasis: Float = 0.97
  /// Whether the mean of each frame is subtracted from it.
  public var removesDC: Bool = true
  /// How the ends of a recording are treated.
  public var edges: Edges = .snip
  /// What samples in -1 ..< 1 are multiplied by: 32768 is Kaldi's scale of 16-bit integers.
  public var sampleScale: Float = 32_768
  /// Mel bins, the length of a row.
  public var bins: Int = 40
  /// Lower edge of the first mel filter, hertz.
  public var lowFrequency: Double = 20
  /// Upper edge of the last mel filter, hertz.
  public var highFrequency: Double = 8_000
  /// What happens to a mel energy before it becomes an element of a row.
  public var compression: Compression = .log(floor: 0x1p-23)

  /// Kaldi's log-mel filter bank at 16 kHz, 40 bins.
  public init() {}

  /// Checks every number against the others.
  ///
  /// - Throws: `FrontEndError` naming the first number that cannot be, and what can.
  public func validate() throws(FrontEndError) {
    try require(1_000...384_000, "sample_rate", sampleRate)
    try require(16...FrontEnd.largestTransform, "frame_length", frameLength)
    try require(1...frameLength, "hop", hop)
    try require(frameLength...FrontEnd.largestTransform, "fft_size", fftSize)
    guard fftSize >= 64, fftSize & (fftSize - 1) == 0 else {
      throw FrontEndError(
        field: "fft_size", found: "\(fftSize)", expected: "a power of two from 64 to 8192")
    }
    try require(0...1, "pre_emphasis", preEmphasis)
    try require(0x1p-20...0x1p20, "sample_scale", sampleScale)
    try require(1...min(512, fftSize / 2), "bins", bins)
    let nyquist = Double(sampleRate) / 2
    try require(0...nyquist, "low_hz", lowFrequency)
    try require(0...nyquist, "high_hz", highFrequency)
    guard lowFrequency < highFrequency else {
      throw FrontEndError(
        field: "high_hz", found: "\(highFrequency)", expected: "more than low_hz, \(lowFrequency)")
    }
    switch compression {
    case .linear: break
    case .log(let floor): try require(Float.leastNormalMagnitude...1e30, "floor", floor)
    case .pcen(let pcen):
      try require(0x1p-20...1, "smoothing", pcen.smoothing)
      try require(0...1, "gain", pcen.gain)
      try require(0...1e6, "bias", pcen.bias)
      try require(0x1p-10...1, "power", pcen.power)
      try require(1e-30...1e30, "epsilon", pcen.epsilon)
    }
  }

  /// The longest transform the front end offers; tables and scratch stay in a few caches.
  package static let largestTransform = 8_192

  /// Number of rows that `samples` samples give, all of them known (the recording has ended).
  ///
  /// With `Edges.mirror` a recording that ends before its first frame does gives no row; Kaldi
  /// would mirror it again and again.
  ///
  /// - Parameter samples: Samples in the recording.
  /// - Returns: Rows, 0 or more.
  public func rows(inSamples samples: Int) -> Int {
    switch edges {
    case .snip: samples < frameLength ? 0 : 1 + (samples - frameLength) / hop
    case .mirror: samples < frameLength - mirroredStart ? 0 : (samples + hop / 2) / hop
    }
  }

  /// Position just after the last sample of row `row`'s frame, from the start of the stream.
  ///
  /// - Parameter row: Index of the row, from 0.
  /// - Returns: A position in samples; with `Edges.mirror` it may lie behind the recording's end.
  public func endPosition(ofRow row: Int) -> Int {
    switch edges {
    case .snip: row * hop + frameLength
    case .mirror: row * hop + frameLength - mirroredStart
    }
  }

  /// Samples before the start of the stream that the first frame reaches back to.
  var mirroredStart: Int { edges == .mirror ? frameLength / 2 - hop / 2 : 0 }

  private func require<T: Comparable>(
    _ range: ClosedRange<T>, _ field: String, _ value: T
  ) throws(FrontEndError) {
    // A NaN is in no range.
    guard range.contains(value) else {
      throw FrontEndError(
        field: field, found: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)")
    }
  }
}

/// A number of the front end that cannot be.
public struct FrontEndError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Name of the number, as the model file spells it.
  public let field: String
  /// What was given.
  public let found: String
  /// What can be.
  public let expected: String

  /// One line: the number, what was found, what was expected.
  public var description: String { "front end: \(field) is \(found), expected \(expected)" }
}
