/// The passes of a Fourier transform over complex numbers held as two arrays, real and imaginary.
///
/// Stockham's autosort form (no bit reversal): a pass of radix r takes sub-transforms of length n,
/// `stride` of them side by side, from one pair of arrays to another. E. O. Brigham, The Fast
/// Fourier Transform and Its Applications (1988), chapter 10; Van Loan, Computational Frameworks
/// for the Fast Fourier Transform (1992), section 1.7.
public enum Butterflies {
  /// A complex array as two pointers.
  public struct Complex {
    /// Real parts.
    public let re: UnsafeMutablePointer<Float>
    /// Imaginary parts.
    public let im: UnsafeMutablePointer<Float>

    /// Pairs two arrays.
    ///
    /// - Parameters:
    ///   - re: Real parts.
    ///   - im: Imaginary parts.
    public init(re: UnsafeMutablePointer<Float>, im: UnsafeMutablePointer<Float>) {
      self.re = re
      self.im = im
    }
  }

  /// The first pass, radix 4: one sub-transform of length n.
  ///
  /// - Parameters:
  ///   - x: The input, n elements.
  ///   - y: Receives four interleaved sub-transforms of length n / 4.
  ///   - twiddles: w, w^2, w^3 with w = exp(-2 pi i p / n) for p in 0 ..< n / 4, each part in an
  ///     array of its own: re(w), im(w), re(w^2), ...
  ///   - n: Length, a multiple of 4.
  public static func firstRadix4(
    _ x: Complex, _ y: Complex, twiddles: UnsafePointer<Float>, n: Int
  ) {
    let quarter = n / 4
    for p in 0..<quarter {
      let sumACRe = x.re[p] + x.re[p + 2 * quarter]
      let sumACIm = x.im[p] + x.im[p + 2 * quarter]
      let differenceACRe = x.re[p] - x.re[p + 2 * quarter]
      let differenceACIm = x.im[p] - x.im[p + 2 * quarter]
      let sumBDRe = x.re[p + quarter] + x.re[p + 3 * quarter]
      let sumBDIm = x.im[p + quarter] + x.im[p + 3 * quarter]
      // i (b - d)
      let turnedBDRe = x.im[p + 3 * quarter] - x.im[p + quarter]
      let turnedBDIm = x.re[p + quarter] - x.re[p + 3 * quarter]

      y.re[4 * p] = sumACRe + sumBDRe
      y.im[4 * p] = sumACIm + sumBDIm
      let (re1, im1) = (differenceACRe - turnedBDRe, differenceACIm - turnedBDIm)
      let (re2, im2) = (sumACRe - sumBDRe, sumACIm - sumBDIm)
      let (re3, im3) = (differenceACRe + turnedBDRe, differenceACIm + turnedBDIm)
      let (w1r, w1i) = (twiddles[p], twiddles[p + quarter])
      let (w2r, w2i) = (twiddles[p + 2 * quarter], twiddles[p + 3 * quarter])
      let (w3r, w3i) = (twiddles[p + 4 * quarter], twiddles[p + 5 * quarter])
      y.re[4 * p + 1] = re1 * w1r - im1 * w1i
      y.im[4 * p + 1] = re1 * w1i + im1 * w1r
      y.re[4 * p + 2] = re2 * w2r - im2 * w2i
      y.im[4 * p + 2] = re2 * w2i + im2 * w2r
      y.re[4 * p + 3] = re3 * w3r - im3 * w3i
      y.im[4 * p + 3] = re3 * w3i + im3 * w3r
    }
  }

