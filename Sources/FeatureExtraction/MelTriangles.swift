import Glibc

/// The filters of a front end: for each its first bin of the spectrum, and its weights from there.
///
/// Computed in double and rounded once. A filter narrower than the distance of two bins may have no
/// weights; its energy is 0.
package struct MelTriangles: Sendable {
  /// One filter.
  package struct Filter: Sendable {
    /// The first bin of the spectrum that it weighs.
    package let firstBin: Int
    /// Weights of that bin and those after it.
    package let weights: [Float]
  }

  /// The filters, lowest first; the bins themselves with `FrontEnd.MelScale.none`.
  package let filters: [Filter]

  /// Makes the filters of a front end.
  ///
  /// - Parameter frontEnd: The scale, the number of bins, the edges, the rate and the transform's
  ///   size.
  package init(_ frontEnd: FrontEnd) {
    switch frontEnd.melScale {
    case .none: filters = (0..<frontEnd.bins).map { Filter(firstBin: $0, weights: [1]) }
    case .htk: filters = Self.htk(frontEnd)
    case .slaney: filters = Self.slaney(frontEnd)
    }
  }

  /// Kaldi's: triangles linear in mel with peak 1; the Nyquist bin is never used.
  private static func htk(_ frontEnd: FrontEnd) -> [Filter] {
    let scale = FrontEnd.MelScale.htk
    let low = scale.mel(frontEnd.lowFrequency)
    let width = (scale.mel(frontEnd.highFrequency) - low) / Double(frontEnd.bins + 1)
    let mels = (0..<frontEnd.fftSize / 2).map { scale.mel(Double($0) * frontEnd.binWidth) }
    return (0..<frontEnd.bins).map { filter in
      let left = low + Double(filter) * width
      let centre = left + width
      let right = centre + width
      return nonzero(mels) { mel in
        mel <= centre ? (mel - left) / width : (right - mel) / width
      }
    }
  }

  /// librosa's: edges equally spaced in mel, triangles linear in hertz, all bins, divided by half
  /// their base so that each has the area of 1 Hz.
  private static func slaney(_ frontEnd: FrontEnd) -> [Filter] {
    let scale = FrontEnd.MelScale.slaney
    let low = scale.mel(frontEnd.lowFrequency)
    let width = (scale.mel(frontEnd.highFrequency) - low) / Double(frontEnd.bins + 1)
    let edges = (0..<frontEnd.bins + 2).map { scale.hertz(low + Double($0) * width) }
    let frequencies = (0...frontEnd.fftSize / 2).map { Double($0) * frontEnd.binWidth }
    return (0..<frontEnd.bins).map { filter in
      let (left, centre, right) = (edges[filter], edges[filter + 1], edges[filter + 2])
      return nonzero(frequencies) { frequency in
        let rising = (frequency - left) / (centre - left)
        let falling = (right - frequency) / (right - centre)
        return min(rising, falling) * 2 / (right - left)
      }
    }
  }

  /// The weights of a filter, from the first that is more than zero to the last.
  private static func nonzero(_ places: [Double], weight: (Double) -> Double) -> Filter {
    guard let first = places.firstIndex(where: { weight($0) > 0 }) else {
      return Filter(firstBin: 0, weights: [])
    }
    let weights = places[first...].prefix { weight($0) > 0 }.map { Float(weight($0)) }
    return Filter(firstBin: first, weights: weights)
  }
}

extension FrontEnd {
  /// Hertz from one bin of the spectrum to the next.
  fileprivate var binWidth: Double { Double(sampleRate) / Double(fftSize) }
}

extension FrontEnd.MelScale {
  /// Frequency in hertz to the scale on which the filters are equally spaced; hertz where there are
  /// none.
  ///
  /// HTK's is `1127 ln(1 + f / 700)` (HTK book, section 5.4); Slaney's (Auditory Toolbox, 1998) is
  /// linear below 1000 Hz, 66.7 Hz a mel, and logarithmic above, 27 mel to 6400 Hz.
  package func mel(_ hertz: Double) -> Double {
    switch self {
    case .htk: 1_127 * Glibc.log(1 + hertz / 700)
    case .slaney:
      hertz < 1_000 ? hertz * 3 / 200 : 15 + Glibc.log(hertz / 1_000) / Self.logarithmicStep
    case .none: hertz
    }
  }

  /// The frequency at a place of the scale, hertz.
  package func hertz(_ mel: Double) -> Double {
    switch self {
    case .htk: 700 * (Glibc.exp(mel / 1_127) - 1)
    case .slaney: mel < 15 ? mel * 200 / 3 : 1_000 * Glibc.exp((mel - 15) * Self.logarithmicStep)
    case .none: mel
    }
  }

  /// Slaney's step above 1000 Hz, the logarithm of a ratio.
  private static var logarithmicStep: Double { Glibc.log(6.4) / 27 }
}
