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

  /// Steps that lie side by side in memory.
  struct Run {
    /// Age order within the window: 0 is the oldest step.
    let first: Int
    let count: Int
    let slot: Int
  }

  /// The window in two runs, oldest step first: up to the end of memory, and from its beginning.
  ///
  /// A division for each step would cost as much as the arithmetic on a short key.
  var runs: (Run, Run) {
    let slot = oldest % window
    let count = min(span, window - slot)
    return (
      Run(first: 0, count: count, slot: slot), Run(first: count, count: span - count, slot: 0)
    )
  }

  /// Floats from one step's key to the next one's.
  var keyStride: Int { keySize }

  /// Floats from one step's value to the next one's.
  var valueStride: Int { valueSize }

  /// The keys from a slot on, all heads of each step.
  func keys(from slot: Int) -> UnsafePointer<Float> {
    UnsafePointer(keys.pointer + slot * keySize)
  }

  /// The values from a slot on, all heads of each step.
  func values(from slot: Int) -> UnsafePointer<Float> {
    values.count == 0 ? keys(from: slot) : UnsafePointer(values.pointer + slot * valueSize)
  }

  /// The scores of one head from a slot on.
  func scores(from slot: Int, head: Int) -> UnsafePointer<Float> {
    UnsafePointer(scores.pointer + head * window + slot)
  }

  /// Writes the next step over the oldest.
  ///
  /// - Parameters:
  ///   - key: [heads K]; ignored when no score looks back at keys.
  ///   - value: [heads V]; ignored when the value is the key.
  ///   - newScores: [heads]; ignored when scores depend on the query.
  mutating func append(
    key: UnsafePointer<Float>, value: UnsafePointer<Float>, scores newScores: UnsafePointer<Float>
  ) {
    let slot = steps % window
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
