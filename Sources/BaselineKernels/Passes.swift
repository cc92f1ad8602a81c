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

  /// How the elements of the first pass lie, and whether its input is samples.
  enum Source {
    /// Blocks.
    case blocks
    /// Pairs, sixteen floats an element, dealt into real and imaginary parts when loaded.
    case pairs
  }

  /// All passes of a plan, over one residue.
  ///
  /// - Parameters:
  ///   - plan: The radices and their tables.
  ///   - x: The first element.
  ///   - pitch: Floats from one element of x to the next.
  ///   - source: How an element of x lies.
  ///   - a: Scratch, `plan.rows` blocks.
  ///   - b: Scratch, as much again.
  ///   - result: Receives the last pass, `plan.rows` blocks.
  @inline(__always)
  static func all(
    _ plan: TransformPlan, _ x: Input, pitch: Int, _ source: Source, scratch a: Output,
    _ b: Output, into result: Output
  ) {
    guard plan.passes > 0 else { return load(x, source).store(block: result) }
    var w = plan.passTwiddles
    var n = plan.rows
    var stride = 1
    var (from, to) = (b, a)
    for i in 0..<plan.passes {
      let radix = Int(plan.radices[i])
      if i == plan.passes &- 1 { to = result }
      if i == 0 {
        run(radix, x, to, w, n: n, stride: 1, pitch: pitch, source)
      } else {
        run(radix, Input(from), to, w, n: n, stride: stride, pitch: block, .blocks)
      }
      w += 2 &* (radix &- 1) &* (n / radix)
      n /= radix
      stride = stride &* radix
      swap(&from, &to)
    }
  }

  /// One pass; the compiler writes a loop of its own for each radix, with and without twiddles.
  @inline(__always)
  private static func run(
    _ radix: Int, _ x: Input, _ y: Output, _ w: Input, n: Int, stride: Int, pitch: Int,
    _ source: Source
  ) {
    // The last pass has sub-transforms of length 1 left, whose twiddles are 1.
    let isLast = n == radix
    switch radix {
    case 2:
      isLast
        ? two(x, y, w, n, stride, pitch, source, turned: false)
        : two(x, y, w, n, stride, pitch, source, turned: true)
    case 3:
      isLast
        ? three(x, y, w, n, stride, pitch, source, turned: false)
        : three(x, y, w, n, stride, pitch, source, turned: true)
    case 4:
      isLast
        ? four(x, y, w, n, stride, pitch, source, turned: false)
        : four(x, y, w, n, stride, pitch, source, turned: true)
    case 5:
      isLast
        ? five(x, y, w, n, stride, pitch, source, turned: false)
        : five(x, y, w, n, stride, pitch, source, turned: true)
    default:
      isLast
        ? eight(x, y, w, n, stride, pitch, source, turned: false)
        : eight(x, y, w, n, stride, pitch, source, turned: true)
    }
  }

  /// The loops of a pass: `body` does one butterfly.
  ///
  /// `x[q + stride (p + k m)] -> y[q + stride (r p + k)]` for p in 0 ..< m = n / r, q in 0 ..<
  /// stride, k in 0 ..< r.
  @inline(__always)
  private static func loop(
    _ radix: Int, _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int,
    _ body: (_ from: Input, _ step: Int, _ to: Output, _ gap: Int, _ w: Input) -> Void
  ) {
    let m = n / radix
    var (from, to, w) = (x, y, w)
    if stride == 1 {
      let step = m &* pitch
      for _ in 0..<m {
        body(from, step, to, block, w)
        from += pitch
        to += radix &* block
        w += 2 &* (radix &- 1)
      }
      return
    }
    let gap = stride &* block
    for _ in 0..<m {
      for _ in 0..<stride {
        body(from, m &* gap, to, gap, w)
        from += block
        to += block
      }
      to += (radix &- 1) &* gap
      w += 2 &* (radix &- 1)
    }
  }

  @inline(__always)
  private static func load(_ p: Input, _ source: Source) -> C {
    switch source {
    case .blocks: C(block: p)
    case .pairs: C(dealing: p)
    }
  }

  /// Stores an output of a butterfly, turned by its twiddle unless that is 1.
  @inline(__always)
  private static func store(_ y: C, _ to: Output, _ w: Input, turned: Bool) {
    (turned ? y * C(broadcast: w) : y).store(block: to)
  }

  @inline(__always)
  private static func two(
    _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int, _ source: Source,
    turned: Bool
  ) {
    loop(2, x, y, w, n, stride, pitch) { from, step, to, gap, w in
      let y = Butterfly<L>.two(load(from, source), load(from + step, source))
      y.0.store(block: to)
      store(y.1, to + gap, w, turned: turned)
    }
  }

  @inline(__always)
  private static func three(
    _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int, _ source: Source,
    turned: Bool
  ) {
    loop(3, x, y, w, n, stride, pitch) { from, step, to, gap, w in
      let y = Butterfly<L>.three(
        load(from, source), load(from + step, source), load(from + 2 &* step, source))
      y.0.store(block: to)
      store(y.1, to + gap, w, turned: turned)
      store(y.2, to + 2 &* gap, w + 2, turned: turned)
    }
  }

  @inline(__always)
  private static func four(
    _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int, _ source: Source,
    turned: Bool
  ) {
    loop(4, x, y, w, n, stride, pitch) { from, step, to, gap, w in
      let y = Butterfly<L>.four(
        load(from, source), load(from + step, source), load(from + 2 &* step, source),
        load(from + 3 &* step, source))
      y.0.store(block: to)
      store(y.1, to + gap, w, turned: turned)
      store(y.2, to + 2 &* gap, w + 2, turned: turned)
      store(y.3, to + 3 &* gap, w + 4, turned: turned)
    }
  }

  @inline(__always)
  private static func five(
    _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int, _ source: Source,
    turned: Bool
  ) {
    loop(5, x, y, w, n, stride, pitch) { from, step, to, gap, w in
      let y = Butterfly<L>.five(
        load(from, source), load(from + step, source), load(from + 2 &* step, source),
        load(from + 3 &* step, source), load(from + 4 &* step, source))
      y.0.store(block: to)
      store(y.1, to + gap, w, turned: turned)
      store(y.2, to + 2 &* gap, w + 2, turned: turned)
      store(y.3, to + 3 &* gap, w + 4, turned: turned)
      store(y.4, to + 4 &* gap, w + 6, turned: turned)
    }
  }

  @inline(__always)
  private static func eight(
    _ x: Input, _ y: Output, _ w: Input, _ n: Int, _ stride: Int, _ pitch: Int, _ source: Source,
    turned: Bool
  ) {
    loop(8, x, y, w, n, stride, pitch) { from, step, to, gap, w in
      let y = Butterfly<L>.eight(
        load(from, source), load(from + step, source), load(from + 2 &* step, source),
        load(from + 3 &* step, source), load(from + 4 &* step, source),
        load(from + 5 &* step, source), load(from + 6 &* step, source),
        load(from + 7 &* step, source))
      y.0.store(block: to)
      store(y.1, to + gap, w, turned: turned)
      store(y.2, to + 2 &* gap, w + 2, turned: turned)
      store(y.3, to + 3 &* gap, w + 4, turned: turned)
      store(y.4, to + 4 &* gap, w + 6, turned: turned)
      store(y.5, to + 5 &* gap, w + 8, turned: turned)
      store(y.6, to + 6 &* gap, w + 10, turned: turned)
      store(y.7, to + 7 &* gap, w + 12, turned: turned)
    }
  }
}
