import FeatureExtraction

/// What FeatureExtraction is timed at.
enum FeatureBenchmarks {
  /// Real transforms, alone and eight at once.
  static func transforms() -> [Benchmark] {
    [256, 400, 512, 1_024].flatMap { size in
      let bench = TransformBench(size: size)
      return [
        Benchmark(name: "fft.real.\(size).single", per: "transform", amount: 1) { count in
          bench.single(count)
        },
        Benchmark(name: "fft.real.\(size).eight", per: "transform", amount: 8) { count in
          bench.eight(count)
        },
      ]
    }
  }

  /// Front ends, ten milliseconds at a time and ten seconds at once.
  static func frontEnds() throws -> [Benchmark] {
    let frontEnds: [(name: String, frontEnd: FrontEnd)] = [
      ("kaldi-logmel40", .kaldiLogMel(bins: 40)), ("librosa-logmel80", .librosaLogMel(bins: 80)),
      ("mfcc13", .kaldiMFCC), ("librosa-mfcc13", .librosaMFCC), ("pcen40", .pcen),
      ("power257", .powerSpectrum),
    ]
    return try frontEnds.flatMap { name, frontEnd in
      let streaming = try ExtractorBench(frontEnd)
      let batch = try ExtractorBench(frontEnd)
      return [
        Benchmark(
          name: "features.\(name).streaming", per: "frame", amount: streaming.frames
        ) { count in
          for _ in 0..<count { streaming.push(pieces: frontEnd.hop) }
        },
        Benchmark(name: "features.\(name).batch", per: "frame", amount: batch.frames) { count in
          for _ in 0..<count { batch.push(pieces: batch.samples.count) }
        },
      ]
    }
  }

  /// Noise in -1 ..< 1, the same in every run: Knuth's linear congruences (MMIX).
  static func noise(_ count: Int) -> [Float] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) / 0x1p31
    }
  }
}

/// A transform with memory to read from and to write to.
private final class TransformBench {
  private let transform: FourierTransform
  private let size: Int
  private let samples: UnsafeMutablePointer<Float>
  private let spectrum: UnsafeMutablePointer<Float>

  init(size: Int) {
    self.size = size
    transform = FourierTransform(size: size)
    samples = Self.allocate(8 * size)
    for (i, sample) in FeatureBenchmarks.noise(8 * size).enumerated() { samples[i] = sample }
    spectrum = Self.allocate(16 * (size / 2 + 1))
  }

  deinit {
    samples.deallocate()
    spectrum.deallocate()
  }

  /// At the beginning of a cache line, like the front end's own buffers.
  private static func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64)
    return memory.initializeMemory(as: Float.self, repeating: 0, count: count)
  }

  func single(_ count: Int) {
    // The imaginary parts on a line of their own, as separate arrays would be.
    let imaginary = spectrum + (size / 2 + 16) / 16 * 16
    for _ in 0..<count { transform.forward(samples, re: spectrum, im: imaginary) }
  }

  func eight(_ count: Int) {
    for _ in 0..<count { transform.forwardEight(samples, into: spectrum) }
  }
}

/// An extractor and ten seconds of noise.
private final class ExtractorBench {
  let samples: [Float]
  /// Rows that ten seconds give a stream that is long under way.
  let frames: Int
  private var extractor: FeatureExtractor
  /// Read, so that rows can't be optimised away.
  private var sum: Float = 0

  init(_ frontEnd: FrontEnd) throws(FrontEndError) {
    samples = FeatureBenchmarks.noise(10 * frontEnd.sampleRate).map { 0.25 * $0 }
    frames = samples.count / frontEnd.hop
    extractor = try FeatureExtractor(frontEnd)
  }

  func push(pieces: Int) {
    samples.withUnsafeBufferPointer { samples in
      var start = 0
      var sum: Float = 0
      while start < samples.count {
        let end = min(start + pieces, samples.count)
        extractor.push(UnsafeBufferPointer(rebasing: samples[start..<end]).span) { sum += $0[0] }
        start = end
      }
      self.sum += sum
    }
  }
}
