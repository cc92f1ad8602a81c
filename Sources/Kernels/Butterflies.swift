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
  ///   - apart: Scratch for them, one after the other; n elements.
  ///   - twiddles: w, w^2, w^3 with w = exp(-2 pi i p / n) for p in 0 ..< n / 4, each part in an
  ///     array of its own: re(w), im(w), re(w^2), ...
  ///   - n: Length, a multiple of 16.
  public static func firstRadix4(
    _ x: Complex, _ y: Complex, apart: Complex, twiddles: UnsafePointer<Float>, n: Int
  ) {
    let quarter = n / 4
    // Arithmetic and shuffles in one loop come out as scalar code: first the one, then the other.
    firstRadix4(x, into: apart, twiddles: twiddles, quarter: quarter)
    interleave(apart.re, into: y.re, quarter: quarter)
    interleave(apart.im, into: y.im, quarter: quarter)
  }

  @inline(never)
  private static func firstRadix4(
    _ x: Complex, into y: Complex, twiddles: UnsafePointer<Float>, quarter: Int
  ) {
    var p = 0
    while p < quarter {
      let (aRe, aIm) = (load(x.re + p), load(x.im + p))
      let (bRe, bIm) = (load(x.re + p + quarter), load(x.im + p + quarter))
      let (cRe, cIm) = (load(x.re + p + 2 * quarter), load(x.im + p + 2 * quarter))
      let (dRe, dIm) = (load(x.re + p + 3 * quarter), load(x.im + p + 3 * quarter))
      let (sumACRe, sumACIm) = (aRe + cRe, aIm + cIm)
      let (differenceACRe, differenceACIm) = (aRe - cRe, aIm - cIm)
      let (sumBDRe, sumBDIm) = (bRe + dRe, bIm + dIm)
      // i (b - d)
      let (turnedBDRe, turnedBDIm) = (dIm - bIm, bRe - dRe)
      store(sumACRe + sumBDRe, y.re + p)
      store(sumACIm + sumBDIm, y.im + p)
      let (re1, im1) = (differenceACRe - turnedBDRe, differenceACIm - turnedBDIm)
      let (re2, im2) = (sumACRe - sumBDRe, sumACIm - sumBDIm)
      let (re3, im3) = (differenceACRe + turnedBDRe, differenceACIm + turnedBDIm)
      let (w1r, w1i) = (load(twiddles + p), load(twiddles + p + quarter))
      let (w2r, w2i) = (load(twiddles + p + 2 * quarter), load(twiddles + p + 3 * quarter))
      let (w3r, w3i) = (load(twiddles + p + 4 * quarter), load(twiddles + p + 5 * quarter))
      store(re1 * w1r - im1 * w1i, y.re + p + quarter)
      store(re1 * w1i + im1 * w1r, y.im + p + quarter)
      store(re2 * w2r - im2 * w2i, y.re + p + 2 * quarter)
      store(re2 * w2i + im2 * w2r, y.im + p + 2 * quarter)
      store(re3 * w3r - im3 * w3i, y.re + p + 3 * quarter)
      store(re3 * w3i + im3 * w3r, y.im + p + 3 * quarter)
      p += Lanes.scalarCount
    }
  }

  /// `y[4 p + j] = x[j quarter + p]`.
  @inline(never)
  private static func interleave(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, quarter: Int
  ) {
    var p = 0
    while p < quarter {
      let (a, b) = (load(x + p), load(x + p + quarter))
      let (c, d) = (load(x + p + 2 * quarter), load(x + p + 3 * quarter))
      store(Lanes(a[0], b[0], c[0], d[0]), y + 4 * p)
      store(Lanes(a[1], b[1], c[1], d[1]), y + 4 * p + 4)
      store(Lanes(a[2], b[2], c[2], d[2]), y + 4 * p + 8)
      store(Lanes(a[3], b[3], c[3], d[3]), y + 4 * p + 12)
      p += Lanes.scalarCount
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
  ///   - stride: Sub-transforms side by side, a multiple of 4.
  public static func lastRadix2(_ x: Complex, _ y: Complex, stride: Int) {
    var q = 0
    while q < stride {
      let (aRe, aIm) = (load(x.re + q), load(x.im + q))
      let (bRe, bIm) = (load(x.re + q + stride), load(x.im + q + stride))
      store(aRe + bRe, y.re + q)
      store(aIm + bIm, y.im + q)
      store(aRe - bRe, y.re + q + stride)
      store(aIm - bIm, y.im + q + stride)
      q += Lanes.scalarCount
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
  ///   - reversed: Scratch for Z_(half-k), `half` elements.
  ///   - twiddles: re(w^k) for k in 0 ..< half, then im(w^k).
  ///   - half: Half the length of the real transform, a multiple of 4.
  public static func realSpectrum(
    _ z: Complex, _ y: Complex, reversed: Complex, twiddles: UnsafePointer<Float>, half: Int
  ) {
    // First the shuffles, then the arithmetic, as in `firstRadix4`.
    reverse(z.re, into: reversed.re, count: half)
    reverse(z.im, into: reversed.im, count: half)
    separate(z, y, reversed: reversed, twiddles: twiddles, half: half)
    y.re[0] = z.re[0] + z.im[0]
    y.im[0] = 0
    y.re[half] = z.re[0] - z.im[0]
    y.im[half] = 0
  }

  @inline(never)
  private static func separate(
    _ z: Complex, _ y: Complex, reversed: Complex, twiddles: UnsafePointer<Float>, half: Int
  ) {
    var k = 0
    while k < half {
      let (re, im) = (load(z.re + k), load(z.im + k))
      let (otherRe, otherIm) = (load(reversed.re + k), load(reversed.im + k))
      let (evenRe, evenIm) = (0.5 * (re + otherRe), 0.5 * (im - otherIm))
      let (oddRe, oddIm) = (0.5 * (im + otherIm), 0.5 * (otherRe - re))
      let (wr, wi) = (load(twiddles + k), load(twiddles + half + k))
      store(evenRe + (oddRe * wr - oddIm * wi), y.re + k)
      store(evenIm + (oddRe * wi + oddIm * wr), y.im + k)
      k += Lanes.scalarCount
    }
  }

  /// `y[k] = x[count - k]` for k > 0, and `y[0] = x[0]`.
  @inline(never)
  private static func reverse(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    y[0] = x[0]
    var k = 1
    while k + Lanes.scalarCount <= count {
      let v = load(x + count - k - 3)
      store(Lanes(v[3], v[2], v[1], v[0]), y + k)
      k += Lanes.scalarCount
    }
    while k < count {
      y[k] = x[count - k]
      k += 1
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
