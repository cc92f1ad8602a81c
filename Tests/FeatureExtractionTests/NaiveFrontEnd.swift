import FeatureExtraction
import Glibc

/// The front end from its definition, in doubles: the oracle for any `FrontEnd`.
///
/// Whole recordings, a direct sum for each bin of the spectrum, mel weights computed afresh.
struct NaiveFrontEnd {
  let frontEnd: FrontEnd

  /// Frames that Kaldi or librosa would make of so many samples.
  func frames(inSamples n: Int) -> Int {
    switch frontEnd.edges {
    case .snip: n < frontEnd.frameLength ? 0 : 1 + (n - frontEnd.frameLength) / frontEnd.hop
    case .mirror: (n + frontEnd.hop / 2) / frontEnd.hop
    case .reflect, .zero: 1 + n / frontEnd.hop
    }
  }

  /// Index of the first sample of a frame; negative before the recording.
  func firstSample(ofFrame frame: Int) -> Int {
    switch frontEnd.edges {
    case .snip: frame * frontEnd.hop
    case .mirror: frame * frontEnd.hop + frontEnd.hop / 2 - frontEnd.frameLength / 2
    case .reflect, .zero:
      // librosa: fftSize samples around the centre, the taper padded on both sides to as many.
      frame * frontEnd.hop - frontEnd.fftSize / 2 + (frontEnd.fftSize - frontEnd.frameLength) / 2
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
      let power = (0...frontEnd.fftSize / 2).map { bin in
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
      scale * sample(start + i, of: samples)
    }
    if frontEnd.removesDC {
      let mean = x.reduce(0, +) / Double(x.count)
      for i in x.indices { x[i] -= mean }
    }
    let k = Double(frontEnd.preEmphasis)
    for i in x.indices.reversed() { x[i] -= k * x[max(0, i - 1)] }
    for i in x.indices {
      let c = cos(2 * Double.pi * Double(i) / Double(x.count - 1))
      let periodic = cos(2 * Double.pi * Double(i) / Double(x.count))
      switch frontEnd.window {
      case .povey: x[i] *= pow(0.5 - 0.5 * c, 0.85)
      case .hamming: x[i] *= 0.54 - 0.46 * c
      case .hann: x[i] *= 0.5 - 0.5 * c
      case .rectangular: break
      case .periodicHann: x[i] *= 0.5 - 0.5 * periodic
      case .periodicHamming: x[i] *= 0.54 - 0.46 * periodic
      }
    }
    return x
  }

  /// A sample of the recording or of what stands beside it, mirrored as often as it takes.
  private func sample(_ index: Int, of samples: [Float]) -> Double {
    var index = index
    let count = samples.count
    while index < 0 || index >= count {
      switch frontEnd.edges {
      case .snip, .zero: return 0
      // -1 is 0, -2 is 1; count is count - 1, and so on.
      case .mirror: index = index < 0 ? -1 - index : 2 * count - 1 - index
      // -1 is 1, -2 is 2; count is count - 2, and so on.
      case .reflect: index = index < 0 ? -index : 2 * count - 2 - index
      }
    }
    return Double(samples[index])
  }

  private func melWeights() -> [[Double]] {
    let frequencies = (0...frontEnd.fftSize / 2).map {
      Double($0) * Double(frontEnd.sampleRate) / Double(frontEnd.fftSize)
    }
    switch frontEnd.melScale {
    case .none:
      return frequencies.indices.map { bin in frequencies.indices.map { $0 == bin ? 1 : 0 } }
    case .htk:
      func mel(_ f: Double) -> Double { 1_127 * log(1 + f / 700) }
      let low = mel(frontEnd.lowFrequency)
      let width = (mel(frontEnd.highFrequency) - low) / Double(frontEnd.bins + 1)
      return (0..<frontEnd.bins).map { filter in
        frequencies.dropLast().map { f in
          let distance = (mel(f) - low) / width - Double(filter + 1)
          return max(0, 1 - abs(distance))
        } + [0]
      }
    case .slaney:
      func mel(_ f: Double) -> Double {
        f < 1_000 ? 0.015 * f : 15 + 27 * log(f / 1_000) / log(6.4)
      }
      func hertz(_ m: Double) -> Double { m < 15 ? m / 0.015 : 1_000 * pow(6.4, (m - 15) / 27) }
      let low = mel(frontEnd.lowFrequency)
      let width = (mel(frontEnd.highFrequency) - low) / Double(frontEnd.bins + 1)
      return (0..<frontEnd.bins).map { filter in
        let (left, centre, right) = (
          hertz(low + Double(filter) * width), hertz(low + Double(filter + 1) * width),
          hertz(low + Double(filter + 2) * width)
        )
        return frequencies.map { f in
          let height = f < centre ? (f - left) / (centre - left) : (right - f) / (right - centre)
          return max(0, height) * 2 / (right - left)
        }
      }
    }
  }
}
