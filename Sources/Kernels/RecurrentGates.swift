/// What a gated cell does with its sums.
public enum RecurrentGates {
  /// One step of a GRU from the two sets of sums, in PyTorch's formulation.
  ///
  /// With a = W_i x + b_i and g = W_h h + b_h, each in three parts r, z, n:
  /// `r = sigmoid(a_r + g_r)`, `z = sigmoid(a_z + g_z)`, `n = tanh(a_n + r g_n)`,
  /// `h' = (1 - z) n + z h`.
  ///
  /// Three plain loops, each over few arrays: one loop over all of them stays scalar code.
  ///
  /// - Parameters:
  ///   - input: a, three times `units`; replaced by r, z and n.
  ///   - hidden: g, three times `units`.
  ///   - state: h, replaced by h'.
  ///   - units: Width of the layer.
  public static func gru(
    input: UnsafeMutablePointer<Float>, hidden: UnsafePointer<Float>,
    state: UnsafeMutablePointer<Float>, units: Int
  ) {
    for i in 0..<2 * units { input[i] = Exponential.logistic(input[i] + hidden[i]) }
    let reset = UnsafePointer(input)
    let update = UnsafePointer(input + units)
    let candidate = input + 2 * units
    let recurrent = hidden + 2 * units
    for i in 0..<units {
      candidate[i] = HyperbolicTangent.value(candidate[i] + reset[i] * recurrent[i])
    }
    for i in 0..<units { state[i] = (1 - update[i]) * candidate[i] + update[i] * state[i] }
  }

  /// The sum that a `static` score is: `v . tanh(q + b)`.
  ///
  /// - Parameters:
  ///   - query: q; replaced by tanh(q + b).
  ///   - bias: b.
  ///   - vector: v.
  ///   - count: Elements of each.
  /// - Returns: The score.
  public static func staticScore(
    query: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, vector: UnsafePointer<Float>,
    count: Int
  ) -> Float {
    for i in 0..<count { query[i] = HyperbolicTangent.value(query[i] + bias[i]) }
    return Reduction.dot(query, vector, count: count)
  }
}
