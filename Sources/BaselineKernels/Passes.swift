import Kernels

/// The passes of a transform over blocks: an element of the transform is `width` complex numbers,
/// their real parts and then their imaginary ones.
///
/// Stockham's autosort form: a pass of radix r takes sub-transforms of length n, `stride` of them
/// side by side, to r times as many of length n / r, from one array to another.
enum Pass<L: Lanes> {
  typealias C = Complex<L>

  static var block: Int {
    @inline(__always) get { 2 * L.width }
  }

  /// All passes of a plan, over one residue, or over several side by side.
  ///
  /// - Parameters:
  ///   - plan: The radices and their tables.
  ///   - x: The first element.
  ///   - pitch: Floats from one element of one residue to the next.
  ///   - source: How an element of x lies.
  ///   - side: Residues side by side.
  ///   - a: Scratch, `side` times `plan.rows` blocks.
  ///   - b: Scratch, as much again.
  ///   - result: Receives the last pass, as many blocks; in the scratch when absent.
  /// - Returns: Where the result is.
  @inline(__always)
  static func all(
    _ plan: TransformPlan, _ x: Input, pitch: Int, _ source: (some Source).Type,
    side: Int = 1, scratch a: Output, _ b: Output, into result: Output? = nil
  ) -> Output {
    guard plan.passes > 0 else {
      load(x, source).store(block: result ?? a)
      return result ?? a
    }
    var w = plan.passTwiddles
    var stride = side
    var (from, to) = (b, a)
    for i in 0..<plan.passes {
      let (radix, m) = (Int(plan.steps[2 &* i]), Int(plan.steps[2 &* i &+ 1]))
      // The last pass leaves every element where it took it from, so that it may write over its
      // input: less memory to keep near.
      if i == plan.passes &- 1 { to = result ?? (i == 0 ? a : from) }
      // The last pass has sub-transforms of length 1 left, whose twiddles are 1.
      switch (i == 0, m == 1) {
      case (true, false): run(radix, x, to, w, m, side, pitch, source, Turned.self)
      case (true, true): run(radix, x, to, w, m, side, pitch, source, Unturned.self)
      case (false, false):
        run(radix, Input(from), to, w, m, stride, 0, Blocks.self, Turned.self)
      case (false, true):
        run(radix, Input(from), to, w, m, stride, 0, Blocks.self, Unturned.self)
      }
      w += 2 &* (radix &- 1) &* m
      stride = stride &* radix
      swap(&from, &to)
    }
    return from
  }

  /// One pass; the compiler writes a loop of its own for each radix, source and kind of twiddle.
  @inline(__always)
  private static func run(
    _ radix: Int, _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int,
    _ source: (some Source).Type, _ twiddle: (some Twiddle).Type
  ) {
    switch radix {
    case 2: two(x, y, w, m, stride, pitch, source, twiddle)
    case 3: three(x, y, w, m, stride, pitch, source, twiddle)
    case 4: four(x, y, w, m, stride, pitch, source, twiddle)
    case 5: five(x, y, w, m, stride, pitch, source, twiddle)
    default: eight(x, y, w, m, stride, pitch, source, twiddle)
    }
  }

  /// The loops of a pass: `factors` loads the twiddles of a place, `body` does one butterfly.
  ///
  /// `x[q + stride (p + k m)] -> y[q + stride (r p + k)]` for p in 0 ..< m, q in 0 ..< stride, k in
  /// 0 ..< r.
  @inline(__always)
  private static func loop<Factors>(
    _ radix: Int, _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int,
    factors: (Input) -> Factors,
    _ body: (_ from: Input, _ step: Int, _ to: Output, _ gap: Int, _ w: Factors) -> Void
  ) {
    var (from, to, w) = (x, y, w)
    if stride == 1 {
      let step = m &* pitch
      for _ in 0..<m {
        body(from, step, to, block, factors(w))
        from += pitch
        to += radix &* block
        w += 2 &* (radix &- 1)
      }
      return
    }
    let gap = stride &* block
    for _ in 0..<m {
      let factors = factors(w)
      for _ in 0..<stride {
        body(from, m &* gap, to, gap, factors)
        from += block
        to += block
      }
      to += (radix &- 1) &* gap
      w += 2 &* (radix &- 1)
    }
  }

  @inline(__always)
  private static func load(_ p: Input, _ source: (some Source).Type) -> C { source.load(p) }

  @inline(__always)
  private static func two<S: Source, T: Twiddle>(
    _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int, _: S.Type, _: T.Type
  ) {
    loop(2, x, y, w, m, stride, pitch) { w -> C in
      T.factor(w)
    } _: { from, step, to, gap, w in
      let y = Butterfly<L>.two(
        S.load(from), S.load(from + step))
      y.0.store(block: to)
      T.apply(y.1, w).store(block: to + gap)
    }
  }

