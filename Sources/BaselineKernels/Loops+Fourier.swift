import Kernels

extension Loops {
  package static func transform(
    _ plan: TransformPlan, _ pairs: UnsafePointer<Float>, re: UnsafeMutablePointer<Float>,
    im: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let room = 2 &* plan.size &+ 128
    guard plan.lanes == 8 else {
      let z = plain(plan, pairs, scratch: scratch)
      for k in 0..<plan.size { (re[k], im[k]) = (z[2 &* k], z[2 &* k &+ 1]) }
      return
    }
    let z = Pass<Lanes8>.all(
      plan, pairs, pitch: 16, Pairs.self, scratch: scratch, scratch + room)
    FourStep.finish(plan, z, re: re, im: im)
  }

  package static func transformEight(
    _ plan: TransformPlan, _ blocks: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    guard plan.lanes == 8 else {
      _ = Pass<Lanes8>.all(
        plan, blocks, pitch: 16, Blocks.self, scratch: scratch, scratch + 16 &* plan.size,
        into: result)
      return
    }
    let residues = FourStep.residues(plan, blocks, scratch: scratch)
    FourStep.finishEight(plan, residues, scratch: scratch, into: result)
  }

  package static func spectrum(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, re: UnsafeMutablePointer<Float>,
    im: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let n = plan.size
    guard plan.lanes == 8 else {
      let z = plain(plan, samples, scratch: scratch)
      let x = scratch + 4 &* n
      RealSpectrum.plain(plan, z, x, Spectrum.self, Lane1.self)
      for k in 0...n { (re[k], im[k]) = (x[2 &* k], x[2 &* k &+ 1]) }
      return
    }
    let (zr, zi) = halfTransform(plan, samples, scratch: scratch)
    RealSpectrum.split(plan, re: zr, im: zi) { k, up, down in
      up.store(re + k, im + k)
      down.re.reversed.store(re + (n &- k &- 7))
      down.im.reversed.store(im + (n &- k &- 7))
    }
    let (first, last) = RealSpectrum.ends(Complex(Lane1(zr), Lane1(zi)))
    first.store(re, im)
    last.store(re + n, im + n)
    RealSpectrum.middle(Complex(Lane1(zr + n / 2), Lane1(zi + n / 2))).store(re + n / 2, im + n / 2)
  }

  package static func spectrumEight(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    realEight(plan, samples, scratch: scratch, result, Spectrum.self)
  }

  package static func powerSpectrum(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let n = plan.size
    guard plan.lanes == 8 else {
      let z = plain(plan, samples, scratch: scratch)
      RealSpectrum.plain(plan, z, power, Power.self, Lane1.self)
      return
    }
    let (zr, zi) = halfTransform(plan, samples, scratch: scratch)
    RealSpectrum.split(plan, re: zr, im: zi) { k, up, down in
      up.power.store(power + k)
      down.power.reversed.store(power + (n &- k &- 7))
    }
    let (first, last) = RealSpectrum.ends(Complex(Lane1(zr), Lane1(zi)))
    Power.store(first, power)
    Power.store(last, power + n)
    Power.store(
      RealSpectrum.middle(Complex(Lane1(zr + n / 2), Lane1(zi + n / 2))), power + n / 2)
  }

  package static func powerSpectrumEight(
    _ plan: TransformPlan, _ samples: UnsafePointer<Float>, into power: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    realEight(plan, samples, scratch: scratch, power, Power.self)
  }

  package static func unravel(
    _ plan: TransformPlan, re: UnsafePointer<Float>, im: UnsafePointer<Float>,
    into pairs: UnsafeMutablePointer<Float>
  ) {
    unravel(plan, into: pairs) { (k: Int) -> Complex<Lane1> in
      Complex(Lane1(re[k]), Lane1(im[k]))
    }
  }

  package static func unravelEight(
    _ plan: TransformPlan, _ blocks: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>
  ) {
    unravel(plan, into: result) { (k: Int) -> Complex<Lanes8> in
      Complex(block: blocks + 16 &* k)
    }
  }

  /// One transform of a plan with one lane: pairs -> pairs.
  @inline(__always)
  private static func plain(_ plan: TransformPlan, _ pairs: Input, scratch: Output) -> Input {
    Input(
      Pass<Lane1>.all(
        plan, pairs, pitch: 2, Blocks.self, scratch: scratch, scratch + 2 &* plan.size))
  }

  /// The complex transform of 2 N samples taken as N pairs -> Z as two arrays in scratch.
  @inline(__always)
  private static func halfTransform(
    _ plan: TransformPlan, _ samples: Input, scratch: Output
  ) -> (re: Input, im: Input) {
    let room = 2 &* plan.size &+ 128
    let rows = Pass<Lanes8>.all(
      plan, samples, pitch: 16, Pairs.self, scratch: scratch, scratch + room)
    let re = scratch + 2 &* room
    let im = re + (plan.size &+ 16)
    FourStep.finish(plan, rows, re: re, im: im)
    return (Input(re), Input(im))
  }

  /// Eight transforms of real samples.
  @inline(__always)
  private static func realEight<S: Sink>(
    _ plan: TransformPlan, _ samples: Input, scratch: Output, _ y: Output, _ sink: S.Type
  ) {
    guard plan.lanes == 8 else {
      let z = Pass<Lanes8>.all(
        plan, samples, pitch: 16, Blocks.self, scratch: scratch, scratch + 16 &* plan.size)
      RealSpectrum.plain(plan, z, y, sink, Lanes8.self)
      return
    }
    let residues = FourStep.residues(plan, samples, scratch: scratch)
    RealSpectrum.joined(plan, residues, scratch: scratch, y, sink)
  }

  @inline(__always)
  private static func unravel<L: Lanes>(
    _ plan: TransformPlan, into y: Output, _ bin: (Int) -> Complex<L>
  ) {
    let n = plan.size
    let half = L(repeating: 0.5)
    let (first, last) = (bin(0).re, bin(n).re)
    // Imaginary part first: `Complex` with its parts exchanged.
    Complex(half * (first - last), half * (first + last)).store(block: y)
    var k = 1
    while 2 &* k <= n {
      let (x, partner) = (bin(k), bin(n &- k))
      let even = Complex(half * (x.re + partner.re), half * (x.im - partner.im))
      // w^-k is the conjugate of w^k.
      let w = Complex(
        half * L(repeating: plan.realTwiddles[k]),
        -half * L(repeating: plan.realTwiddles[plan.realCount &+ k]))
      let odd = Complex(x.re - partner.re, x.im + partner.im) * w
      // Z_k = E + i O, Z_(N-k) = conj E + i conj O
      Complex(even.im + odd.re, even.re - odd.im).store(block: y + 2 &* L.width &* k)
      Complex(odd.re - even.im, even.re + odd.im).store(block: y + 2 &* L.width &* (n &- k))
      k &+= 1
    }
  }
}
