import Kernels

/// Keys, values and scores of the last N steps, addressed by the step's number in the stream.
///
/// Allocated once. Step s lies at slot s mod N, so a step that is N old is written over:
///
///     step    0   1   2   3   4          N = 3, newest step 4: the window is 2, 3, 4
///     slot    0   1   2   0   1
struct KeyValueRing: ~Copyable {
  /// N, the steps that the ring holds.
  let window: Int
  private let keySize: Int
  private let valueSize: Int
  private let heads: Int
  /// [window][heads K]; empty when no score looks back at keys.
  private let keys: FloatBuffer
  /// [window][heads V]; empty when the value is the key and the keys are there.
  private let values: FloatBuffer
  /// [heads][window]; empty when scores depend on the query.
  private let scores: FloatBuffer

  /// Steps that have been written, all in all.
  private(set) var steps = 0

  init(_ architecture: Architecture) {
    window = architecture.window
    heads = architecture.headCount
    keySize = heads * architecture.keySize
    valueSize = heads * architecture.valueSize
    let looksBack = architecture.score.dependsOnQuery
    let sharesKeys = looksBack && architecture.value == .key
    keys = FloatBuffer(count: looksBack ? window * keySize : 0)
    values = FloatBuffer(count: sharesKeys ? 0 : window * valueSize)
    scores = FloatBuffer(count: looksBack ? 0 : window * heads)
  }

  /// Steps in the window now: min(steps, N).
  var span: Int { min(steps, window) }

  /// First step of the window.
  var oldest: Int { steps - span }

  private func slot(_ step: Int) -> Int { step % window }

  /// The key of a step, all heads.
  func key(_ step: Int) -> UnsafePointer<Float> {
    UnsafePointer(keys.pointer + slot(step) * keySize)
  }

  /// The value of a step, all heads.
  func value(_ step: Int) -> UnsafePointer<Float> {
    values.count == 0 ? key(step) : UnsafePointer(values.pointer + slot(step) * valueSize)
  }

  /// The score of a step for one head.
  func score(_ step: Int, head: Int) -> Float { scores.pointer[head * window + slot(step)] }

  /// Writes the next step over the oldest.
  ///
  /// - Parameters:
  ///   - key: [heads K]; ignored when no score looks back at keys.
  ///   - value: [heads V]; ignored when the value is the key.
  ///   - newScores: [heads]; ignored when scores depend on the query.
  mutating func append(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, scores newScores: UnsafePointer<Float>
  ) {
    let slot = slot(steps)
    if keys.count > 0 { (keys.pointer + slot * keySize).update(from: key, count: keySize) }
    if values.count > 0 {
      (values.pointer + slot * valueSize).update(from: value, count: valueSize)
    }
    if scores.count > 0 {
      for head in 0..<heads { scores.pointer[head * window + slot] = newScores[head] }
    }
    steps += 1
  }

  mutating func reset() { steps = 0 }
}
