import KernelDispatch
import Kernels

/// Keys and values of the last N steps, for scores that are new at every step.
///
/// Allocated once. Step s lies at slot s mod N, so a step that is N old is written over:
///
///     step    0   1   2   3   4          N = 3, newest step 4: the window is 2, 3, 4
///     slot    0   1   2   0   1
///
/// The window is gone through once, oldest step first, some rows at a time, so that a key which is
/// its own value comes from far memory only once. The sum of weights and values is kept in the scale
/// of the largest exponent so far, a power of two (`AttentionKernels`).
struct KeyValueRing: ~Copyable {
  private let shape: AttentionShape
  /// [window + 7][heads][key stride], zeros behind the window, since scores are made eight at a
  /// time; empty when no score looks back at keys.
  private let keys: FloatBuffer
  /// [window][heads][value stride]; empty when the value is the key.
  private let values: FloatBuffer
  /// [heads][window], the first `span` of each: z, oldest step first.
  ///
  /// Room for seven follows.
  private let scores: FloatBuffer
  private let sum: FloatBuffer
  /// Steps that are scored before their values are added: as many as the nearest cache holds of
  /// keys that are their own values, a multiple of eight.
  private let rowsAtOnce: Int

  /// Steps that have been written, all in all.
  private(set) var steps = 0

  init(_ shape: AttentionShape) {
    self.shape = shape
    let window = shape.score.dependsOnQuery ? shape.window : 0
    let rest = window > 0 ? 7 : 0
    keys = FloatBuffer(count: (window + rest) * shape.heads * shape.keyStride)
    values = FloatBuffer(
      count: shape.value == .key ? 0 : window * shape.heads * shape.valueStride)
    scores = FloatBuffer(count: shape.heads * window + rest)
    sum = FloatBuffer(count: shape.valueStride)
    let fitting = Self.nearBytes / (4 * shape.heads * shape.keyStride) / 8 * 8
    rowsAtOnce = max(8, min(fitting, SoftmaxSum.mostRows))
  }

  /// What is near: most of a first-level cache of 32 KiB.
  private static var nearBytes: Int { 27 << 10 }

  /// Steps in the window now: min(steps, N).
  var span: Int { min(steps, shape.window) }

  /// z of the newest step over the window, oldest step first, `span` long.
  func scores(head: Int) -> UnsafePointer<Float> {
    UnsafePointer(scores.pointer + head * shape.window)
  }

  /// Takes in a step and attends over the window that ends with it.
  ///
  /// - Parameters:
  ///   - query: [heads][key stride].
  ///   - key: [heads][key stride].
  ///   - value: [heads][value stride]; ignored when the value is the key.
  ///   - vector: v of an additive score, [heads][key stride].
  ///   - context: Receives c_t, [heads V].
  mutating func attend(
    query: UnsafePointer<Float>, key: UnsafePointer<Float>, value: UnsafePointer<Float>,
    vector: UnsafePointer<Float>, into context: UnsafeMutablePointer<Float>
  ) {
    append(key: key, value: value)
    let valueSize = shape.valueSize
    for head in 0..<shape.heads {
      var softmax = SoftmaxSum()
      sum.clear()
      let at = head * shape.keyStride
      addWindow(head, query: query + at, vector: vector + at, &softmax)
      let factor = 1 / softmax.total
      kernels.scale(sum.pointer, by: factor, into: sum.pointer, count: shape.valueStride)
      (context + head * valueSize).update(from: sum.pointer, count: valueSize)
    }
  }

  /// Writes a step over the oldest.
  private mutating func append(key: UnsafePointer<Float>, value: UnsafePointer<Float>) {
    let slot = steps % shape.window
    let keyCount = shape.heads * shape.keyStride
    (keys.pointer + slot * keyCount).update(from: key, count: keyCount)
    if shape.value != .key {
      let valueCount = shape.heads * shape.valueStride
      (values.pointer + slot * valueCount).update(from: value, count: valueCount)
    }
    steps += 1
  }

  /// Goes through the window, oldest step first, some rows at a time.
  private func addWindow(
    _ head: Int, query: UnsafePointer<Float>, vector: UnsafePointer<Float>,
    _ softmax: inout SoftmaxSum
  ) {
    let (keyPitch, valuePitch) = (shape.heads * shape.keyStride, shape.heads * shape.valueStride)
    let key = UnsafePointer(keys.pointer + head * shape.keyStride)
    var (value, valueStep) = (key, keyPitch)
    if shape.value != .key {
      (value, valueStep) = (UnsafePointer(values.pointer + head * shape.valueStride), valuePitch)
    }
    let z = scores.pointer + head * shape.window
    let oldest = (steps - span) % shape.window
    var done = 0
    while done < span {
      let rows = min(rowsAtOnce, span - done)
      let slot = (oldest + done) % shape.window
      // Some lie at the end of memory, the others at its beginning.
      let first = min(rows, shape.window - slot)
      score(
        first, key + slot * keyPitch, pitch: keyPitch, query: query, vector: vector, into: z + done)
      if first < rows {
        score(
          rows - first, key, pitch: keyPitch, query: query, vector: vector, into: z + done + first)
      }
      kernels.addAttended(
        z + done, value + slot * valueStep, rows: first, then: value, rows: rows - first,
        stride: valueStep, to: sum.pointer, count: shape.valueStride, &softmax)
      done += rows
    }
  }

  private func score(
    _ rows: Int, _ key: UnsafePointer<Float>, pitch: Int, query: UnsafePointer<Float>,
    vector: UnsafePointer<Float>, into z: UnsafeMutablePointer<Float>
  ) {
    let count = shape.keyStride
    switch shape.score {
    case .additive:
      kernels.additiveScores(
        query, vector: vector, key, stride: pitch, rows: rows, count: count, into: z)
    case .scaledDot:
      kernels.dotScores(
        query, key, stride: pitch, rows: rows, count: count,
        factor: 1 / Float(shape.keySize).squareRoot(), into: z)
    case .dot, .aligned, .static:
      kernels.dotScores(query, key, stride: pitch, rows: rows, count: count, factor: 1, into: z)
    }
  }

  mutating func reset() { steps = 0 }
}
