/// What happens to a frame between the samples and the transform, and between the transform and
/// the row.
public enum Framing {
  /// Scales a frame, takes off its mean, pre-emphasises and tapers it; pads it with zeros.
  ///
  /// `e_i = x_i - k x_(i-1)`, with `e_0 = x_0 - k x_0` as Kaldi has it.
  ///
  /// - Parameters:
  ///   - samples: The frame.
  ///   - output: Receives `paddedLength` values; overlaps nothing.
  ///   - window: The taper.
  ///   - length: Samples of the frame, at least 1.
  ///   - paddedLength: Points of the transform, `length` or more.
  ///   - scale: What samples are multiplied by.
  ///   - preEmphasis: k.
  ///   - removesMean: Whether the mean is subtracted.
  public static func prepare(
    _ samples: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>,
    window: UnsafePointer<Float>, length: Int, paddedLength: Int, scale: Float,
    preEmphasis: Float, removesMean: Bool
  ) {
    let mean = removesMean ? Reduction.sum(samples, count: length) / Float(length) : 0
    let first = (samples[0] - mean) * scale
    output[0] = (first - preEmphasis * first) * window[0]
    for i in 1..<length {
      let previous = (samples[i - 1] - mean) * scale
      let current = (samples[i] - mean) * scale
      output[i] = (current - preEmphasis * previous) * window[i]
    }
    for i in length..<paddedLength { output[i] = 0 }
  }

  /// `power = re^2 + im^2`.
  ///
  /// - Parameters:
  ///   - spectrum: The bins of the transform.
  ///   - power: Receives the power spectrum.
  ///   - count: Bins.
  public static func power(
    _ spectrum: Butterflies.Complex, into power: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count {
      power[i] = spectrum.re[i] * spectrum.re[i] + spectrum.im[i] * spectrum.im[i]
    }
  }

  /// Brings energies to between 0 and 1e30: a NaN becomes 0.
  ///
  /// Samples beyond all measure give infinite energies; a NaN or an infinity that got into a
  /// recurrent state would never leave it.
  ///
  /// - Parameters:
  ///   - energy: The energies, in and out.
  ///   - count: How many.
  public static func bound(_ energy: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count {
      let positive = energy[i] > 0 ? energy[i] : 0
      energy[i] = positive < 1e30 ? positive : 1e30
    }
  }

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
  public static func pcen(
    _ energy: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>, count: Int,
    smoothing: Float, gain: Float, bias: Float, power: Float, epsilon: Float
  ) {
    let biasRoot = bias > 0 ? Logarithm.power(bias, power) : 0
    for i in 0..<count {
      let running = (1 - smoothing) * mean[i] + smoothing * energy[i]
      mean[i] = running
      let normalised = energy[i] * Logarithm.power(epsilon + running, -gain) + bias
      energy[i] = Logarithm.power(normalised, power) - biasRoot
    }
  }

  /// `x = (x - mean) scale`.
  ///
  /// - Parameters:
  ///   - row: The row, in and out.
  ///   - mean: Mean of each bin.
  ///   - scale: Inverse deviation of each bin.
  ///   - count: Bins.
  public static func normalise(
    _ row: UnsafeMutablePointer<Float>, mean: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    count: Int
  ) {
    for i in 0..<count { row[i] = (row[i] - mean[i]) * scale[i] }
  }
}
