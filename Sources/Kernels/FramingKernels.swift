/// What happens between the samples and the transform, and between the transform and the row.
public protocol FramingKernels {
  /// Copies samples; those beyond `limit`, infinities and NaN become zero.
  ///
  /// - Parameters:
  ///   - samples: The samples.
  ///   - output: Receives `count` samples; overlaps nothing.
  ///   - count: How many.
  ///   - limit: Largest magnitude that is kept.
  static func copyFinite(
    _ samples: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, count: Int,
    limit: Float)

  /// Takes the mean off a frame, pre-emphasises and tapers it; pads it with zeros.
  ///
  /// `y_i = ((x_i - mean) - k (x_(i-1) - mean)) w_i`, with `x_(-1) = x_0` as Kaldi has it.
  ///
  /// - Parameters:
  ///   - samples: x, `length` samples.
  ///   - output: Receives `paddedLength` values; overlaps nothing.
  ///   - window: w, the taper.
  ///   - length: Samples of the frame, 1 or more.
  ///   - paddedLength: Points of the transform, `length` or more.
  ///   - preEmphasis: k.
  ///   - mean: What is subtracted.
  static func prepare(
    _ samples: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>,
    window: UnsafePointer<Float>, length: Int, paddedLength: Int, preEmphasis: Float, mean: Float)

  /// The same for eight frames, `hop` samples from one to the next.
  ///
  /// - Parameters:
  ///   - samples: The first frame's first sample; `length + 7 hop` are read.
  ///   - hop: Samples between the starts of two frames.
  ///   - output: Receives `paddedLength` values of each lane: `y[i * 8 + frame]`.
  ///   - window: The taper.
  ///   - length: Samples of a frame, 1 or more.
  ///   - paddedLength: Points of the transform.
  ///   - preEmphasis: k.
  ///   - means: What is subtracted from each frame, eight.
  static func prepareEight(
    _ samples: UnsafePointer<Float>, hop: Int, into output: UnsafeMutablePointer<Float>,
    window: UnsafePointer<Float>, length: Int, paddedLength: Int, preEmphasis: Float,
    means: UnsafePointer<Float>)

  /// Sums powers under overlapping filters, eight filters in a group.
  ///
  /// A filter's bins are dealt to eight accumulators in turn, which are added 0+4, 1+5, 2+6, 3+7,
  /// then 0+2, 1+3, then both.
  ///
  /// - Parameters:
  ///   - power: The power spectrum, finite, with eight readable and finite floats behind it for
  ///     each chunk of the widest filter.
  ///   - weights: For each group, filter and chunk eight weights, zeros behind a filter's last.
  ///   - layout: `FilterLayout.stride` numbers a group.
  ///   - groups: Groups of eight filters.
  ///   - energies: Receives eight energies a group.
  static func filter(
    _ power: UnsafePointer<Float>, weights: UnsafePointer<Float>, layout: UnsafePointer<Int32>,
    groups: Int, into energies: UnsafeMutablePointer<Float>)

  /// The same for eight spectra.
  ///
  /// - Parameters:
  ///   - power: `p[bin * 8 + lane]`, as many lanes readable behind it.
  ///   - weights: As for one spectrum.
  ///   - layout: As for one spectrum.
  ///   - groups: Groups of eight filters.
  ///   - energies: Receives `e[filter * 8 + lane]`.
  static func filterEight(
    _ power: UnsafePointer<Float>, weights: UnsafePointer<Float>, layout: UnsafePointer<Int32>,
    groups: Int, into energies: UnsafeMutablePointer<Float>)

  /// Lanes -> rows: `y[lane * stride + i] = x[i * 8 + lane]`.
  ///
  /// - Parameters:
  ///   - x: `count` elements of each lane, a multiple of eight readable.
  ///   - rows: Receives eight rows.
  ///   - stride: Floats from one row to the next, `count` rounded up to eight or more.
  ///   - count: Elements of a row; up to seven more are written.
  static func deinterleave(
    _ x: UnsafePointer<Float>, into rows: UnsafeMutablePointer<Float>, stride: Int, count: Int)

  /// Brings energies to between 0 and 1e30: a NaN becomes 0.
  ///
  /// - Parameters:
  ///   - energy: The energies, in and out.
  ///   - count: How many.
  static func bound(_ energy: UnsafeMutablePointer<Float>, count: Int)

  /// Per-channel energy normalisation of one row (see `FrontEnd.PCEN` for the equations).
  ///
  /// - Parameters:
  ///   - energy: E, `count` energies; replaced by y.
  ///   - mean: M, replaced by the new one.
  ///   - count: Bins.
  ///   - smoothing: Weight of the newest energy.
  ///   - gain: Exponent of the gain control.
  ///   - bias: Added before the root.
  ///   - power: Exponent of the root.
  ///   - epsilon: Floor of the mean.
  static func pcen(
    _ energy: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>, count: Int,
    smoothing: Float, gain: Float, bias: Float, power: Float, epsilon: Float)

  /// `x = (x - mean) scale`.
  ///
  /// - Parameters:
  ///   - row: The row, in and out.
  ///   - mean: Mean of each bin.
  ///   - scale: Inverse deviation of each bin.
  ///   - count: Bins.
  static func normalise(
    _ row: UnsafeMutablePointer<Float>, mean: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    count: Int)
}

/// How a group of eight filters stands in the numbers that `FramingKernels.filter` reads.
public enum FilterLayout {
  /// Where the number of chunks of eight bins stands, the widest filter's of the group.
  public static let chunks = 0
  /// Where the place of the group's first weight stands.
  public static let weights = 1
  /// Where the first bin of each of the eight filters stands.
  public static let firstBin = 2
  /// Where the number of chunks of each of the eight filters stands.
  public static let filterChunks = 10
  /// Numbers of a group.
  public static let stride = 18
}
