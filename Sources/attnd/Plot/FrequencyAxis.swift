import FeatureExtraction

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
      let low = scale.mel(frontEnd.lowFrequency)
      width = (scale.mel(frontEnd.highFrequency) - low) / Double(bins + 1)
      origin = low + width / 2
      range = scale.hertz(origin)...scale.hertz(origin + Double(bins) * width)
    }
  }

  /// Bins from the lower edge of the first one; its middle is 0.5.
  package func position(of hertz: Double) -> Double { (scale.mel(hertz) - origin) / width }

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