  @inline(__always)
  private static func three<S: Source, T: Twiddle>(
    _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int, _: S.Type, _: T.Type
  ) {
    loop(3, x, y, w, m, stride, pitch) { w -> (C, C) in
      (T.factor(w), T.factor(w + 2))
    } _: { from, step, to, gap, w in
      let y = Butterfly<L>.three(
        S.load(from), S.load(from + step), S.load(from + 2 &* step))
      y.0.store(block: to)
      T.apply(y.1, w.0).store(block: to + gap)
      T.apply(y.2, w.1).store(block: to + 2 &* gap)
    }
  }

  @inline(__always)
  private static func four<S: Source, T: Twiddle>(
    _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int, _: S.Type, _: T.Type
  ) {
    loop(4, x, y, w, m, stride, pitch) { w -> (C, C, C) in
      (T.factor(w), T.factor(w + 2), T.factor(w + 4))
    } _: { from, step, to, gap, w in
      let y = Butterfly<L>.four(
        S.load(from), S.load(from + step), S.load(from + 2 &* step),
        S.load(from + 3 &* step))
      y.0.store(block: to)
      T.apply(y.1, w.0).store(block: to + gap)
      T.apply(y.2, w.1).store(block: to + 2 &* gap)
      T.apply(y.3, w.2).store(block: to + 3 &* gap)
    }
  }

  @inline(__always)
  private static func five<S: Source, T: Twiddle>(
    _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int, _: S.Type, _: T.Type
  ) {
    loop(5, x, y, w, m, stride, pitch) {
      $0
    } _: { from, step, to, gap, w in
      let y = Butterfly<L>.five(
        S.load(from), S.load(from + step), S.load(from + 2 &* step),
        S.load(from + 3 &* step), S.load(from + 4 &* step))
      y.0.store(block: to)
      T.apply(y.1, T.factor(w)).store(block: to + gap)
      T.apply(y.2, T.factor(w + 2)).store(block: to + 2 &* gap)
      T.apply(y.3, T.factor(w + 4)).store(block: to + 3 &* gap)
      T.apply(y.4, T.factor(w + 6)).store(block: to + 4 &* gap)
    }
  }

  @inline(__always)
  private static func eight<S: Source, T: Twiddle>(
    _ x: Input, _ y: Output, _ w: Input, _ m: Int, _ stride: Int, _ pitch: Int, _: S.Type, _: T.Type
  ) {
    loop(8, x, y, w, m, stride, pitch) {
      $0
    } _: { from, step, to, gap, w in
      let y = Butterfly<L>.eight(
        S.load(from), S.load(from + step), S.load(from + 2 &* step),
        S.load(from + 3 &* step), S.load(from + 4 &* step), S.load(from + 5 &* step),
        S.load(from + 6 &* step), S.load(from + 7 &* step))
      y.0.store(block: to)
      T.apply(y.1, T.factor(w)).store(block: to + gap)
      T.apply(y.2, T.factor(w + 2)).store(block: to + 2 &* gap)
      T.apply(y.3, T.factor(w + 4)).store(block: to + 3 &* gap)
      T.apply(y.4, T.factor(w + 6)).store(block: to + 4 &* gap)
      T.apply(y.5, T.factor(w + 8)).store(block: to + 5 &* gap)
      T.apply(y.6, T.factor(w + 10)).store(block: to + 6 &* gap)
      T.apply(y.7, T.factor(w + 12)).store(block: to + 7 &* gap)
    }
  }
}

/// How the elements of a pass's input lie.
protocol Source {
  static func load<L: Lanes>(_ p: Input) -> Complex<L>
}

/// As blocks.
enum Blocks: Source {
  @inline(__always)
  static func load<L: Lanes>(_ p: Input) -> Complex<L> { Complex(block: p) }
}

/// As pairs, dealt into real and imaginary parts when loaded.
enum Pairs: Source {
  @inline(__always)
  static func load<L: Lanes>(_ p: Input) -> Complex<L> { Complex(dealing: p) }
}

/// Whether the outputs of a butterfly are turned.
///
/// A type, not a flag, so that the loop that needs no twiddles is compiled without them.
protocol Twiddle {
  static func factor<L: Lanes>(_ w: Input) -> Complex<L>
  static func apply<L: Lanes>(_ y: Complex<L>, _ factor: Complex<L>) -> Complex<L>
}

/// Turned by their twiddles.
enum Turned: Twiddle {
  @inline(__always)
  static func factor<L: Lanes>(_ w: Input) -> Complex<L> { Complex(broadcast: w) }

  @inline(__always)
  static func apply<L: Lanes>(_ y: Complex<L>, _ factor: Complex<L>) -> Complex<L> { y * factor }
}

/// The twiddles are 1, and never read.
enum Unturned: Twiddle {
  @inline(__always)
  static func factor<L: Lanes>(_ w: Input) -> Complex<L> {
    Complex(L(repeating: 1), L(repeating: 0))
  }

  @inline(__always)
  static func apply<L: Lanes>(_ y: Complex<L>, _ factor: Complex<L>) -> Complex<L> { y }
}
