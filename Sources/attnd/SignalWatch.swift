import FeatureExtraction

/// What makes a microphone deaf, found in the samples themselves: digital silence, clipping, a mean
/// that is not zero, a telephone's narrow band.
///
/// In: every sample of a stream, in pieces of any size. Out: each trouble once when it begins and once
/// when it is over. Judges by counts of samples, so that the same sound gives the same answers. Used by
/// one thread; allocates only in `init`.
///
/// What it costs: a comparison and two additions a sample, eight at a time, and ten small spectra a
/// second.
package struct SignalWatch: ~Copyable {
  /// A kind of trouble.
  package enum Trouble: CaseIterable, Sendable {
    /// Ten seconds of one and the same value.
    case silence
    /// Samples at full scale, several in a row, again and again.
    case clipping
    /// A mean far from zero.
    case offset
    /// Nothing above 4 kHz although there is sound below.
    case narrowBand
  }

  private var constancy: Constancy
  private var clipping: Clipping
  private var offset: Offset
  private var band: Band?

  /// - Parameter sampleRate: Samples a second; below 12,000 nothing is expected above 4 kHz.
  /// - Throws: What the front end of the spectra finds wrong with the rate.
  package init(sampleRate: Int) throws(FrontEndError) {
    constancy = Constancy(sampleRate)
    clipping = Clipping(sampleRate)
    offset = Offset(sampleRate)
    band = sampleRate >= Band.leastRate ? try Band(sampleRate) : nil
  }

  /// Share of the samples that clipped in the last whole second, 0 to 1.
  package var clippedShare: Double { clipping.share }

  /// Takes in the next samples.
  ///
  /// - Parameters:
  ///   - samples: In the stream's order.
  ///   - change: Called for each trouble that begins (true) or is over.
  package mutating func push(
    _ samples: UnsafeBufferPointer<Float>, _ change: (Trouble, Bool) -> Void
  ) {
    guard samples.count > 0 else { return }
    if let holds = constancy.push(samples) { change(.silence, holds) }
    if let holds = clipping.push(samples) { change(.clipping, holds) }
    // Of a constant the mean says nothing that `silence` hasn't said.
    if let holds = offset.push(samples, isSilent: constancy.holds) { change(.offset, holds) }
    if let holds = band?.push(samples) ?? nil { change(.narrowBand, holds) }
  }
}

/// Ten seconds of one value, as muted microphones and dead cables give.
private struct Constancy {
  /// Below a hundredth of a 16-bit step: what a resampler makes of a constant counts as constant.
  private static let tolerance: Float = 0x1p-22
  private static let seconds = 10

  private let longEnough: Int
  private var value: Float = 0
  /// Samples that were `value`, up to `longEnough`.
  private var run = 0
  private(set) var holds = false

  init(_ sampleRate: Int) { longEnough = Self.seconds * sampleRate }

  /// - Returns: Whether it holds from now on; nil where nothing changes.
  mutating func push(_ samples: UnsafeBufferPointer<Float>) -> Bool? {
    let before = holds
    var start = 0
    while let other = firstOther(in: samples, from: start) {
      // Another value at the end of a run that was long enough ends it.
      count(other - start)
      value = samples[other]
      run = 1
      holds = false
      start = other + 1
    }
    count(samples.count - start)
    return holds == before ? nil : holds
  }

  private mutating func count(_ samples: Int) {
    run = min(longEnough, run + min(samples, longEnough))
    if run == longEnough { holds = true }
  }

  private func firstOther(in samples: UnsafeBufferPointer<Float>, from start: Int) -> Int? {
    var i = start
    let low = SIMD8(repeating: value - Self.tolerance)
    let high = SIMD8(repeating: value + Self.tolerance)
    while i + 8 <= samples.count, let base = samples.baseAddress {
      let eight = UnsafeRawPointer(base + i).loadUnaligned(as: SIMD8<Float>.self)
      if any(eight .< low) || any(eight .> high) { break }
      i += 8
    }
    while i < samples.count {
      if (samples[i] - value).magnitude > Self.tolerance { return i }
      i += 1
    }
    return nil
  }
}

