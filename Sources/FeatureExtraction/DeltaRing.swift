import Kernels

/// Rows -> rows with their differences in time appended, two rows late for each order.
///
/// Kaldi's convention: order 1 has the taps [-2 -1 0 1 2] / 10, order 2 those convolved with
/// themselves, [4 4 1 -4 -10 -4 1 4 4] / 100, both over the rows themselves; rows before the first
/// and after the last are equal to them. Owns as many rows as the taps span, addressed by their
/// number in the stream, and the row that is given out.
///
/// Differences are taken before they are weighed, so that a constant has none at all.
struct DeltaRing: ~Copyable {
  private let orders: Int
  private let length: Int
  /// Rows that a row waits for.
  private let delay: Int
  private let rows: FloatBuffer
  private let result: FloatBuffer
  /// Rows taken, and rows given out.
  private var taken = 0
  private var given = 0

  init(orders: Int, length: Int) {
    self.orders = orders
    self.length = length
    delay = 2 * orders
    rows = FloatBuffer(count: (2 * delay + 1) * length)
    result = FloatBuffer(count: (1 + orders) * length)
  }

  /// Takes the next row.
  mutating func push(_ row: UnsafePointer<Float>) {
    (rows.pointer + taken % (2 * delay + 1) * length).update(from: row, count: length)
    taken += 1
  }

  /// The next row with its differences, if enough rows after it are in.
  ///
  /// - Returns: A row, valid until the next call.
  mutating func next() -> UnsafeMutablePointer<Float>? {
    given + delay < taken ? append() : nil
  }

  /// The next row with its differences, when no more rows will come.
  ///
  /// - Returns: A row, valid until the next call; nil after the last.
  mutating func last() -> UnsafeMutablePointer<Float>? { given < taken ? append() : nil }

  mutating func reset() {
    taken = 0
    given = 0
  }

  private mutating func append() -> UnsafeMutablePointer<Float> {
    let x = row(0)
    result.pointer.update(from: x, count: length)
    first(into: result.pointer + length)
    if orders > 1 { second(x, into: result.pointer + 2 * length) }
    given += 1
    return result.pointer
  }

  /// The row so far after the one that is to be given out; at an end the last on that side.
  private func row(_ distance: Int) -> UnsafePointer<Float> {
    let index = max(0, min(taken - 1, given + distance))
    return UnsafePointer(rows.pointer + index % (2 * delay + 1) * length)
  }

  /// `((x_1 - x_-1) + 2 (x_2 - x_-2)) / 10`.
  private func first(into y: UnsafeMutablePointer<Float>) {
    let (a, b, c, d) = (row(-2), row(-1), row(1), row(2))
    for i in 0..<length { y[i] = 0.1 * ((c[i] - b[i]) + 2 * (d[i] - a[i])) }
  }

  /// `(4 (d_-4 + d_-3 + d_3 + d_4) + (d_-2 + d_2) - 4 (d_-1 + d_1)) / 100` with `d_k = x_k - x_0`.
  private func second(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
    let (a, b, c, d) = (row(-4), row(-3), row(3), row(4))
    for i in 0..<length {
      y[i] = ((a[i] - x[i]) + (d[i] - x[i])) + ((b[i] - x[i]) + (c[i] - x[i]))
    }
    let (e, f, g, h) = (row(-2), row(-1), row(1), row(2))
    for i in 0..<length {
      let inner = (f[i] - x[i]) + (g[i] - x[i])
      y[i] = 0.01 * (4 * (y[i] - inner) + ((e[i] - x[i]) + (h[i] - x[i])))
    }
  }
}
