import Kernels

extension Loops {
  package static func gru(
    input: UnsafeMutablePointer<Float>, hidden: UnsafePointer<Float>,
    state: UnsafeMutablePointer<Float>, units: Int
  ) {
    let whole = units & ~7
    var i = 0
    while i < whole {
      RecurrentGates.gru(
        UnsafePointer(input + i), hidden + i, UnsafePointer(state + i), pitch: units
      ).store(state + i)
      i &+= 8
    }
    guard whole < units else { return }
    // The last units travel through vectors of their own.
    let rest = units &- whole
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 7 * 8) { memory in
      guard let a = memory.baseAddress else { return }
      memory.initialize(repeating: 0)
      let (g, h) = (a + 24, a + 48)
      for gate in 0..<3 {
        (a + 8 &* gate).update(from: input + (gate &* units &+ whole), count: rest)
        (g + 8 &* gate).update(from: hidden + (gate &* units &+ whole), count: rest)
      }
      h.update(from: state + whole, count: rest)
      RecurrentGates.gru(Input(a), Input(g), Input(h), pitch: 8).store(h)
      (state + whole).update(from: h, count: rest)
    }
  }

  package static func staticScore(
    query: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>, vector: UnsafePointer<Float>,
    count: Int
  ) -> Float {
    for i in 0..<count { query[i] += bias[i] }
    tanh(query, count: count)
    return Reduction.dot(query, vector, count: count)
  }
}

private enum RecurrentGates {
  /// Eight units; `pitch` floats from one gate to the next.
  @inline(__always)
  static func gru(_ a: Input, _ g: Input, _ h: Input, pitch: Int) -> Lanes8 {
    let reset = Exponential.logistic(Lanes8(a) + Lanes8(g))
    let update = Exponential.logistic(Lanes8(a + pitch) + Lanes8(g + pitch))
    let candidate = HyperbolicTangent.value(
      Lanes8.fma(reset, Lanes8(g + 2 &* pitch), Lanes8(a + 2 &* pitch)))
    return Lanes8.fma(Lanes8(repeating: 1) - update, candidate, update * Lanes8(h))
  }
}
