import KernelDispatch
import Kernels

/// The discrete Fourier transform of real samples: frame -> spectrum, and back.
///
/// In: `size` samples. Out: size / 2 + 1 bins, `X_k = sum_n x_n exp(-2 pi i n k / size)`, not
/// scaled. Owns its tables and its scratch; used by one thread at a time. Allocates only in `init`,
/// but for `inverseEight`, and for `forwardEight` of an odd size. One frame alone and eight at once
/// give the same bits.
///
/// A NaN or an infinity in a frame spoils this spectrum and no other.
public struct FourierTransform: ~Copyable {
  /// The longest transform; tables and scratch of one stay in a few caches.
  public static let largestSize = 16_384

  /// Samples of a transform.
  public let size: Int

  private let tables: TransformTables
  private let scratch: FloatBuffer
  /// Complex spectrum of a transform of odd length; of an inverse one, its result.
  private let re: FloatBuffer
  private let im: FloatBuffer
  private let pairs: FloatBuffer

  /// Whether there is a transform of a length: 2^a 3^b 5^c, from 1 to `largestSize`.
  ///
  /// - Parameter size: Samples of a transform.
  /// - Returns: Whether it may be given to `init`.
  public static func supports(size: Int) -> Bool {
    size <= largestSize && TransformTables.hasOnlySmallFactors(size)
  }

  /// Makes the tables.
  ///
  /// - Parameter size: 2^a 3^b 5^c, from 1 to `largestSize`.
  public init(size: Int) {
    precondition(Self.supports(size: size), "A transform has 2^a 3^b 5^c samples, at most 16384")
    self.size = size
    // A length that can't be halved takes the complex transform of its own length.
    let isEven = size % 2 == 0
    tables = TransformTables(size: isEven ? size / 2 : size, isHalfOfReal: isEven)
    let plan = tables.plan
    scratch = FloatBuffer(count: max(plan.scratchCount, plan.eightScratchCount))
    re = FloatBuffer(count: plan.size + 8)
    im = FloatBuffer(count: plan.size + 8)
    pairs = FloatBuffer(count: 16 * plan.size)
  }

  /// Number of bins of the spectrum: size / 2 + 1.
  public var bins: Int { size / 2 + 1 }

  private var isEven: Bool { size % 2 == 0 }

  /// Transforms one frame.
  ///
  /// - Parameters:
  ///   - samples: The frame, `size` samples.
  ///   - re: Receives the real parts, `bins`.
  ///   - im: Receives the imaginary parts, `bins`.
  public mutating func forward(
    _ samples: Span<Float>, re: inout MutableSpan<Float>, im: inout MutableSpan<Float>
  ) {
    precondition(samples.count == size, "A frame has as many samples as the transform")
    precondition(re.count == bins && im.count == bins, "A spectrum has size / 2 + 1 bins")
    withPointers(samples, &re, &im) { forward($0, re: $1, im: $2) }
  }

  /// Transforms eight frames, lanes side by side.
  ///
  /// - Parameters:
  ///   - samples: Sample i of frame j at `[i * 8 + j]`, 8 x `size`.
  ///   - spectrum: Receives bin k of frame j, its real part at `[k * 16 + j]`, its imaginary part at
  ///     `[k * 16 + 8 + j]`; 16 x `bins`.
  public mutating func forwardEight(
    _ samples: Span<Float>, into spectrum: inout MutableSpan<Float>
  ) {
    precondition(samples.count == 8 * size, "Eight frames have as many samples each")
    precondition(spectrum.count == 16 * bins, "Eight spectra have sixteen floats a bin")
    withPointers(samples, &spectrum) { forwardEight($0, into: $1) }
  }

  /// Transforms a spectrum back: `inverse(forward(x)) = x`, but for rounding.
  ///
  /// - Parameters:
  ///   - re: Real parts, `bins`.
  ///   - im: Imaginary parts, `bins`; those of bin 0 and, for an even size, of the last one count as
  ///     zero.
  ///   - samples: Receives `size` samples, scaled by 1 / size.
  public mutating func inverse(
    re: Span<Float>, im: Span<Float>, into samples: inout MutableSpan<Float>
  ) {
    precondition(re.count == bins && im.count == bins, "A spectrum has size / 2 + 1 bins")
    precondition(samples.count == size, "A frame has as many samples as the transform")
    let plan = tables.plan
    let scale = 1 / (Float(plan.size) * plan.scale)
    guard isEven else {
      for k in 0..<size {
        // X_(n-k) is conj X_k; the parts exchanged, so that a forward transform is the inverse.
        let (bin, sign) = 2 * k < size ? (k, Float(1)) : (size - k, Float(-1))
        pairs.pointer[2 * k] = k == 0 ? 0 : sign * im[bin]
        pairs.pointer[2 * k + 1] = re[bin]
      }
      transformPairs()
      for n in 0..<size { samples[n] = scale * self.im.pointer[n] }
      return
    }
    re.withUnsafeBufferPointer { re in
      im.withUnsafeBufferPointer { im in
        guard let re = re.baseAddress, let im = im.baseAddress else { return }
        kernels.unravel(plan, re: re, im: im, into: pairs.pointer)
      }
    }
    transformPairs()
    for n in 0..<plan.size {
      samples[2 * n] = scale * self.im.pointer[n]
      samples[2 * n + 1] = scale * self.re.pointer[n]
    }
  }

