import Kernels

/// The second step of a transform whose plan has eight lanes: twiddles, and transforms of length
/// eight across the residues.
///
/// Eight points are two transforms of four, `halves`, and their sums, `join`: eight complex numbers
/// in registers at a time where sixteen registers of AVX2 hold no more.
enum FourStep {
  typealias C = Complex<Lanes8>

  /// Floats at the start of the scratch that hold the halves of two rows.
  private static var joiningRoom: Int {
    @inline(__always) get { 256 }
  }

  /// One transform: rows of eight residues -> arrays of real and imaginary parts.
  ///
  /// Eight rows at a time are turned, transposed in registers and transformed; the last eight
  /// overlap those before where the rows are no multiple of eight. Where they are fewer than eight,
  /// each store is mended by the next, but for the last, which needs room for N + 8.
  @inline(__always)
  static func finish(_ plan: TransformPlan, _ x: Input, re: Output, im: Output) {
    let rows = plan.rows
    var k = 0
    while k < rows {
      let first = rows < 8 ? 0 : min(k, rows &- 8)
      let (p, t) = (x + 16 &* first, plan.laneTwiddles + 16 &* first)
      let (a0, a1) = (C(block: p) * C(block: t), C(block: p + 16) * C(block: t + 16))
      let (a2, a3) = (C(block: p + 32) * C(block: t + 32), C(block: p + 48) * C(block: t + 48))
      let (a4, a5) = (C(block: p + 64) * C(block: t + 64), C(block: p + 80) * C(block: t + 80))
      let (a6, a7) = (C(block: p + 96) * C(block: t + 96), C(block: p + 112) * C(block: t + 112))
      let u = Lanes8.transpose((a0.re, a1.re, a2.re, a3.re, a4.re, a5.re, a6.re, a7.re))
      let v = Lanes8.transpose((a0.im, a1.im, a2.im, a3.im, a4.im, a5.im, a6.im, a7.im))
      // The residues lie in the order 0 1 4 5 2 3 6 7.
      let y = Butterfly<Lanes8>.eight(
        C(u.0, v.0), C(u.1, v.1), C(u.4, v.4), C(u.5, v.5),
        C(u.2, v.2), C(u.3, v.3), C(u.6, v.6), C(u.7, v.7))
      let (yr, yi) = (re + first, im + first)
      y.0.store(yr, yi)
      y.1.store(yr + rows, yi + rows)
      y.2.store(yr + 2 &* rows, yi + 2 &* rows)
      y.3.store(yr + 3 &* rows, yi + 3 &* rows)
      y.4.store(yr + 4 &* rows, yi + 4 &* rows)
      y.5.store(yr + 5 &* rows, yi + 5 &* rows)
      y.6.store(yr + 6 &* rows, yi + 6 &* rows)
      y.7.store(yr + 7 &* rows, yi + 7 &* rows)
      k &+= 8
    }
  }

  /// The first step of eight transforms.
  ///
  /// While all of it fits the nearest cache twice, the residues go through the passes side by side,
  /// which loads each twiddle once for all of them. Beyond that (512 points and more; 1024 took 10 %
  /// longer) residue after residue, so that what a pass writes is still there when the next reads it.
  @inline(__always)
  static func residues(_ plan: TransformPlan, _ x: Input, scratch: Output) -> Residues {
    let a = scratch + joiningRoom
    guard plan.rows > 32 else {
      let room = 128 &* plan.rows
      let result = Pass<Lanes8>.all(
        plan, x, pitch: 128, Blocks.self, side: 8, scratch: a, a + room)
      return Residues(first: Input(result), pitch: 16, row: 128)
    }
    // A line more than a residue is long, so that the same row of all of them does not fall into one
    // set of the cache.
    let pitch = 16 &* (plan.rows &+ 1)
    let result = a + 2 &* pitch
    for j in 0..<8 {
      _ = Pass<Lanes8>.all(
        plan, x + 16 &* j, pitch: 128, Blocks.self, scratch: a, a + pitch,
        into: result + pitch &* j)
    }
    return Residues(first: Input(result), pitch: pitch, row: 16)
  }

  /// What the first step leaves: row k of residue j lies at `first + pitch j + row k`.
  struct Residues {
    let first: Input
    let pitch: Int
    let row: Int
  }

  /// The two transforms of four of row k: over the even residues, then over the odd ones.
  @inline(__always)
  static func halves(
    _ plan: TransformPlan, _ residues: Residues, row k: Int, into y: Output
  ) {
    let (p, pitch) = (residues.first + residues.row &* k, residues.pitch)
    let w = plan.rowTwiddles + 16 &* k
    let even = Butterfly<Lanes8>.four(
      C(block: p) * Lanes8(repeating: w[0]), C(block: p + 2 &* pitch) * C(broadcast: w + 4),
      C(block: p + 4 &* pitch) * C(broadcast: w + 8),
      C(block: p + 6 &* pitch) * C(broadcast: w + 12))
    even.0.store(block: y)
    even.1.store(block: y + 16)
    even.2.store(block: y + 32)
    even.3.store(block: y + 48)
    let odd = Butterfly<Lanes8>.four(
      C(block: p + pitch) * C(broadcast: w + 2), C(block: p + 3 &* pitch) * C(broadcast: w + 6),
      C(block: p + 5 &* pitch) * C(broadcast: w + 10),
      C(block: p + 7 &* pitch) * C(broadcast: w + 14))
    odd.0.store(block: y + 64)
    odd.1.store(block: y + 80)
    odd.2.store(block: y + 96)
    odd.3.store(block: y + 112)
  }

  /// Points i and i + 4 of a transform of eight from its halves.
  @inline(__always)
  static func join(_ halves: Input, _ i: Int) -> (C, C) {
    Butterfly<Lanes8>.join(C(block: halves + 16 &* i), C(block: halves + 64 + 16 &* i), i)
  }

  /// The second step of eight complex transforms.
  @inline(__always)
  static func finishEight(
    _ plan: TransformPlan, _ residues: Residues, scratch: Output, into y: Output
  ) {
    for k in 0..<plan.rows {
      halves(plan, residues, row: k, into: scratch)
      for i in 0..<4 {
        let (low, high) = join(Input(scratch), i)
        low.store(block: y + 16 &* (k &+ i &* plan.rows))
        high.store(block: y + 16 &* (k &+ (i &+ 4) &* plan.rows))
      }
    }
  }
}
