import Kernels

/// From the complex transform Z of a real signal's dealt halves to its bins.
enum RealSpectrum {
  /// `X_k = E + w^k O` and `X_(N-k) = conj(E - w^k O)` from Z_k / 2 and Z_(N-k) / 2.
  ///
  /// - Parameters:
  ///   - z: Z_k / 2.
  ///   - partner: Z_(N-k) / 2.
  ///   - w: w^k.
  /// - Returns: X_k and X_(N-k).
  @inline(__always)
  static func pair<L: Lanes>(
    _ z: Complex<L>, _ partner: Complex<L>, _ w: Complex<L>
  ) -> (Complex<L>, Complex<L>) {
    let even = Complex<L>(z.re + partner.re, z.im - partner.im)
    let odd = Complex<L>(z.im + partner.im, partner.re - z.re) * w
    return (even + odd, Complex(even.re - odd.re, odd.im - even.im))
  }

  /// Bins 0 and N from Z_0 / 2.
  @inline(__always)
  static func ends<L: Lanes>(_ z: Complex<L>) -> (first: Complex<L>, last: Complex<L>) {
    let zero = L(repeating: 0)
    let twice = z + z
    return (Complex(twice.re + twice.im, zero), Complex(twice.re - twice.im, zero))
  }

  /// Bin N / 2 from Z_(N/2) / 2.
  @inline(__always)
  static func middle<L: Lanes>(_ z: Complex<L>) -> Complex<L> {
    Complex(z.re + z.re, -(z.im + z.im))
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

  /// The transforms of a plan with one lane, whose Z is not halved: all bins, one after the other.
  @inline(__always)
  static func plain<L: Lanes, S: Sink>(
    _ plan: TransformPlan, _ z: Input, _ y: Output, _ sink: S.Type, _: L.Type
  ) {
    let n = plan.size
    let (block, bin) = (2 * L.width, S.parts * L.width)
    let half = L(repeating: 0.5)
    let (first, last) = ends(Complex<L>(block: z) * half)
    S.store(first, y)
    S.store(last, y + bin &* n)
    var k = 1
    while 2 &* k < n {
      let (low, high) = pair(
        Complex<L>(block: z + block &* k) * half, Complex<L>(block: z + block &* (n &- k)) * half,
        twiddle(plan, k))
      S.store(low, y + bin &* k)
      S.store(high, y + bin &* (n &- k))
      k &+= 1
    }
    guard n % 2 == 0 else { return }
    S.store(middle(Complex<L>(block: z + block &* (n / 2)) * half), y + bin &* (n / 2))
  }

  /// Eight transforms of a plan with eight lanes, together with the last sums of its second step:
  /// rows k and `rows - k` hold each other's partners, so that Z is never stored.
  @inline(__always)
  static func joined<S: Sink>(
    _ plan: TransformPlan, _ residues: FourStep.Residues, scratch: Output, _ y: Output,
    _ sink: S.Type
  ) {
    let rows = plan.rows
    let (lower, upper) = (scratch, scratch + 128)
    FourStep.halves(plan, residues, row: 0, into: lower)
    joinFirstRow(plan, lower, y, sink)
    let bin = 8 &* S.parts
    let gap = bin &* rows
    // Bins k, N / 2 + k, N / 2 - k, N - k for k = 1; i rows on, they go on by i gaps.
    var up = y + bin
    var middleUp = y + bin &* (plan.size / 2 &+ 1)
    var middleDown = y + bin &* (plan.size / 2 &- 1)
    var down = y + bin &* (plan.size &- 1)
    var w = plan.joinTwiddles
    var k = 1
    while 2 &* k <= rows {
      FourStep.halves(plan, residues, row: k, into: lower)
      FourStep.halves(plan, residues, row: rows &- k, into: upper)
      joinRows(lower, upper, w, 0, up, middleUp, middleDown, down, gap, sink)
      joinRows(lower, upper, w, 1, up, middleUp, middleDown, down, gap, sink)
      joinRows(lower, upper, w, 2, up, middleUp, middleDown, down, gap, sink)
      joinRows(lower, upper, w, 3, up, middleUp, middleDown, down, gap, sink)
      w += 8
      up += bin
      middleUp += bin
      middleDown -= bin
      down -= bin
      k &+= 1
    }
  }

  /// Row 0, whose points are partners of one another.
  @inline(__always)
  private static func joinFirstRow<S: Sink>(
    _ plan: TransformPlan, _ halves: Input, _ y: Output, _ sink: S.Type
  ) {
    let gap = 8 &* S.parts &* plan.rows
    let (z0, z4) = FourStep.join(halves, 0)
    let (z1, z5) = FourStep.join(halves, 1)
    let (z2, z6) = FourStep.join(halves, 2)
    let (z3, z7) = FourStep.join(halves, 3)
    let (first, last) = ends(z0)
    S.store(first, y)
    S.store(last, y + 8 &* gap)
    S.store(middle(z4), y + 4 &* gap)
    let (x1, x7) = pair(z1, z7, twiddle(plan, plan.rows))
    S.store(x1, y + gap)
    S.store(x7, y + 7 &* gap)
    let (x2, x6) = pair(z2, z6, twiddle(plan, 2 &* plan.rows))
    S.store(x2, y + 2 &* gap)
    S.store(x6, y + 6 &* gap)
    let (x3, x5) = pair(z3, z5, twiddle(plan, 3 &* plan.rows))
    S.store(x3, y + 3 &* gap)
    S.store(x5, y + 5 &* gap)
  }

  /// Points i and i + 4 of row k with their partners, 7 - i and 3 - i of row `rows - k`.
  @inline(__always)
  private static func joinRows<S: Sink>(
    _ lower: Input, _ upper: Input, _ w: Input, _ i: Int, _ up: Output, _ middleUp: Output,
    _ middleDown: Output, _ down: Output, _ gap: Int, _ sink: S.Type
  ) {
    let (low, high) = FourStep.join(lower, i)
    let (highPartner, lowPartner) = FourStep.join(upper, 3 &- i)
    let turn = Complex<Lanes8>(broadcast: w + 2 &* i)
    let (a, b) = pair(low, lowPartner, turn)
    S.store(a, up + i &* gap)
    S.store(b, down - i &* gap)
    // Of the other two, the partner is the one below N / 2: w^(N/2-k) is -i conj w^k.
    let (c, d) = pair(highPartner, high, Complex(-turn.im, -turn.re))
    S.store(c, middleDown - i &* gap)
    S.store(d, middleUp + i &* gap)
  }
}

/// What becomes of a bin: itself, or its power.
protocol Sink {
  /// Floats of a bin in each lane.
  static var parts: Int { get }
  static func store<L: Lanes>(_ x: Complex<L>, _ y: Output)
}

/// Real and imaginary part.
enum Spectrum: Sink {
  static var parts: Int {
    @inline(__always) get { 2 }
  }

  @inline(__always)
  static func store<L: Lanes>(_ x: Complex<L>, _ y: Output) { x.store(block: y) }
}

/// The power, `|X|^2`.
enum Power: Sink {
  static var parts: Int {
    @inline(__always) get { 1 }
  }

  @inline(__always)
  static func store<L: Lanes>(_ x: Complex<L>, _ y: Output) { x.power.store(y) }
}