  /// Transforms eight spectra back.
  ///
  /// - Parameters:
  ///   - spectrum: As `forwardEight` gives it.
  ///   - samples: Receives 8 x `size` samples, scaled by 1 / size.
  public mutating func inverseEight(
    _ spectrum: Span<Float>, into samples: inout MutableSpan<Float>
  ) {
    precondition(spectrum.count == 16 * bins, "Eight spectra have sixteen floats a bin")
    precondition(samples.count == 8 * size, "Eight frames have as many samples each")
    let plan = tables.plan
    let scale = 1 / (Float(plan.size) * plan.scale)
    let blocks = FloatBuffer(count: 16 * plan.size)
    if isEven {
      spectrum.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        kernels.unravelEight(plan, base, into: pairs.pointer)
      }
    } else {
      for k in 0..<size {
        let (bin, sign) = 2 * k < size ? (k, Float(1)) : (size - k, Float(-1))
        for lane in 0..<8 {
          pairs.pointer[16 * k + lane] = k == 0 ? 0 : sign * spectrum[16 * bin + 8 + lane]
          pairs.pointer[16 * k + 8 + lane] = spectrum[16 * bin + lane]
        }
      }
    }
    kernels.transformEight(plan, pairs.pointer, into: blocks.pointer, scratch: scratch.pointer)
    for n in 0..<plan.size {
      for lane in 0..<8 {
        let (exchangedRe, exchangedIm) = (
          blocks.pointer[16 * n + lane], blocks.pointer[16 * n + 8 + lane]
        )
        if isEven {
          samples[16 * n + lane] = scale * exchangedIm
          samples[16 * n + 8 + lane] = scale * exchangedRe
        } else {
          samples[8 * n + lane] = scale * exchangedIm
        }
      }
    }
  }

  /// `forward` over pointers.
  package func forward(
    _ samples: UnsafePointer<Float>, re: UnsafeMutablePointer<Float>,
    im: UnsafeMutablePointer<Float>
  ) {
    guard isEven else {
      for n in 0..<size { (pairs.pointer[2 * n], pairs.pointer[2 * n + 1]) = (samples[n], 0) }
      transformPairs()
      re.update(from: self.re.pointer, count: bins)
      im.update(from: self.im.pointer, count: bins)
      // Exact, where the transform of real samples is but for rounding.
      im[0] = 0
      return
    }
    kernels.spectrum(tables.plan, samples, re: re, im: im, scratch: scratch.pointer)
  }

  /// `forwardEight` over pointers.
  package func forwardEight(
    _ samples: UnsafePointer<Float>, into spectrum: UnsafeMutablePointer<Float>
  ) {
    guard isEven else {
      let blocks = pairs.pointer
      for n in 0..<size {
        (blocks + 16 * n).update(from: samples + 8 * n, count: 8)
        (blocks + 16 * n + 8).update(repeating: 0, count: 8)
      }
      // Behind what the transform itself needs there is no room for a whole result.
      let result = FloatBuffer(count: 16 * size)
      kernels.transformEight(
        tables.plan, blocks, into: result.pointer, scratch: scratch.pointer)
      spectrum.update(from: result.pointer, count: 16 * bins)
      (spectrum + 8).update(repeating: 0, count: 8)
      return
    }
    kernels.spectrumEight(tables.plan, samples, into: spectrum, scratch: scratch.pointer)
  }

  /// Power spectrum of one frame of even size: `bins` powers.
  package func power(
    _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>
  ) {
    kernels.powerSpectrum(tables.plan, samples, into: power, scratch: scratch.pointer)
  }

  /// Power spectra of eight frames of even size: `[bin * 8 + frame]`.
  package func powerEight(
    _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>
  ) {
    kernels.powerSpectrumEight(tables.plan, samples, into: power, scratch: scratch.pointer)
  }

  private func transformPairs() {
    kernels.transform(
      tables.plan, pairs.pointer, re: re.pointer, im: im.pointer, scratch: scratch.pointer)
  }
}

/// The discrete Fourier transform of complex numbers, as arrays of real and imaginary parts.
///
/// `X_k = sum_n x_n exp(-2 pi i n k / size)`, not scaled; the inverse is scaled by 1 / size. Owns its
/// tables and its scratch; used by one thread at a time; allocates only in `init`.
public struct ComplexFourierTransform: ~Copyable {
  /// Elements of a transform.
  public let size: Int