  /// A later pass, radix 4: `stride` sub-transforms of length n side by side.
  ///
  /// - Parameters:
  ///   - x: The input, n x stride elements.
  ///   - y: Receives 4 x stride sub-transforms of length n / 4.
  ///   - twiddles: As for `firstRadix4`.
  ///   - n: Length of the sub-transforms, a multiple of 4.
  ///   - stride: Sub-transforms side by side, a multiple of 4.
  public static func radix4(
    _ x: Complex, _ y: Complex, twiddles: UnsafePointer<Float>, n: Int, stride: Int
  ) {
    let quarter = n / 4
    let step = quarter * stride
    for p in 0..<quarter {
      let w1r = Lanes(repeating: twiddles[p])
      let w1i = Lanes(repeating: twiddles[p + quarter])
      let w2r = Lanes(repeating: twiddles[p + 2 * quarter])
      let w2i = Lanes(repeating: twiddles[p + 3 * quarter])
      let w3r = Lanes(repeating: twiddles[p + 4 * quarter])
      let w3i = Lanes(repeating: twiddles[p + 5 * quarter])
      var q = 0
      while q < stride {
        let from = p * stride + q
        let to = 4 * p * stride + q
        let (aRe, aIm) = (load(x.re + from), load(x.im + from))
        let (bRe, bIm) = (load(x.re + from + step), load(x.im + from + step))
        let (cRe, cIm) = (load(x.re + from + 2 * step), load(x.im + from + 2 * step))
        let (dRe, dIm) = (load(x.re + from + 3 * step), load(x.im + from + 3 * step))
        let (sumACRe, sumACIm) = (aRe + cRe, aIm + cIm)
        let (differenceACRe, differenceACIm) = (aRe - cRe, aIm - cIm)
        let (sumBDRe, sumBDIm) = (bRe + dRe, bIm + dIm)
        let (turnedBDRe, turnedBDIm) = (dIm - bIm, bRe - dRe)
        store(sumACRe + sumBDRe, y.re + to)
        store(sumACIm + sumBDIm, y.im + to)
        let (re1, im1) = (differenceACRe - turnedBDRe, differenceACIm - turnedBDIm)
        let (re2, im2) = (sumACRe - sumBDRe, sumACIm - sumBDIm)
        let (re3, im3) = (differenceACRe + turnedBDRe, differenceACIm + turnedBDIm)
        store(re1 * w1r - im1 * w1i, y.re + to + stride)
        store(re1 * w1i + im1 * w1r, y.im + to + stride)
        store(re2 * w2r - im2 * w2i, y.re + to + 2 * stride)
        store(re2 * w2i + im2 * w2r, y.im + to + 2 * stride)
        store(re3 * w3r - im3 * w3i, y.re + to + 3 * stride)
        store(re3 * w3i + im3 * w3r, y.im + to + 3 * stride)
        q += Lanes.scalarCount
      }
    }
  }

  /// The last pass when the length is twice a power of four: radix 2, sub-transforms of length 2.
  ///
  /// - Parameters:
  ///   - x: The input, 2 x stride elements.
  ///   - y: Receives the transform.
  ///   - stride: Sub-transforms side by side.
  public static func lastRadix2(_ x: Complex, _ y: Complex, stride: Int) {
    for q in 0..<stride {
      y.re[q] = x.re[q] + x.re[q + stride]
      y.im[q] = x.im[q] + x.im[q + stride]
      y.re[q + stride] = x.re[q] - x.re[q + stride]
      y.im[q + stride] = x.im[q] - x.im[q + stride]
    }
  }

  /// Deals even samples into real parts and odd samples into imaginary parts.
  ///
  /// - Parameters:
  ///   - x: 2 x half samples.
  ///   - z: Receives `half` elements.
  ///   - half: Half the length of the real transform.
  public static func deal(_ x: UnsafePointer<Float>, into z: Complex, half: Int) {
    for i in 0..<half {
      z.re[i] = x[2 * i]
      z.im[i] = x[2 * i + 1]
    }
  }

  /// Makes the spectrum of a real signal from the transform Z of its dealt halves.
  ///
  /// `X_k = E_k + w^k O_k` with `E_k = (Z_k + conj Z_(half-k)) / 2`,
  /// `O_k = (Z_k - conj Z_(half-k)) / 2i`, `w = exp(-2 pi i / (2 half))`.
  ///
  /// - Parameters:
  ///   - z: Z, `half` elements.
  ///   - y: Receives half + 1 bins.
  ///   - twiddles: re(w^k) for k in 0 ..< half, then im(w^k).
  ///   - half: Half the length of the real transform.
  public static func realSpectrum(
    _ z: Complex, _ y: Complex, twiddles: UnsafePointer<Float>, half: Int
  ) {
    y.re[0] = z.re[0] + z.im[0]
    y.im[0] = 0
    y.re[half] = z.re[0] - z.im[0]
    y.im[half] = 0
    for k in 1..<half {
      let evenRe = 0.5 * (z.re[k] + z.re[half - k])
      let evenIm = 0.5 * (z.im[k] - z.im[half - k])
      let oddRe = 0.5 * (z.im[k] + z.im[half - k])
      let oddIm = 0.5 * (z.re[half - k] - z.re[k])
      y.re[k] = evenRe + (oddRe * twiddles[k] - oddIm * twiddles[half + k])
      y.im[k] = evenIm + (oddRe * twiddles[half + k] + oddIm * twiddles[k])
    }
  }

  private typealias Lanes = SIMD4<Float>

  @inline(__always)
  private static func load(_ p: UnsafePointer<Float>) -> Lanes {
    UnsafeRawPointer(p).loadUnaligned(as: Lanes.self)
  }

  @inline(__always)
  private static func store(_ v: Lanes, _ p: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(p).storeBytes(of: v, as: Lanes.self)
  }
}
