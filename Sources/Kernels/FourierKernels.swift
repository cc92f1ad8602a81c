/// Fourier transforms, one alone or eight at once.
///
/// One transform: `re` and `im` are arrays of their own. Eight at once: lanes side by side, a real
/// array as `x[i * 8 + lane]`, a complex one as blocks of sixteen floats, the real parts of the
/// eight lanes and then the imaginary ones. Arguments overlap nothing. Nothing is
/// scaled, but complex transforms by `plan.scale`.
public protocol FourierKernels {
  /// `Z_k = sum_n z_n exp(-2 pi i n k / N)`.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - pairs: z, N pairs of real and imaginary part.
  ///   - re: Receives the real parts; has room for N + 8.
  ///   - im: Receives the imaginary parts; has room for N + 8.
  ///   - scratch: `plan.scratchCount` floats.
  static func transform(
    _ plan: TransformPlan, _ pairs: UnsafePointer<Float>, re: UnsafeMutablePointer<Float>,
    im: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)

  /// Eight complex transforms.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - blocks: z, N blocks.
  ///   - result: Receives Z, N blocks.
  ///   - scratch: `plan.eightScratchCount` floats.
  static func transformEight(
    _ plan: TransformPlan, _ blocks: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)

  /// The spectrum of 2 N real samples: bins 0 ... N.
  ///
  /// By a complex transform of half the length: `X_k = E_k + w^k O_k` with
  /// `E_k = (Z_k + conj Z_(N-k)) / 2`, `O_k = (Z_k - conj Z_(N-k)) / 2i`, `w = exp(-pi i / N)`.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - samples: 2 N samples.
  ///   - re: Receives N + 1 real parts.
  ///   - im: Receives N + 1 imaginary parts.
  ///   - scratch: `plan.scratchCount` floats.
  static func spectrum(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, re: UnsafeMutablePointer<Float>,
    im: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)

  /// Eight spectra of real samples.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - samples: 2 N samples of each lane.
  ///   - result: Receives N + 1 blocks.
  ///   - scratch: `plan.eightScratchCount` floats.
  static func spectrumEight(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)

  /// The power spectrum `|X_k|^2` of 2 N real samples.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - samples: 2 N samples.
  ///   - power: Receives N + 1 powers.
  ///   - scratch: `plan.scratchCount` floats.
  static func powerSpectrum(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)

  /// Eight power spectra.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - samples: 2 N samples of each lane.
  ///   - power: Receives N + 1 powers of each lane.
  ///   - scratch: `plan.eightScratchCount` floats.
  static func powerSpectrumEight(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)

  /// What undoes the first half of `spectrum`: bins of a real signal -> the complex spectrum whose
  /// inverse transform holds the even samples as real and the odd ones as imaginary parts.
  ///
  /// `Z_k = E_k + i O_k` with `E_k = (X_k + conj X_(N-k)) / 2`,
  /// `O_k = w^-k (X_k - conj X_(N-k)) / 2`; the imaginary parts of bins 0 and N count as zero. Real
  /// and imaginary parts come out exchanged, so that a forward transform undoes the rest.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - re: N + 1 real parts.
  ///   - im: N + 1 imaginary parts.
  ///   - pairs: Receives Z, N pairs of imaginary and real part.
  static func unravel(
    _ plan: TransformPlan, re: UnsafePointer<Float>, im: UnsafePointer<Float>,
    into pairs: UnsafeMutablePointer<Float>)

  /// The same for eight spectra.
  ///
  /// - Parameters:
  ///   - plan: The plan of N.
  ///   - blocks: N + 1 blocks.
  ///   - result: Receives N blocks, imaginary parts first.
  static func unravelEight(
    _ plan: TransformPlan, _ blocks: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>)
}
