import KernelDispatch
import Kernels

/// The attention of a step over the window: x_t, h_t -> c_t.
///
/// Notation and equations as in `Architecture`; each head has a softmax of its own, the heads'
/// contexts are concatenated:
///
///     e_t = W_e h_t,  a_s = W_a m_s,  v_s = a_s or W_v m_s
///     z_ts = e_t . a_s  |  e_s . a_s  |  v . tanh(W_e h_s + b)
///     alpha_ts = exp(z_ts) / sum over the window of exp(z_ts')
///     c_t = sum over the window of alpha_ts v_s
///
/// The softmax is taken in two passes over the window, oldest step first, with the maximum
/// subtracted, so that no error is carried from one step to the next. Owns the ring and the
/// weights alpha of the newest step.
package struct AttentionCalculator: ~Copyable {
  private let parameters: Parameters
  private let score: Architecture.Score
  private let heads: Int
  private let keySize: Int
  private let valueSize: Int

  private var ring: KeyValueRing
  private let query: FloatBuffer
  private let key: FloatBuffer
  private let value: FloatBuffer
  private let stepScores: FloatBuffer
  private let noBias: FloatBuffer
  /// [heads][window], the first `span` of each head: alpha, oldest step first.
  private let weights: FloatBuffer
  private let context: FloatBuffer

  package init(_ parameters: Parameters) {
    let architecture = parameters.architecture
    self.parameters = parameters
    score = architecture.score
    heads = architecture.headCount
    keySize = architecture.keySize
    valueSize = architecture.valueSize
    ring = KeyValueRing(architecture)
    let keyRoom = PanelLayout.paddedRows(heads * keySize)
    let valueRoom = PanelLayout.paddedRows(heads * valueSize)
    query = FloatBuffer(count: keyRoom)
    key = FloatBuffer(count: keyRoom)
    value = FloatBuffer(count: valueRoom)
    stepScores = FloatBuffer(count: heads)
    noBias = FloatBuffer(count: max(keyRoom, valueRoom))
    weights = FloatBuffer(count: heads * architecture.window)
    context = FloatBuffer(count: architecture.contextSize)
  }

  /// c_t, [heads V].
  package var output: UnsafePointer<Float> { UnsafePointer(context.pointer) }

  /// Steps in the window now.
  package var span: Int { ring.span }

  /// Alpha of one head over the window, oldest step first, `span` long.
  package func weights(head: Int) -> UnsafePointer<Float> {
    UnsafePointer(weights.pointer + head * ring.window)
  }

  /// e_t of the newest step, [heads K]; tanh(e_t + b) for the score `static`.
  var newestQuery: UnsafePointer<Float> { UnsafePointer(query.pointer) }
  /// a_t of the newest step, [heads K]; zeros where nothing asks for keys.
  var newestKey: UnsafePointer<Float> { UnsafePointer(key.pointer) }

  /// Takes in a step and attends over the window that ends with it.
  package mutating func step(hidden: UnsafePointer<Float>, memory: UnsafePointer<Float>) {
    project(hidden: hidden, memory: memory)
    ring.append(key: key.pointer, value: value.pointer, scores: stepScores.pointer)
    for head in 0..<heads { attend(head) }
  }

  /// Query, key, value, and the score where it belongs to the step alone.
  private mutating func project(hidden: UnsafePointer<Float>, memory: UnsafePointer<Float>) {
    parameters.query.multiply(hidden, plus: noBias.pointer, into: query.pointer)
    if let matrix = parameters.key {
      matrix.multiply(memory, plus: noBias.pointer, into: key.pointer)
    }
    if let matrix = parameters.value {
      matrix.multiply(memory, plus: noBias.pointer, into: value.pointer)
    } else {
      value.pointer.update(from: key.pointer, count: heads * keySize)
    }
    switch score {
    case .dot, .scaledDot, .additive: break
    case .aligned:
      for head in 0..<heads {
        let at = head * keySize
        stepScores.pointer[head] = kernels.dot(
          query.pointer + at, key.pointer + at, count: keySize)
      }
    case .static:
      for head in 0..<heads {
        let at = head * keySize
        stepScores.pointer[head] = kernels.staticScore(
          query: query.pointer + at, bias: parameters.scoreBias.pointer + at,
          vector: parameters.scoreVector.pointer + at, count: keySize)
      }
    }
  }

  /// One head's softmax over the window and its weighted sum.
  private mutating func attend(_ head: Int) {
    let alpha = weights.pointer + head * ring.window
    let span = ring.span
    let (older, newer) = ring.runs
    collectScores(older, head, into: alpha)
    collectScores(newer, head, into: alpha)
    let maximum = kernels.maximum(alpha, count: span)
    let scale = 1 / kernels.expSum(alpha, count: span, minus: maximum)
    let sum = context.pointer + head * valueSize
    sum.update(repeating: 0, count: valueSize)
    for i in 0..<span { alpha[i] *= scale }
    addValues(older, head, weighted: alpha, to: sum)
    addValues(newer, head, weighted: alpha, to: sum)
  }

  /// z of the steps of a run, in their places in the window.
  private func collectScores(
    _ run: KeyValueRing.Run, _ head: Int, into scores: UnsafeMutablePointer<Float>
  ) {
    guard score.dependsOnQuery else {
      (scores + run.first).update(from: ring.scores(from: run.slot, head: head), count: run.count)
      return
    }
    let at = head * keySize
    let queryOfHead = UnsafePointer(query.pointer + at)
    var key = ring.keys(from: run.slot) + at
    for i in run.first..<run.first + run.count {
      scores[i] = kernels.dot(queryOfHead, key, count: keySize)
      key += ring.keyStride
    }
  }

  /// Adds the weighted values of a run, oldest first.
  private func addValues(
    _ run: KeyValueRing.Run, _ head: Int, weighted alpha: UnsafePointer<Float>,
    to sum: UnsafeMutablePointer<Float>
  ) {
    kernels.addWeighted(
      alpha + run.first, ring.values(from: run.slot) + head * valueSize, stride: ring.valueStride,
      rows: run.count, to: sum, count: valueSize)
  }

  package mutating func reset() {
    ring.reset()
    context.clear()
  }
}
