import Kernels

// Plain loops, each over few arrays: one loop over all of them stays scalar code.
extension Loops {
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
      candidate[i] = HyperbolicTangent.value(fused(reset[i], recurrent[i], candidate[i]))
    }
    for i in 0..<units {
      state[i] = fused(1 - update[i], candidate[i], update[i] * state[i])
    }
  }

  public static func staticScore(
    query: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, vector: UnsafePointer<Float>,
    count: Int
  ) -> Float {
    for i in 0..<count { query[i] = HyperbolicTangent.value(query[i] + bias[i]) }
    return Reduction.dot(query, vector, count: count)
  }
}
