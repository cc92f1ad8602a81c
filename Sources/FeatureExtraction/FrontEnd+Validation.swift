extension FrontEnd {
  /// Whether a front end may have a transform of this size: an even one from 16 points on.
  ///
  /// - Parameter size: Points.
  /// - Returns: Whether `fftSize` may be it.
  package static func isTransformSize(_ size: Int) -> Bool {
    size >= 16 && size.isMultiple(of: 2) && FourierTransform.supports(size: size)
  }

  /// Checks every number against the others.
  ///
  /// - Throws: `FrontEndError` naming the first number that cannot be, and what can.
  public func validate() throws(FrontEndError) {
    try require(1_000...384_000, "sample_rate", sampleRate)
    try require(16...FourierTransform.largestSize, "frame_length", frameLength)
    try require(1...frameLength, "hop", hop)
    guard fftSize >= frameLength, FrontEnd.isTransformSize(fftSize) else {
      throw FrontEndError(
        field: "fft_size", found: "\(fftSize)",
        expected: "an even number from \(frameLength) to \(FourierTransform.largestSize) "
          + "with no prime factor above 5")
    }
    try require(0...1, "pre_emphasis", preEmphasis)
    try require(0x1p-20...0x1p20, "sample_scale", sampleScale)
    try validateFilters()
    switch compression {
    case .linear: break
    case .log(let floor), .decibels(let floor):
      try require(Float.leastNormalMagnitude...1e30, "floor", floor)
    case .pcen(let pcen):
      try require(0x1p-20...1, "smoothing", pcen.smoothing)
      try require(0...1, "gain", pcen.gain)
      try require(0...1e6, "bias", pcen.bias)
      try require(0x1p-10...1, "power", pcen.power)
      try require(1e-30...1e30, "epsilon", pcen.epsilon)
    }
    if let cepstra {
      try require(1...bins, "cepstra.count", cepstra.count)
      try require(0...1_000, "cepstra.lifter", cepstra.lifter)
    }
    try require(0...2, "deltas", deltas)
    // Slower than 2^-14 (164 s of 10 ms rows) a float mean near 16 would no longer be moved by a
    // hundredth; a rate of 1 would make every row zeros.
    if let running { try require(0x1p-14...0.5, "running.rate", running.rate) }
  }

  /// Checks what is subtracted from a row, and what it is multiplied by after that.
  ///
  /// - Parameters:
  ///   - mean: A number for each element of a row.
  ///   - scale: A number for each element of a row.
  /// - Throws: `FrontEndError` when they are not as many as that, not finite, or so large that a row
  ///   could overflow; where a running normalisation starts from them, when a scale isn't positive.
  package func validate(mean: [Float], scale: [Float]) throws(FrontEndError) {
    try require(
      mean.count == rowLength && scale.count == rowLength, "feature.mean and feature.scale",
      "\(mean.count) and \(scale.count) long", "\(rowLength) each, a number per element of a row")
    let areMoments = running?.start == .model
    let largestMean = areMoments ? RunningMoments.largestElement : RowChain.largestElement
    for (i, value) in mean.enumerated() {
      try require(-largestMean...largestMean, "feature.mean[\(i)]", value)
    }
    // (1e30 + 1e30) 1e8 is still a float, and so is a variance of 1 / 1e-18^2.
    let leastScale: Float = areMoments ? 1e-18 : -1e8
    for (i, value) in scale.enumerated() {
      try require(leastScale...1e8, "feature.scale[\(i)]", value)
    }
  }

  private func validateFilters() throws(FrontEndError) {
    let nyquist = Double(sampleRate) / 2
    guard melScale != .none else {
      let none = "with mel_scale none"
      try require(bins == fftSize / 2 + 1, "bins", "\(bins)", "\(fftSize / 2 + 1) \(none)")
      try require(lowFrequency == 0, "low_hz", "\(lowFrequency)", "0.0 \(none)")
      try require(highFrequency == nyquist, "high_hz", "\(highFrequency)", "\(nyquist) \(none)")
      return
    }
    try require(1...min(512, fftSize / 2), "bins", bins)
    try require(0...nyquist, "low_hz", lowFrequency)
    try require(0...nyquist, "high_hz", highFrequency)
    try require(
      lowFrequency < highFrequency, "high_hz", "\(highFrequency)",
      "more than low_hz, \(lowFrequency)")
  }

  private func require<T: Comparable>(
    _ range: ClosedRange<T>, _ field: String, _ value: T
  ) throws(FrontEndError) {
    // A NaN is in no range.
    try require(
      range.contains(value), field, "\(value)", "\(range.lowerBound) to \(range.upperBound)")
  }

  private func require(
    _ condition: Bool, _ field: String, _ found: String, _ expected: String
  ) throws(FrontEndError) {
    guard condition else { throw FrontEndError(field: field, found: found, expected: expected) }
  }
}
