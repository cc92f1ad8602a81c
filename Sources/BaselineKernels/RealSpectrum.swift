import Kernels

/// From the complex transform Z of a real signal's dealt halves to its bins.
enum RealSpectrum {
  /// `X_k = E + w^k O` and `X_(N-k) = conj(E - w^k O)` from Z_k and Z_(N-k).
  ///
  /// - Parameters:
  ///   - z: Z_k.
  ///   - partner: Z_(N-k).
  ///   - w: w^k / 2.
  @inline(__always)
  static func pair<L: Lanes>(
    _ z: Complex<L>, _ partner: Complex<L>, _ w: Complex<L>
  ) -> (Complex<L>, Complex<L>) {
    let half = L(repeating: 0.5)
    let even = Complex<L>(z.re + partner.re, z.im - partner.im)
    let odd = Complex<L>(z.im + partner.im, partner.re - z.re) * w
    return (
      Complex(L.fma(half, even.re, odd.re), L.fma(half, even.im, odd.im)),
      Complex(L.fma(half, even.re, -odd.re), L.fma(-half, even.im, odd.im))
    )
  }

  @inline(__always)
  private static func twiddle<L: Lanes>(_ plan: TransformPlan, _ k: Int) -> Complex<L> {
    Complex(
      L(repeating: plan.realTwiddles[k]), L(repeating: plan.realTwiddles[plan.realCount &+ k]))
  }

  /// One transform of N = 16 or more, a multiple of eight, as arrays of real and imaginary parts.
  ///
  /// `store` receives eight bins from k up and eight from N - k down; what it is given for k = 0 or
  /// N / 2 means nothing and is to be overwritten.
  @inline(__always)
  static func split(
    _ plan: TransformPlan, re: Input, im: Input,
    _ store: (_ k: Int, _ up: Complex<Lanes8>, _ down: Complex<Lanes8>) -> Void
  ) {
    let n = plan.size
    let (wr, wi) = (plan.realTwiddles, plan.realTwiddles + plan.realCount)
    // The last eight overlap those before.
    let last = n / 2 &- 8
    var next = 1
    while true {
      let k = min(next, last)
      let mirrored = n &- k &- 7
      let (up, down) = pair(
        Complex(Lanes8(re + k), Lanes8(im + k)),
        Complex(Lanes8(re + mirrored).reversed, Lanes8(im + mirrored).reversed),
        Complex(Lanes8(wr + k), Lanes8(wi + k)))
      store(k, up, down)
      guard next < last else { return }
      next &+= 8
    }
  }

  /// The transforms of a plan with one lane: all bins, one after the other.
  @inline(__always)
  static func plain<L: Lanes>(
    _ plan: TransformPlan, _ z: Input, _ store: (_ k: Int, _ x: Complex<L>) -> Void
  ) {
    let n = plan.size
    let block = 2 * L.width
    let zero = L(repeating: 0)
    let first = Complex<L>(block: z)
    store(0, Complex(first.re + first.im, zero))
    store(n, Complex(first.re - first.im, zero))
    var k = 1
    while 2 &* k < n {
      let (low, high) = pair(
        Complex<L>(block: z + block &* k), Complex<L>(block: z + block &* (n &- k)),
        twiddle(plan, k))
      store(k, low)
      store(n &- k, high)
      k &+= 1
    }
    guard n % 2 == 0 else { return }
    let middle = Complex<L>(block: z + block &* (n / 2))
    store(n / 2, Complex(middle.re, -middle.im))
  }

  /// Eight transforms of a plan with eight lanes, together with the last sums of its second step:
  /// rows k and `rows - k` hold each other's partners, so that Z is never stored.
  @inline(__always)
  static func joined(
    _ plan: TransformPlan, _ residues: Input, pitch: Int, scratch: Output,
    _ store: (_ k: Int, _ x: Complex<Lanes8>) -> Void
  ) {
    let rows = plan.rows
    let lower = Input(scratch)
    let upper = Input(scratch + 128)
    FourStep.halves(plan, residues, pitch: pitch, row: 0, into: scratch)
    joinFirstRow(plan, lower, store)
    var k = 1
    while 2 &* k <= rows {
      FourStep.halves(plan, residues, pitch: pitch, row: k, into: scratch)
      FourStep.halves(plan, residues, pitch: pitch, row: rows &- k, into: scratch + 128)
      joinRows(plan, lower, upper, k, 0, store)
      joinRows(plan, lower, upper, k, 1, store)
      joinRows(plan, lower, upper, k, 2, store)
      joinRows(plan, lower, upper, k, 3, store)
      k &+= 1
    }
  }

  /// Row 0, whose points are partners of one another.
  @inline(__always)
  private static func joinFirstRow(
    _ plan: TransformPlan, _ halves: Input, _ store: (_ k: Int, _ x: Complex<Lanes8>) -> Void
  ) {
    let (n, rows) = (plan.size, plan.rows)
    let (z0, z4) = FourStep.join(halves, 0)
    let zero = Lanes8(repeating: 0)
    store(0, Complex(z0.re + z0.im, zero))
    store(n, Complex(z0.re - z0.im, zero))
    store(n / 2, Complex(z4.re, -z4.im))
    let (z1, z5) = FourStep.join(halves, 1)
    let (z2, z6) = FourStep.join(halves, 2)
    let (z3, z7) = FourStep.join(halves, 3)
    let (x1, x7) = pair(z1, z7, twiddle(plan, rows))
    store(rows, x1)
    store(n &- rows, x7)
    let (x2, x6) = pair(z2, z6, twiddle(plan, 2 &* rows))
    store(2 &* rows, x2)
    store(n &- 2 &* rows, x6)
    let (x3, x5) = pair(z3, z5, twiddle(plan, 3 &* rows))
    store(3 &* rows, x3)
    store(n &- 3 &* rows, x5)
  }

  /// Points i and i + 4 of row k with their partners, 7 - i and 3 - i of row `rows - k`.
  @inline(__always)
  private static func joinRows(
    _ plan: TransformPlan, _ lower: Input, _ upper: Input, _ row: Int, _ i: Int,
    _ store: (_ k: Int, _ x: Complex<Lanes8>) -> Void
  ) {
    let n = plan.size
    let (low, high) = FourStep.join(lower, i)
    let (highPartner, lowPartner) = FourStep.join(upper, 3 &- i)
    let k = row &+ i &* plan.rows
    let (a, b) = pair(low, lowPartner, twiddle(plan, k))
    store(k, a)
    store(n &- k, b)
    // Of the other two, the partner is the one below N / 2.
    let l = n / 2 &- k
    let (c, d) = pair(highPartner, high, twiddle(plan, l))
    store(l, c)
    store(n &- l, d)
  }
}
