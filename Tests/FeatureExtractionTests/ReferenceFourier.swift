import FeatureExtraction
import Glibc
import TestSupport

/// Complex numbers as re, im, re, im ..., the form of the golden files.
typealias Pairs = [Double]

/// Pairs of `count` elements, in one array.
func pairs<T>(_ count: Int, _ element: (Int) -> (T, T)) -> [T] {
  var result: [T] = []
  result.reserveCapacity(2 * count)
  for i in 0..<count {
    let (re, im) = element(i)
    result.append(re)
    result.append(im)
  }
  return result
}

/// Real and imaginary parts, alternating.
func interleaved(_ re: [Float], _ im: [Float]) -> [Float] { pairs(re.count) { (re[$0], im[$0]) } }

/// Discrete Fourier transforms in double: the definition, and a fast one for long ones.
enum ReferenceFourier {
  /// Every length that there is a transform of.
  static let sizes = (1...FourierTransform.largestSize).filter {
    FourierTransform.supports(size: $0)
  }

  /// Longest transform that is worth the definition.
  static let largestDirect = 2_048

  /// The transform, X_k = sum_n x_n exp(-2 pi i n k / N).
  static func transform(_ x: Pairs) -> Pairs {
    x.count / 2 <= largestDirect ? direct(x) : fast(x)
  }

  /// The spectrum of real samples: bins 0 to size / 2.
  static func spectrum(_ samples: [Float]) -> Pairs {
    let whole = transform(pairs(samples.count) { (Double(samples[$0]), 0) })
    return Array(whole[..<(2 * (samples.count / 2 + 1))])
  }

  /// What undoes `transform`, scaled by 1 / N: x = conj(transform(conj X)) / N.
  static func inverse(_ x: Pairs) -> Pairs {
    let size = Double(x.count / 2)
    return conjugate(transform(conjugate(x))).map { $0 / size }
  }

  /// The samples of a real signal from its bins; the imaginary parts of the first bin and, for an
  /// even size, of the last one count as zero.
  static func samples(_ bins: [Float], size: Int) -> [Double] {
    var whole = Pairs(repeating: 0, count: 2 * size)
    for k in 0..<size {
      let (bin, sign) = 2 * k <= size ? (k, 1.0) : (size - k, -1.0)
      whole[2 * k] = Double(bins[2 * bin])
      whole[2 * k + 1] = k == 0 || 2 * k == size ? 0 : sign * Double(bins[2 * bin + 1])
    }
    let result = inverse(whole)
    return (0..<size).map { result[2 * $0] }
  }

  /// The definition, with a table of the roots.
  static func direct(_ x: Pairs) -> Pairs {
    let size = x.count / 2
    let roots = roots(size)
    var result = Pairs(repeating: 0, count: 2 * size)
    for k in 0..<size {
      var (re, im) = (0.0, 0.0)
      var place = 0
      for n in 0..<size {
        let (xr, xi, wr, wi) = (x[2 * n], x[2 * n + 1], roots[2 * place], roots[2 * place + 1])
        re += xr * wr - xi * wi
        im += xr * wi + xi * wr
        place += k
        if place >= size { place -= size }
      }
      (result[2 * k], result[2 * k + 1]) = (re, im)
    }
    return result
  }

  /// Decimation in time: transforms of every r-th element, r a prime factor, then sums of r.
  static func fast(_ x: Pairs) -> Pairs {
    let size = x.count / 2
    guard let r = [2, 3, 5].first(where: { size % $0 == 0 }) else { return direct(x) }
    let m = size / r
    let parts = (0..<r).map { j in
      fast(pairs(m) { (x[2 * (r * $0 + j)], x[2 * (r * $0 + j) + 1]) })
    }
    let roots = roots(size)
    var result = Pairs(repeating: 0, count: 2 * size)
    for k in 0..<size {
      for (j, part) in parts.enumerated() {
        let (p, w) = (2 * (k % m), 2 * (j * k % size))
        let (xr, xi, wr, wi) = (part[p], part[p + 1], roots[w], roots[w + 1])
        result[2 * k] += xr * wr - xi * wi
        result[2 * k + 1] += xr * wi + xi * wr
      }
    }
    return result
  }