/// Runs of samples at full scale: their share of a second.
private struct Clipping {
  /// 0.09 dB below full scale: what a resampler makes of a flattened peak is above it too.
  private static let fullScale: Float = 0.99
  /// A loud sound touches full scale with a sample or two; a clipped one stays there.
  private static let leastRun = 3
  /// Of a second's samples: forty at 16 kHz.
  private static let tooMuch = 0.0025
  /// Seconds without, until it is over.
  private static let calmSeconds = 3

  private let second: Int
  private var run = 0
  private var clipped = 0
  private var heard = 0
  private var calm = 0
  private var holds = false
  private(set) var share = 0.0

  init(_ sampleRate: Int) { second = sampleRate }

  mutating func push(_ samples: UnsafeBufferPointer<Float>) -> Bool? {
    let before = holds
    var start = 0
    while start < samples.count {
      let end = min(samples.count, start + second - heard)
      count(UnsafeBufferPointer(rebasing: samples[start..<end]))
      heard += end - start
      start = end
      if heard == second { judge() }
    }
    return holds == before ? nil : holds
  }

  private mutating func count(_ samples: UnsafeBufferPointer<Float>) {
    var i = 0
    let (high, low) = (SIMD8(repeating: Self.fullScale), SIMD8(repeating: -Self.fullScale))
    while i < samples.count {
      if i + 8 <= samples.count, let base = samples.baseAddress {
        let eight = UnsafeRawPointer(base + i).loadUnaligned(as: SIMD8<Float>.self)
        if !any(eight .>= high), !any(eight .<= low) {
          run = 0
          i += 8
          continue
        }
      }
      if samples[i].magnitude >= Self.fullScale {
        run += 1
        // The run's first samples count when it has become long enough.
        clipped += run == Self.leastRun ? Self.leastRun : run > Self.leastRun ? 1 : 0
      } else {
        run = 0
      }
      i += 1
    }
  }

  private mutating func judge() {
    share = min(1, Double(clipped) / Double(second))
    (heard, clipped) = (0, 0)
    if share >= Self.tooMuch {
      (holds, calm) = (true, 0)
    } else if holds {
      calm += 1
      if calm >= Self.calmSeconds { holds = false }
    }
  }
}

/// The mean over four seconds, against a bound and against what is heard beside it.
private struct Offset {
  private static let seconds = 4
  /// -34 dBFS: where it begins to take away room and to hide quiet sound.
  private static let bound = 0.02
  private static let boundWhenOver = 0.01

  private let block: Int
  private var sum = 0.0
  private var energy = 0.0
  private var heard = 0
  private var holds = false

  init(_ sampleRate: Int) { block = Self.seconds * sampleRate }

  mutating func push(_ samples: UnsafeBufferPointer<Float>, isSilent: Bool) -> Bool? {
    let before = holds
    var start = 0
    while start < samples.count {
      let end = min(samples.count, start + block - heard)
      count(UnsafeBufferPointer(rebasing: samples[start..<end]))
      heard += end - start
      start = end
      if heard == block { judge(isSilent) }
    }
    return holds == before ? nil : holds
  }

  private mutating func count(_ samples: UnsafeBufferPointer<Float>) {
    var sums = SIMD8<Float>.zero
    var squares = SIMD8<Float>.zero
    var i = 0
    while i + 8 <= samples.count, let base = samples.baseAddress {
      let eight = UnsafeRawPointer(base + i).loadUnaligned(as: SIMD8<Float>.self)
      sums += eight
      squares += eight * eight
      i += 8
    }
    sum += Double(sums.sum())
    energy += Double(squares.sum())
    while i < samples.count {
      sum += Double(samples[i])
      energy += Double(samples[i] * samples[i])
      i += 1
    }
  }

  private mutating func judge(_ isSilent: Bool) {
    let mean = (sum / Double(block)).magnitude
    let power = energy / Double(block)
    let sound = max(0, power - mean * mean)
    // More power in the mean than in everything else.
    if mean >= Self.bound, mean * mean >= sound, !isSilent {
      holds = true
    } else if mean < Self.boundWhenOver || isSilent {
      holds = false
    }
    (sum, energy, heard) = (0, 0, 0)
  }
}

