import Glibc

/// The taper that a frame is multiplied by before its spectrum is taken.
public enum WindowFunction: String, Sendable, CaseIterable {
  /// Hann to the power 0.85: near Hamming, but reaching zero at its ends (Kaldi's default).
  case povey
  /// 0.54 - 0.46 cos (R. W. Hamming).
  case hamming
  /// 0.5 - 0.5 cos (J. von Hann).
  case hann
  /// No taper.
  case rectangular
  /// Hann with the period of a frame instead of its span, for overlapping frames (librosa's, SciPy's
  /// `sym=False`).
  case periodicHann = "periodic-hann"
  /// Hamming with the period of a frame instead of its span.
  case periodicHamming = "periodic-hamming"

  /// The coefficients over a whole frame, computed in double and rounded once.
  ///
  /// Symmetric; the periodic ones are the first `length` of a symmetric window with one more.
  ///
  /// - Parameter length: Samples of the frame, 2 or more.
  /// - Returns: `length` coefficients in 0 ... 1.
  public func coefficients(length: Int) -> [Float] {
    precondition(length > 1, "A window function needs two samples or more")
    let period = self == .periodicHann || self == .periodicHamming ? length : length - 1
    return (0..<length).map { i in
      let c = cos(2 * Double.pi * Double(i) / Double(period))
      switch self {
      case .povey: return Float(pow(0.5 - 0.5 * c, 0.85))
      case .hamming, .periodicHamming: return Float(0.54 - 0.46 * c)
      case .hann, .periodicHann: return Float(0.5 - 0.5 * c)
      case .rectangular: return 1
      }
    }
  }
}
