extension FrontEnd {
  /// Where the frames lie, and what stands in for samples outside of the recording.
  public enum Edges: String, Sendable, CaseIterable {
    /// Frame i starts at sample i x hop; only whole frames count. Kaldi's `snip-edges=true`.
    case snip
    /// Frame i is centred on hop i; the recording is mirrored at its ends, sample -1 is sample 0.
    /// Kaldi's `snip-edges=false`.
    case mirror
    /// Frame i is centred on sample i x hop; the recording is reflected at its ends, sample -1 is
    /// sample 1. librosa's `pad_mode="reflect"`.
    case reflect
    /// Frame i is centred on sample i x hop; zeros stand before the recording and after it.
    /// librosa's `pad_mode="constant"`.
    case zero
  }

  /// The filters that a power spectrum is summed under.
  public enum MelScale: String, Sendable, CaseIterable {
    /// Kaldi's: triangles linear in mel = 1127 ln(1 + f / 700), peak 1, the Nyquist bin unused.
    case htk
    /// librosa's: edges on Slaney's scale, triangles linear in hertz with the area of 1 Hz.
    case slaney
    /// None: a row is the power spectrum itself, `fftSize` / 2 + 1 bins from 0 Hz to half the rate.
    case none
  }

  /// What happens to a mel energy before it becomes an element of a row.
  public enum Compression: Sendable, Equatable {
    /// The energy as it is.
    case linear
    /// `ln(max(E, floor))`; the floor is an energy.
    case log(floor: Float)
    /// `10 log10(max(E, floor))`; the floor is an energy.
    case decibels(floor: Float)
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
    /// Weight of the newest energy in the running mean, 2^-20 to 1.
    public var smoothing: Float
    /// Exponent of the gain control, 0 to 1; 1 removes the level altogether.
    public var gain: Float
    /// Added before the root; large against the normalised energy of noise.
    public var bias: Float
    /// Exponent of the final root, 2^-10 to 1.
    public var power: Float
    /// Keeps silence from being amplified without bound; in the unit of the energy.
    public var epsilon: Float

    /// Gathers the five parameters; `FrontEnd.validate` checks them.
    ///
    /// - Parameters:
    ///   - smoothing: Weight of the newest energy in the running mean.
    ///   - gain: Exponent of the gain control.
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

  /// Cepstral coefficients: the orthonormal cosine transform (DCT-II) of the compressed row.
  public struct Cepstra: Sendable, Equatable {
    /// Coefficients kept, the first ones; at most `bins`.
    public var count: Int
    /// L of the weights `1 + L / 2 sin(pi k / L)` of coefficients k (HTK book, section 5.6); 0 for
    /// none.
    public var lifter: Float
    /// Whether coefficient 0 is the frame's energy instead: `ln(max(sum of x^2, 2^-23))` of the
    /// scaled samples, after the mean is removed and before pre-emphasis (Kaldi's raw energy).
    public var energy: Bool

    /// Gathers the three; `FrontEnd.validate` checks them.
    ///
    /// - Parameters:
    ///   - count: Coefficients kept.
    ///   - lifter: L of the weights; 0 for none.
    ///   - energy: Whether coefficient 0 is the frame's energy.
    public init(count: Int, lifter: Float = 0, energy: Bool = false) {
      self.count = count
      self.lifter = lifter
      self.energy = energy
    }
  }

  /// Running mean and variance normalisation: each element by what the stream has shown of it.
  ///
  /// With `d = x - m`: `m += a d`, `v = (1 - a) (v + a d^2)`, `y = (x - m) / sqrt(v + 1e-5)`, the new
  /// m and v: exponentially weighted mean and variance (Finch: Incremental Calculation of Weighted
  /// Mean and Variance, 2009, section 9).
  public struct RunningNormalisation: Sendable, Equatable {
    /// What mean and variance are before the first row.
    public enum Start: String, Sendable, CaseIterable {
      /// Nothing is known: the rate is 1 / (t + 1) at row t until that is less than `rate`, which
      /// is the plain mean and variance of the rows so far. The first row is all zeros.
      case warm
      /// The model's mean, and the variance 1 / scale^2 of its scale, which are then not applied
      /// again.
      case model
    }

    /// a, the weight of the newest row, 2^-14 to 1/2; memory is about 1 / a rows long.
    public var rate: Float
    /// What mean and variance are before the first row.
    public var start: Start

    /// Gathers the two; `FrontEnd.validate` checks them.
    ///
    /// - Parameters:
    ///   - rate: Weight of the newest row.
    ///   - start: What mean and variance are before the first row.
    public init(rate: Float, start: Start) {
      self.rate = rate
      self.start = start
    }
  }
}
