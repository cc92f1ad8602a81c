/// Complex numbers, one a lane.
struct Complex<L: Lanes> {
  var re: L
  var im: L
  @inline(__always) init(_ re: L, _ im: L) { (self.re, self.im) = (re, im) }

  /// A block: the real parts of all lanes, then the imaginary ones.
  @inline(__always) init(block p: Input) {
    self.init(L(p), L(p + L.width))
  }

  /// As many pairs as there are lanes, in the order of `Lanes.deal`.
  @inline(__always) init(dealing p: Input) {
    let (even, odd) = L.deal(p)
    self.init(even, odd)
  }

  /// One number in all lanes.
  @inline(__always) init(broadcast p: Input) {
    self.init(L(repeating: p[0]), L(repeating: p[1]))
  }
  @inline(__always) func store(block p: Output) {
    re.store(p)
    im.store(p + L.width)
  }
  @inline(__always) func store(_ re: Output, _ im: Output) {
    self.re.store(re)
    self.im.store(im)
  }

  /// The power, re^2 + im^2.
  @inline(__always) var power: L { L.fma(re, re, im * im) }

  @inline(__always) static func + (a: Self, b: Self) -> Self { Self(a.re + b.re, a.im + b.im) }
  @inline(__always) static func - (a: Self, b: Self) -> Self { Self(a.re - b.re, a.im - b.im) }
  @inline(__always) static func * (a: Self, b: Self) -> Self {
    Self(L.fma(a.re, b.re, -(a.im * b.im)), L.fma(a.re, b.im, a.im * b.re))
  }
  @inline(__always) static func * (a: Self, k: L) -> Self { Self(a.re * k, a.im * k) }

  /// a + k b for a real k.
  @inline(__always) static func fma(_ k: L, _ b: Self, _ a: Self) -> Self {
    Self(L.fma(k, b.re, a.re), L.fma(k, b.im, a.im))
  }
}

/// The discrete Fourier transforms of two, three, four, five and eight points.
enum Butterfly<L: Lanes> {
  typealias C = Complex<L>
  @inline(__always) static func two(_ a: C, _ b: C) -> (C, C) { (a + b, a - b) }

  @inline(__always) static func three(_ a: C, _ b: C, _ c: C) -> (C, C, C) {
    let sum = b + c
    let difference = b - c
    let half = L(repeating: -0.5)
    let sine = L(repeating: 0.866_025_403_784_438_6)
    let t = C.fma(half, sum, a)
    return (
      a + sum,
      C(L.fma(sine, difference.im, t.re), L.fma(-sine, difference.re, t.im)),
      C(L.fma(-sine, difference.im, t.re), L.fma(sine, difference.re, t.im))
    )
  }

  @inline(__always)
  static func four(_ a: C, _ b: C, _ c: C, _ d: C) -> (C, C, C, C) {
    let (s, t) = (a + c, a - c)
    let (u, v) = (b + d, (b - d))
    return (
      s + u, C(t.re + v.im, t.im - v.re), s - u, C(t.re - v.im, t.im + v.re)
    )
  }

  @inline(__always)
  static func five(_ a: C, _ b: C, _ c: C, _ d: C, _ e: C) -> (C, C, C, C, C) {
    let (c1, c2) = (L(repeating: 0.309_016_994_374_947_45), L(repeating: -0.809_016_994_374_947_45))
    let (s1, s2) = (L(repeating: 0.951_056_516_295_153_5), L(repeating: 0.587_785_252_292_473_1))
    let (sumBE, difBE) = (b + e, b - e)
    let (sumCD, difCD) = (c + d, c - d)
    let even1 = C.fma(c2, sumCD, C.fma(c1, sumBE, a))
    let even2 = C.fma(c1, sumCD, C.fma(c2, sumBE, a))
    let odd1 = C(L.fma(s1, difBE.re, s2 * difCD.re), L.fma(s1, difBE.im, s2 * difCD.im))
    let odd2 = C(L.fma(s2, difBE.re, -(s1 * difCD.re)), L.fma(s2, difBE.im, -(s1 * difCD.im)))
    return (
      a + (sumBE + sumCD),
      C(even1.re + odd1.im, even1.im - odd1.re),
      C(even2.re + odd2.im, even2.im - odd2.re),
      C(even2.re - odd2.im, even2.im + odd2.re),
      C(even1.re - odd1.im, even1.im + odd1.re)
    )
  }

  @inline(__always)
  static func eight(
    _ a: C, _ b: C, _ c: C, _ d: C, _ e: C, _ f: C, _ g: C, _ h: C
  ) -> (C, C, C, C, C, C, C, C) {
    let even = four(a, c, e, g)
    let odd = four(b, d, f, h)
    let (y0, y4) = join(even.0, odd.0, 0)
    let (y1, y5) = join(even.1, odd.1, 1)
    let (y2, y6) = join(even.2, odd.2, 2)
    let (y3, y7) = join(even.3, odd.3, 3)
    return (y0, y1, y2, y3, y4, y5, y6, y7)
  }

  /// Points i and i + 4 of eight: `e + w o` and `e - w o` with w = exp(-2 pi i / 8)^i, from point i
  /// of the transforms of the even and of the odd elements.
  @inline(__always)
  static func join(_ e: C, _ o: C, _ i: Int) -> (C, C) {
    // The turns by 45 degrees leave their factor of sqrt(1/2) to the fused sums.
    let r = L(repeating: 0.707_106_781_186_547_5)
    switch i {
    case 0: return (e + o, e - o)
    case 1:
      let turned = C(o.re + o.im, o.im - o.re)
      return (C.fma(r, turned, e), C.fma(-r, turned, e))
    case 2: return (C(e.re + o.im, e.im - o.re), C(e.re - o.im, e.im + o.re))
    default:
      let turned = C(o.im - o.re, -(o.re + o.im))
      return (C.fma(r, turned, e), C.fma(-r, turned, e))
    }
  }
}
