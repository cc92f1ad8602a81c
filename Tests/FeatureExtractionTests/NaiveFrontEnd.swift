import FeatureExtraction
import Glibc

/// The front end from its definition, in doubles: the oracle for any `FrontEnd`.
///
/// Whole recordings, a direct sum for each bin of the spectrum, mel weights computed afresh.
struct NaiveFrontEnd {
  let frontEnd: FrontEnd

  /// Frames that Kaldi would make of so many samples.
  func frames(inSamples n: Int) -> Int {
    switch frontEnd.edges {
    case .snip: n < frontEnd.frameLength ? 0 : 1 + (n - frontEnd.frameLength) / frontEnd.hop
    case .mirror: (n + frontEnd.hop / 2) / frontEnd.hop
    }
  }

  /// Index of the first sample of a frame; negative before the recording.
  func firstSample(ofFrame frame: Int) -> Int {
    switch frontEnd.edges {
    case .snip: frame * frontEnd.hop
    case .mirror: frame * frontEnd.hop + frontEnd.hop / 2 - frontEnd.frameLength / 2
    }
  }

  /// The mel energies of every frame.
  func energies(_ samples: [Float]) -> [[Double]] {
    let weights = melWeights()
    let table = (0..<frontEnd.fftSize).map { i in
      let angle = -2 * Double.pi * Double(i) / Double(frontEnd.fftSize)
      return (re: cos(angle), im: sin(angle))
    }
    return (0..<frames(inSamples: samples.count)).map { frame in
      let x = prepared(frame: frame, of: samples)
      let power = (0..<frontEnd.fftSize / 2).map { bin in
        var (re, im) = (0.0, 0.0)
        for (n, value) in x.enumerated() {
          let w = table[bin * n % frontEnd.fftSize]
          re += value * w.re
          im += value * w.im
        }
        return re * re + im * im
      }
      return weights.map { filter in zip(filter, power).reduce(0) { $0 + $1.0 * $1.1 } }
    }
  }

  /// Scaled, freed of its mean, pre-emphasised and tapered.
  private func prepared(frame: Int, of samples: [Float]) -> [Double] {
    let start = firstSample(ofFrame: frame)
    let scale = Double(frontEnd.sampleScale)
    var x = (0..<frontEnd.frameLength).map { i in
      scale * Double(samples[mirrored(start + i, count: samples.count)])
    }
    if frontEnd.removesDC {
      let mean = x.reduce(0, +) / Double(x.count)
      for i in x.indices { x[i] -= mean }
    }
    let k = Double(frontEnd.preEmphasis)
    for i in x.indices.reversed() { x[i] -= k * x[max(0, i - 1)] }
    for i in x.indices {
      let c = cos(2 * Double.pi * Double(i) / Double(x.count - 1))
      switch frontEnd.window {
      case .povey: x[i] *= pow(0.5 - 0.5 * c, 0.85)
      case .hamming: x[i] *= 0.54 - 0.46 * c
      case .hann: x[i] *= 0.5 - 0.5 * c
      case .rectangular: break
      }
    }
    return x
  }

  /// -1 is 0, -2 is 1; count is count - 1, and so on, as often as it takes.
  private func mirrored(_ index: Int, count: Int) -> Int {
    var index = index
    while index < 0 || index >= count {
      index = index < 0 ? -1 - index : 2 * count - 1 - index
    }
    return index
  }

  private func melWeights() -> [[Double]] {
    func mel(_ f: Double) -> Double { 1_127 * log(1 + f / 700) }
    let low = mel(frontEnd.lowFrequency)
    let width = (mel(frontEnd.highFrequency) - low) / Double(frontEnd.bins + 1)
    return (0..<frontEnd.bins).map { filter in
      (0..<frontEnd.fftSize / 2).map { bin in
        let f = Double(bin) * Double(frontEnd.sampleRate) / Double(frontEnd.fftSize)
        let distance = (mel(f) - low) / width - Double(filter + 1)
        return max(0, 1 - abs(distance))
      }
    }
  }
}