  private let tables: TransformTables
  private let scratch: FloatBuffer
  private let pairs: FloatBuffer
  private let re: FloatBuffer
  private let im: FloatBuffer

  /// Makes the tables.
  ///
  /// - Parameter size: 2^a 3^b 5^c, from 1 to `FourierTransform.largestSize`.
  public init(size: Int) {
    precondition(
      FourierTransform.supports(size: size), "A transform has 2^a 3^b 5^c elements, at most 16384")
    self.size = size
    tables = TransformTables(size: size, isHalfOfReal: false)
    let plan = tables.plan
    scratch = FloatBuffer(count: max(plan.scratchCount, plan.eightScratchCount))
    pairs = FloatBuffer(count: 16 * size)
    re = FloatBuffer(count: size + 8)
    im = FloatBuffer(count: size + 8)
  }

  /// Transforms in place.
  ///
  /// - Parameters:
  ///   - re: Real parts, `size`; replaced.
  ///   - im: Imaginary parts, `size`; replaced.
  public mutating func forward(re: inout MutableSpan<Float>, im: inout MutableSpan<Float>) {
    transform(&re, &im, scale: 1)
  }

  /// Transforms back in place, scaled by 1 / size.
  ///
  /// - Parameters:
  ///   - re: Real parts, `size`; replaced.
  ///   - im: Imaginary parts, `size`; replaced.
  public mutating func inverse(re: inout MutableSpan<Float>, im: inout MutableSpan<Float>) {
    // The inverse of x + i y is the forward transform of y + i x with its parts exchanged.
    transform(&im, &re, scale: 1 / Float(size))
  }

  /// Transforms eight arrays in place: element i of array j has its real part at `[i * 16 + j]`,
  /// its imaginary part at `[i * 16 + 8 + j]`.
  ///
  /// - Parameter blocks: 16 x `size` floats; replaced.
  public mutating func forwardEight(_ blocks: inout MutableSpan<Float>) {
    transformEight(&blocks, exchanged: 0, scale: 1)
  }

  /// Transforms eight arrays back in place, scaled by 1 / size.
  ///
  /// - Parameter blocks: 16 x `size` floats as for `forwardEight`; replaced.
  public mutating func inverseEight(_ blocks: inout MutableSpan<Float>) {
    transformEight(&blocks, exchanged: 8, scale: 1 / Float(size))
  }

  private func transform(
    _ x: inout MutableSpan<Float>, _ y: inout MutableSpan<Float>, scale: Float
  ) {
    precondition(x.count == size && y.count == size, "Both parts have as many elements")
    for n in 0..<size { (pairs.pointer[2 * n], pairs.pointer[2 * n + 1]) = (x[n], y[n]) }
    kernels.transform(
      tables.plan, pairs.pointer, re: re.pointer, im: im.pointer, scratch: scratch.pointer)
    for n in 0..<size { (x[n], y[n]) = (scale * re.pointer[n], scale * im.pointer[n]) }
  }

  private func transformEight(
    _ blocks: inout MutableSpan<Float>, exchanged: Int, scale: Float
  ) {
    precondition(blocks.count == 16 * size, "Eight arrays have sixteen floats an element")
    // Adding eight modulo sixteen exchanges real and imaginary parts.
    for i in blocks.indices { pairs.pointer[i ^ exchanged] = blocks[i] }
    blocks.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      kernels.transformEight(tables.plan, pairs.pointer, into: base, scratch: scratch.pointer)
      for n in 0..<size {
        for lane in 0..<8 {
          let (u, v) = (scale * base[16 * n + lane], scale * base[16 * n + 8 + lane])
          base[16 * n + (lane ^ exchanged)] = u
          base[16 * n + ((8 + lane) ^ exchanged)] = v
        }
      }
    }
  }
}

/// The pointers of a span that is read and two that are written.
private func withPointers(
  _ x: Span<Float>, _ y: inout MutableSpan<Float>, _ z: inout MutableSpan<Float>,
  _ body: (
    UnsafePointer<Float>, UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>
  ) -> Void
) {
  x.withUnsafeBufferPointer { x in
    y.withUnsafeMutableBufferPointer { y in
      z.withUnsafeMutableBufferPointer { z in
        guard let x = x.baseAddress, let y = y.baseAddress, let z = z.baseAddress else { return }
        body(x, y, z)
      }
    }
  }
}

private func withPointers(
  _ x: Span<Float>, _ y: inout MutableSpan<Float>,
  _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
) {
  x.withUnsafeBufferPointer { x in
    y.withUnsafeMutableBufferPointer { y in
      guard let x = x.baseAddress, let y = y.baseAddress else { return }
      body(x, y)
    }
  }
}
