import KernelDispatch
import Kernels

/// The attention of a step over the window, in each stream: h_t, m_t -> c_t.
///
///     e_t = W_e h_t,  a_s = W_a m_s,  v_s = a_s or W_v m_s
///     z_ts = e_t . a_s  |  e_t . a_s / sqrt(K)  |  v . tanh(e_t + a_s + b)  |
///            e_s . a_s  |  v . tanh(W_e h_s + b)
///     alpha_ts = exp(z_ts) / sum over the window of exp(z_ts')
///     c_t = sum over the window of alpha_ts v_s
///
/// Each head has a softmax of its own; the heads' contexts are concatenated. Immutable, shared by
/// all streams.
struct AttentionStage: Sendable {
  let weights: AttentionWeights
  private let hidden: Int
  private let memory: Int
  /// e_t, with b added where the score has one: [heads][key stride].
  let query: Int
  /// [heads][key stride]; zeros where nothing asks for keys.
  let key: Int
  /// [heads][value stride].
  private let value: Int
  private let stepScores: Int
  private let zeros: Int
  /// Where c_t goes, [heads V].
  private let context: Int

  /// Finds places for what a step needs.
  ///
  /// - Parameters:
  ///   - weights: The weights.
  ///   - hidden: Where h_t lies.
  ///   - memory: Where m_t lies.
  ///   - context: Where c_t goes.
  ///   - plan: Where query, key, value get their places.
  init(
    _ weights: AttentionWeights, hidden: Int, memory: Int, context: Int, plan: inout MemoryPlan
  ) {
    self.weights = weights
    self.hidden = hidden
    self.memory = memory
    self.context = context
    query = plan.place(weights.query.paddedRows)
    key = plan.place(weights.key?.paddedRows ?? weights.query.paddedRows)
    value = weights.value.map { plan.place($0.paddedRows) } ?? key
    // A score is written with seven more behind it.
    stepScores = plan.place(weights.shape.heads + 7)
    zeros = plan.place(weights.shape.keyStride)
  }

  /// Takes in a step of each stream and attends over the window that ends with it.
  func step(_ group: borrowing StreamGroup) {
    let streams = group.streams
    weights.query.multiply(in: streams, from: hidden, to: query)
    weights.key?.multiply(in: streams, from: memory, to: key)
    weights.value?.multiply(in: streams, from: memory, to: value)
    for stream in 0..<streams.count {
      let block = streams.blocks[stream]
      // Products with keys stay finite so; no sensible model comes near it.
      kernels.clamp(
        block + query, to: 0x1p30, count: weights.shape.heads * weights.shape.keyStride)
      let state = group.state(stream)
      if weights.shape.score.dependsOnQuery {
        state.pointee.ring.attend(
          query: block + query, key: block + key, value: block + value,
          vector: weights.vector.pointer, into: block + context)
      } else {
        score(block)
        state.pointee.sliding.attend(
          z: block + stepScores, value: block + value, into: block + context)
      }
    }
  }

  /// z of a step that has a score of its own.
  private func score(_ block: UnsafeMutablePointer<Float>) {
    let shape = weights.shape
    for head in 0..<shape.heads {
      let at = head * shape.keyStride
      if shape.score == .static {
        // tanh(q + 0): the bias is in the query.
        kernels.additiveScores(
          block + query + at, vector: weights.vector.pointer + at, block + zeros, stride: 0,
          rows: 1, count: shape.keyStride, into: block + stepScores + head)
      } else {
        kernels.dotScores(
          block + query + at, block + key + at, stride: 0, rows: 1, count: shape.keyStride,
          factor: 1, into: block + stepScores + head)
      }
    }
  }
}

extension StreamState {
  /// Steps in the window now.
  var span: Int { max(ring.span, sliding.span) }

  /// z of a head over the window at the newest step, oldest step first, `span` long.
  func copyScores(head: Int, _ shape: AttentionShape, into z: UnsafeMutablePointer<Float>) {
    if shape.score.dependsOnQuery {
      z.update(from: ring.scores(head: head), count: span)
    } else {
      sliding.copyScores(head: head, into: z)
    }
  }

  /// alpha of a head over the window at the newest step, oldest step first, `span` long: made when
  /// somebody asks, good until somebody asks again.
  func weights(head: Int, _ shape: AttentionShape) -> UnsafePointer<Float> {
    let alpha = weights.pointer
    let span = span
    copyScores(head: head, shape, into: alpha)
    let largest = kernels.maximum(alpha, count: span)
    let factor = 1 / kernels.expSum(alpha, count: span, minus: largest)
    kernels.scale(alpha, by: factor, into: alpha, count: (span + 7) / 8 * 8)
    return UnsafePointer(alpha)
  }
}
