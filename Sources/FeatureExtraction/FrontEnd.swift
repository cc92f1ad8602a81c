/// Every number of the front end: what turns samples into feature rows.
///
/// A row comes about in this order: frame (`edges`), taper (`window`), power spectrum, mel energies
/// (`melScale`), `compression`, `cepstra`, `deltas`, `running`, then the mean and scale that an
/// extractor is given.
///
/// The default is Kaldi's log-mel filter bank for speech at 16 kHz (40 bins), as
/// kaldi-native-fbank and torchaudio compute it without dither; the presets offer others.
public struct FrontEnd: Sendable, Equatable {
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
  /// Where frames lie, and how the ends of a recording are treated.
  public var edges: Edges = .snip
  /// What samples in -1 ..< 1 are multiplied by: 32768 is Kaldi's scale of 16-bit integers.
  public var sampleScale: Float = 32_768
  /// Which filters the power spectrum is summed under.
  public var melScale: MelScale = .htk
  /// Filters, the length of a compressed row; `fftSize` / 2 + 1 without filters.
  public var bins: Int = 40
  /// Lower edge of the first mel filter, hertz.
  public var lowFrequency: Double = 20
  /// Upper edge of the last mel filter, hertz.
  public var highFrequency: Double = 8_000
  /// What happens to a mel energy before it becomes an element of a row.
  public var compression: Compression = .log(floor: 0x1p-23)
  /// Cepstral coefficients in the place of the compressed row; nil for the row itself.
  public var cepstra: Cepstra?
  /// Orders of differences in time that are appended to a row, 0 to 2.
  ///
  /// Kaldi's: order 1 has the taps [-2 -1 0 1 2] / 10, order 2 [4 4 1 -4 -10 -4 1 4 4] / 100, with
  /// rows before the first and after the last taken to be equal to them. A row leaves `deltaDelay`
  /// rows late.
  public var deltas: Int = 0
  /// Running mean and variance normalisation; nil for none.
  public var running: RunningNormalisation?

  /// Kaldi's log-mel filter bank at 16 kHz, 40 bins.
  public init() {}

  /// Elements of a row: coefficients or bins, and as many again for each order of differences.
  public var rowLength: Int { (cepstra?.count ?? bins) * (1 + deltas) }

  /// Rows that a row waits for, because its differences reach so far ahead: 2 an order.
  public var deltaDelay: Int { 2 * deltas }

  /// Number of rows that `samples` samples give, all of them known (the recording has ended).
  ///
  /// A recording that is too short to be mirrored or reflected gives no row: with `Edges.mirror` one
  /// that ends before its first frame does (Kaldi would mirror it again and again), with
  /// `Edges.reflect` one of no more than half a frame.
  ///
  /// - Parameter samples: Samples in the recording.
  /// - Returns: Rows, 0 or more.
  public func rows(inSamples samples: Int) -> Int {
    switch edges {
    case .snip: samples < frameLength ? 0 : 1 + (samples - frameLength) / hop
    case .mirror: samples < frameLength - mirroredStart ? 0 : (samples + hop / 2) / hop
    case .reflect: samples <= mirroredStart ? 0 : 1 + samples / hop
    case .zero: samples < 1 ? 0 : 1 + samples / hop
    }
  }

  /// Position just after the last sample of row `row`'s frame, from the start of the stream.
  ///
  /// - Parameter row: Index of the row, from 0.
  /// - Returns: A position in samples; unless `edges` is `Edges.snip` it may lie behind the
  ///   recording's end.
  public func endPosition(ofRow row: Int) -> Int { row * hop + frameLength - mirroredStart }

  /// Samples from the start of the stream that row `row`'s frame is made of.
  ///
  /// The position of its end, but for the first reflected frame: its first sample stands for one
  /// just after its end.
  ///
  /// - Parameter row: Index of the row, from 0.
  /// - Returns: A number of samples.
  package func samplesNeeded(forRow row: Int) -> Int {
    edges == .reflect
      ? max(endPosition(ofRow: row), mirroredStart - row * hop + 1) : endPosition(ofRow: row)
  }

  /// Samples before the start of the stream that the first frame reaches back to.
  ///
  /// What stands there is up to `edges`. Centred frames shorter than the transform lie in its
  /// middle (librosa's `win_length` < `n_fft`), where an odd one begins at the lower of two samples.
  package var mirroredStart: Int {
    switch edges {
    case .snip: 0
    case .mirror: frameLength / 2 - hop / 2
    case .reflect, .zero: (frameLength + 1) / 2
    }
  }
}