/// Whether there is anything above 4 kHz, in ten spectra a second.
///
/// What came through 8 kHz ends like a cliff below 4 kHz. What merely has little treble, a quiet room or
/// a bass, falls gently: its band just below 4 kHz is weak as well. So two ratios are judged, over
/// spectra that are loud enough to tell.
private struct Band: ~Copyable {
  static let leastRate = 12_000
  /// Samples of a spectrum: 32 ms at 16 kHz.
  private static let window = 512
  private static let spectraPerSecond = 10
  /// Loud spectra in a judgement: five seconds of sound that says something.
  private static let spectraInJudgement = 50
  /// RMS of the low band from which a spectrum counts: -50 dBFS.
  private static let loud = 1e-5
  /// Power above 4.4 kHz to power below 3.4 kHz: -45 dB, and -38 dB when it is over.
  ///
  /// Wide recordings of keywords, music and noise lay above -40 dB but for two in 125, the same through
  /// 8 kHz below -46 (music -57) but for noise (-43).
  private static let (little, littleWhenOver) = (3e-5, 1.6e-4)
  /// To power just below the edge: -20 dB, and -15 dB when it is over.
  ///
  /// The two had -15 and -20, what came
  /// through 8 kHz -29 and less.
  private static let (cliff, cliffWhenOver) = (0.01, 0.03)

  private let period: Int
  private let lowBins: Range<Int>
  private let edgeBins: Range<Int>
  private let highBins: Range<Int>
  private var spectra: FeatureExtractor
  private var sums = BandPowers()
  private var count = 0
  /// Samples since the beginning of a period; the first `window` of them are looked at.
  private var place = 0
  private var holds = false

  init(_ sampleRate: Int) throws(FrontEndError) {
    var frontEnd = FrontEnd.powerSpectrum
    frontEnd.sampleRate = sampleRate
    frontEnd.highFrequency = Double(sampleRate) / 2
    frontEnd.frameLength = Self.window
    frontEnd.fftSize = Self.window
    frontEnd.hop = Self.window
    spectra = try FeatureExtractor(
      frontEnd, mean: Array(repeating: 0, count: frontEnd.bins),
      scale: Array(repeating: 1, count: frontEnd.bins))
    period = max(Self.window, sampleRate / Self.spectraPerSecond)
    func bins(_ from: Double, _ to: Double) -> Range<Int> {
      let perBin = Double(sampleRate) / Double(Self.window)
      return Int((from / perBin).rounded(.up))..<Int((to / perBin).rounded(.down))
    }
    lowBins = bins(150, 3_400)
    edgeBins = bins(2_400, 3_400)
    highBins = bins(4_400, min(7_000, 0.45 * Double(sampleRate)))
  }

  mutating func push(_ samples: UnsafeBufferPointer<Float>) -> Bool? {
    let before = holds
    var start = 0
    while start < samples.count {
      let stop = place < Self.window ? Self.window : period
      let end = min(samples.count, start + stop - place)
      if place < Self.window {
        look(UnsafeBufferPointer(rebasing: samples[start..<end]))
      }
      place += end - start
      start = end
      if place == period { place = 0 }
    }
    return holds == before ? nil : holds
  }

  private mutating func look(_ samples: UnsafeBufferPointer<Float>) {
    var powers: BandPowers?
    let (low, edge, high) = (lowBins, edgeBins, highBins)
    spectra.push(samples.span) { row in
      powers = BandPowers(low: row.power(low), edge: row.power(edge), high: row.power(high))
    }
    // Parseval, for one half of the spectrum under a Hann window, whose mean square is 3/8.
    let scale = 2 / (0.375 * Double(Self.window * Self.window))
    guard let powers, powers.low * scale >= Self.loud else { return }
    sums.add(powers)
    count += 1
    if count == Self.spectraInJudgement { judge() }
  }

  private mutating func judge() {
    if sums.high < Self.little * sums.low, sums.high < Self.cliff * sums.edge {
      holds = true
    } else if sums.high > Self.littleWhenOver * sums.low
      || sums.high > Self.cliffWhenOver * sums.edge
    {
      holds = false
    }
    sums = BandPowers()
    count = 0
  }
}

private struct BandPowers {
  var low = 0.0
  var edge = 0.0
  var high = 0.0

  mutating func add(_ other: BandPowers) {
    low += other.low
    edge += other.edge
    high += other.high
  }
}

extension Span<Float> {
  fileprivate func power(_ bins: Range<Int>) -> Double {
    var sum = 0.0
    for bin in bins { sum += Double(self[bin]) }
    return sum
  }
}
