import Glibc
import Kernels

/// The tables of a Fourier transform of one length, computed in double and rounded once.
package struct TransformTables: ~Copyable {
  /// What the kernels are given; valid as long as this lives.
  package let plan: TransformPlan

  private let steps: UnsafeMutablePointer<Int32>
  private let passes: FloatBuffer
  private let lanes: FloatBuffer
  private let rows: FloatBuffer
  private let real: FloatBuffer
  private let join: FloatBuffer

  /// Makes the tables of a complex transform.
  ///
  /// - Parameters:
  ///   - size: N, complex elements: 2^a 3^b 5^c.
  ///   - isHalfOfReal: Whether it serves a transform of 2 N real samples.
  package init(size: Int, isHalfOfReal: Bool) {
    let lanes = size % 8 == 0 && size >= 16 ? 8 : 1
    let scale = isHalfOfReal && lanes == 8 ? 0.5 : 1
    let length = size / lanes
    let factors = Self.radices(of: length)
    steps = UnsafeMutablePointer<Int32>.allocate(capacity: max(1, 2 * factors.count))
    var rest = length
    for (i, radix) in factors.enumerated() {
      rest /= radix
      (steps[2 * i], steps[2 * i + 1]) = (Int32(radix), Int32(rest))
    }
    passes = FloatBuffer(Self.passTwiddles(factors, length: length))
    self.lanes = FloatBuffer(lanes == 8 ? Self.laneTwiddles(size: size, scale: scale) : [])
    rows = FloatBuffer(lanes == 8 ? Self.rowTwiddles(size: size, scale: scale) : [])
    // Vectors read up to eight entries behind the middle.
    let realCount = isHalfOfReal ? size / 2 + 9 : 0
    let half = Self.quarterTurn(size: size, count: realCount)
    real = FloatBuffer(half.map(\.re) + half.map(\.im))
    join = FloatBuffer(
      isHalfOfReal && lanes == 8
        ? (1...length / 2).flatMap { k in
          (0..<4).flatMap { i in [half[k + i * length].re, half[k + i * length].im] }
        } : [])
    plan = TransformPlan(
      size: size, lanes: lanes, passes: factors.count, steps: steps, scale: Float(scale),
      passTwiddles: passes.pointer, laneTwiddles: self.lanes.pointer, rowTwiddles: rows.pointer,
      realTwiddles: real.pointer, joinTwiddles: join.pointer,
      realCount: realCount)
  }

  deinit { steps.deallocate() }

  /// Whether a length has no prime factor above 5.
  static func hasOnlySmallFactors(_ size: Int) -> Bool {
    guard size >= 1 else { return false }
    var rest = size
    for factor in [2, 3, 5] {
      while rest % factor == 0 { rest /= factor }
    }
    return rest == 1
  }

  /// The radices of a length's passes: fives, threes, fours, and in the end what is left of the
  /// twos, as an eight where it can be; the last pass is the one without twiddles.
  static func radices(of length: Int) -> [Int] {
    var rest = length
    var radices: [Int] = []
    for factor in [5, 3] {
      while rest % factor == 0 {
        radices.append(factor)
        rest /= factor
      }
    }
    while rest >= 16 || rest == 4 {
      radices.append(4)
      rest /= 4
    }
    return rest > 1 ? radices + [rest] : radices
  }

  /// The root of unity exp(-2 pi i k / n).
  private static func root(_ k: Int, of n: Int) -> (re: Double, im: Double) {
    let angle = -2 * Double.pi * Double(k % n) / Double(n)
    return (cos(angle), sin(angle))
  }

  /// exp(-pi i k / N) for k up to N / 2 and a little further, with the symmetry about N / 4 exact:
  /// entry N / 2 - k is -i times the conjugate of entry k, to the last bit.
  private static func quarterTurn(size: Int, count: Int) -> [(re: Float, im: Float)] {
    (0..<count).map { k in
      guard size % 2 == 0, 4 * k > size, 2 * k <= size else {
        let w = root(k, of: 2 * size)
        return (Float(w.re), Float(w.im))
      }
      let w = root(size / 2 - k, of: 2 * size)
      return (Float(-w.im), Float(-w.re))
    }
  }

  private static func pair(_ k: Int, of n: Int) -> [Float] {
    let w = root(k, of: n)
    return [Float(w.re), Float(w.im)]
  }

  private static func passTwiddles(_ radices: [Int], length: Int) -> [Float] {
    var table: [Float] = []
    var n = length
    for radix in radices {
      for p in 0..<n / radix {
        for k in 1..<radix { table += pair(p * k, of: n) }
      }
      n /= radix
    }
    return table
  }

  private static func laneTwiddles(size: Int, scale: Double) -> [Float] {
    // Kernels read eight rows at a time.
    (0..<max(8, size / 8)).flatMap { k in
      let roots = [0, 1, 4, 5, 2, 3, 6, 7].map { root($0 * k, of: size) }
      return roots.map { Float(scale * $0.re) } + roots.map { Float(scale * $0.im) }
    }
  }

  private static func rowTwiddles(size: Int, scale: Double) -> [Float] {
    (0..<size / 8).flatMap { k in
      (0..<8).map { root($0 * k, of: size) }.flatMap {
        [Float(scale * $0.re), Float(scale * $0.im)]
      }
    }
  }
}