  /// exp(-2 pi i k / N) for all k.
  private static func roots(_ size: Int) -> Pairs {
    pairs(size) { k in
      let angle = -2 * Double.pi * Double(k) / Double(size)
      return (cos(angle), sin(angle))
    }
  }

  private static func conjugate(_ x: Pairs) -> Pairs {
    pairs(x.count / 2) { (x[2 * $0], -x[2 * $0 + 1]) }
  }
}

/// Eight arrays of pairs and the blocks that eight transforms at once work on: element i of lane j
/// has its real part at `[i * 16 + j]`, its imaginary part at `[i * 16 + 8 + j]`.
enum Blocks {
  static func interleaved(_ lanes: [[Float]]) -> [Float] {
    (0..<lanes[0].count / 2).flatMap { i in
      lanes.map { $0[2 * i] } + lanes.map { $0[2 * i + 1] }
    }
  }

  static func lane(_ j: Int, of blocks: [Float]) -> [Float] {
    pairs(blocks.count / 16) { (blocks[16 * $0 + j], blocks[16 * $0 + 8 + j]) }
  }
}

extension FourierTransform {
  /// re and im of each bin, alternating, as the golden files have them.
  mutating func spectrum(_ samples: [Float]) -> [Float] {
    var re = [Float](repeating: .nan, count: bins)
    var im = re
    var reSpan = re.mutableSpan
    var imSpan = im.mutableSpan
    forward(samples.span, re: &reSpan, im: &imSpan)
    return interleaved(re, im)
  }

  /// The samples of a spectrum as `spectrum` gives it.
  mutating func samples(_ spectrum: [Float]) -> [Float] {
    let re = (0..<bins).map { spectrum[2 * $0] }
    let im = (0..<bins).map { spectrum[2 * $0 + 1] }
    var samples = [Float](repeating: .nan, count: size)
    var span = samples.mutableSpan
    inverse(re: re.span, im: im.span, into: &span)
    return samples
  }

  /// The spectra of eight frames, each as `spectrum` gives it.
  mutating func spectra(_ frames: [[Float]]) -> [[Float]] {
    let samples = (0..<size).flatMap { i in frames.map { $0[i] } }
    var blocks = [Float](repeating: .nan, count: 16 * bins)
    var span = blocks.mutableSpan
    forwardEight(samples.span, into: &span)
    return (0..<8).map { Blocks.lane($0, of: blocks) }
  }

  /// The samples of eight spectra.
  mutating func frames(_ spectra: [[Float]]) -> [[Float]] {
    let blocks = Blocks.interleaved(spectra)
    var samples = [Float](repeating: .nan, count: 8 * size)
    var span = samples.mutableSpan
    inverseEight(blocks.span, into: &span)
    return (0..<8).map { lane in (0..<size).map { samples[8 * $0 + lane] } }
  }
}

extension ComplexFourierTransform {
  /// Which way, for tests of both.
  enum Direction: CaseIterable { case forward, inverse }

  /// One transform of pairs.
  mutating func transformed(_ pairs: [Float], _ direction: Direction) -> [Float] {
    var re = (0..<size).map { pairs[2 * $0] }
    var im = (0..<size).map { pairs[2 * $0 + 1] }
    var reSpan = re.mutableSpan
    var imSpan = im.mutableSpan
    switch direction {
    case .forward: forward(re: &reSpan, im: &imSpan)
    case .inverse: inverse(re: &reSpan, im: &imSpan)
    }
    return interleaved(re, im)
  }

  /// Eight transforms of pairs.
  mutating func transformed(_ lanes: [[Float]], _ direction: Direction) -> [[Float]] {
    var blocks = Blocks.interleaved(lanes)
    var span = blocks.mutableSpan
    switch direction {
    case .forward: forwardEight(&span)
    case .inverse: inverseEight(&span)
    }
    return (0..<8).map { Blocks.lane($0, of: blocks) }
  }
}
