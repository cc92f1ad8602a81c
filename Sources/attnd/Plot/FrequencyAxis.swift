import FeatureExtraction
import Glibc

/// Where frequencies lie among the bins of a row.
package struct FrequencyAxis: Sendable {
  /// Bins of the row.
  package let bins: Int
  /// The frequencies of the first bin's lower and the last one's upper edge, hertz.
  package let range: ClosedRange<Double>
  private let scale: FrontEnd.MelScale
  /// The place on the scale that stands at the lower edge of the first bin, and the bins' distance.
  private let origin: Double
  private let width: Double

  /// The axis of a front end's rows.
  ///
  /// A mel bin's middle is the peak of its filter; bin k of a spectrum has its own at
  /// k / `fftSize` of the rate.
  package init(_ frontEnd: FrontEnd) {
    bins = frontEnd.bins
    scale = frontEnd.melScale
    if scale == .none {
      width = Double(frontEnd.sampleRate) / Double(frontEnd.fftSize)
      origin = -width / 2
      range = 0...Double(frontEnd.sampleRate) / 2
    } else {
      let low = scale.place(of: frontEnd.lowFrequency)
      width = (scale.place(of: frontEnd.highFrequency) - low) / Double(bins + 1)
      origin = low + width / 2
      range = scale.hertz(at: origin)...scale.hertz(at: origin + Double(bins) * width)
    }
  }

  /// Bins from the lower edge of the first one; its middle is 0.5.
  package func position(of hertz: Double) -> Double { (scale.place(of: hertz) - origin) / width }

  /// Round frequencies, ascending.
  ///
  /// - Parameters:
  ///   - pixels: Height of the axis.
  ///   - distance: Pixels that two of them keep apart.
  /// - Returns: The marks.
  package func ticks(pixels: Int, distance: Int) -> [Tick] {
    guard scale != .none else { return Ticks.decimal(in: range, atMost: max(2, pixels / distance)) }
    let pixelsPerBin = Double(pixels) / Double(bins)
    var chosen: [Int] = []
    for hertz in Self.roundFrequencies where range.contains(Double(hertz)) {
      let place = position(of: Double(hertz)) * pixelsPerBin
      let isFree = chosen.allSatisfy {
        abs(position(of: Double($0)) * pixelsPerBin - place) >= Double(distance)
      }
      if isFree { chosen.append(hertz) }
    }
    // A narrow band may lie between two of them.
    guard chosen.count > 1 else {
      return Ticks.decimal(in: range, atMost: max(2, pixels / distance / 2))
    }
    return chosen.sorted().map { Tick(value: Double($0), label: "\($0)") }
  }

  /// The most telling first: octaves from 1000 Hz, then what fills the gaps between them.
  private static let roundFrequencies = [
    1_000, 2_000, 4_000, 500, 8_000, 16_000, 32_000, 64_000, 128_000, 100, 200, 300, 3_000, 6_000,
    12_000, 24_000, 48_000, 96_000, 192_000, 1_500, 700, 50, 20,
  ]
}

extension FrontEnd.MelScale {
  /// The number of a frequency on the scale that the bins are equally spaced on.
  ///
  /// HTK's and Slaney's mel, as `MelTriangles` has them (a test holds them together); hertz where
  /// there are no filters.
  fileprivate func place(of hertz: Double) -> Double {
    switch self {
    case .htk: 1_127 * Glibc.log(1 + hertz / 700)
    case .slaney:
      hertz < 1_000 ? hertz * 3 / 200 : 15 + 27 * Glibc.log(hertz / 1_000) / Glibc.log(6.4)
    case .none: hertz
    }
  }

  /// The frequency of such a number.
  fileprivate func hertz(at place: Double) -> Double {
    switch self {
    case .htk: 700 * (Glibc.exp(place / 1_127) - 1)
    case .slaney: place < 15 ? place * 200 / 3 : 1_000 * Glibc.pow(6.4, (place - 15) / 27)
    case .none: place
    }
  }
}
