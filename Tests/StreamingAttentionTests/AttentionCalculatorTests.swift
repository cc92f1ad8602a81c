import StreamingAttention
import TestSupport
import Testing

@Suite("Attention over the window")
struct AttentionCalculatorTests {
  /// Attention of a whole history: alpha [steps][heads][span] and c [steps][heads V].
  static func attend(
    _ weights: AttentionWeights, hidden: [[Float]], memory: [[Float]]
  ) -> (alpha: [[[Float]]], c: [[Float]]) {
    var calculator = AttentionCalculator(weights)
    return attend(by: &calculator, hidden: hidden, memory: memory)
  }

  static func attend(
    by calculator: inout AttentionCalculator, hidden: [[Float]], memory: [[Float]]
  ) -> (alpha: [[[Float]]], c: [[Float]]) {
    var alpha: [[[Float]]] = []
    var c: [[Float]] = []
    for (h, m) in zip(hidden, memory) {
      calculator.step(hidden: h.span, memory: m.span)
      alpha.append(
        (0..<calculator.weights.shape.heads).map { head in
          calculator.withWeights(head: head) { weights in weights.indices.map { weights[$0] } }
        })
      c.append(calculator.withContext { context in context.indices.map { context[$0] } })
    }
    return (alpha, c)
  }

  /// The attention of a model, from tensors under the model's names.
  static func weights(
    _ architecture: Architecture, _ tensors: [String: Tensor]
  ) throws -> AttentionWeights {
    var attention: [String: Tensor] = [:]
    // A golden case may have a W_a that nothing needs.
    for (name, _) in architecture.tensorShapes where name.hasPrefix("attention.") {
      attention[String(name.dropFirst(10))] = tensors[name]
    }
    return try AttentionWeights(AttentionShape(architecture), tensors: attention)
  }

  static func architecture(
    _ score: Architecture.Score, memory: Architecture.Memory = .x,
    value: Architecture.Value = .key, heads: Int = 1, keySize: Int, window: Int, inputs: Int,
    units: Int
  ) -> Architecture {
    Architecture(
      bins: inputs, encoder: Architecture.Recurrent(layers: 1, units: units), score: score,
      memory: memory, value: value, heads: .shared(heads), keySize: keySize, window: window,
      decoder: Architecture.Recurrent(layers: 1, units: 1), keywords: 1)
  }

  static func rows(_ array: GoldenArray) throws -> [[Float]] {
    let values = try array.floats
    let width = array.shape[1]
    return (0..<array.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  /// Attention tensors of a golden case, under the model's names.
  static func tensors(_ golden: GoldenTensors, _ name: String) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for short in ["w_e", "w_a", "w_v", "v", "b"] {
      guard let array = golden.arrays["\(name)/\(short)"] else { continue }
      tensors["attention.\(short)"] = Tensor(shape: array.shape, values: try array.floats)
    }
    return tensors
  }

  @Test("Every score, memory, value, number of heads and window gives the golden weights")
  func small() throws {
    let golden = try Golden.tensors("attention/small.safetensors")
    let h = try Self.rows(golden["h"])
    let x = try Self.rows(golden["x"])
    var worstAlpha = WorstRatio("small: alpha")
    var worstContext = WorstRatio("small: c")
    let cases = golden.names.filter { $0.hasSuffix("/c") }.map { String($0.dropLast(2)) }
    #expect(cases.count > 40)
    for name in cases {
      // dot.x.shared.heads1/window7
      let parts = name.split { $0 == "." || $0 == "/" }.map(String.init)
      let architecture = Self.architecture(
        try #require(Architecture.Score(rawValue: parts[0])),
        memory: try #require(Architecture.Memory(rawValue: parts[1])),
        value: parts[2] == "shared" ? .key : .separate(size: 3),
        heads: try #require(Int(parts[3].dropFirst(5))), keySize: 4,
        window: try #require(Int(parts[4].dropFirst(6))), inputs: 5, units: 6)
      let tensors = try Self.tensors(golden, parts[..<4].joined(separator: "."))
      let memory = architecture.memory == .x ? x : h
      let got = Self.attend(
        try Self.weights(architecture, tensors), hidden: h, memory: memory)
      let alpha = try golden["\(name)/alpha"]
      let weights = alpha.doubles
      let contexts = try golden["\(name)/c"].doubles
      let tolerance = try golden["\(name)/tol"].doubles
      let (heads, columns) = (alpha.shape[1], alpha.shape[2])
      for step in 0..<24 {
        for head in 0..<heads {
          let span = min(step + 1, columns)
          #expect(got.alpha[step][head].count == span, "\(name), step \(step)")
          for i in 0..<span {
            worstAlpha.add(
              got: got.alpha[step][head][i],
              reference: weights[(step * heads + head + 1) * columns - span + i],
              tolerance: tolerance[0], at: "\(name), step \(step), head \(head), age \(span-1-i)")
          }
        }
        for (i, c) in got.c[step].enumerated() {
          worstContext.add(
            got: c, reference: contexts[step * architecture.contextSize + i],
            tolerance: tolerance[1], at: "\(name), step \(step), element \(i)")
        }
      }
    }
    for worst in [worstAlpha, worstContext] {
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }

  @Test(
    "Scores of +-80 through the projections give the golden contexts",
    arguments: Architecture.Score.allCases)
  func hardProjected(score: Architecture.Score) throws {
    let golden = try Golden.tensors("attention/hard_projected.safetensors")
    let architecture = Self.architecture(score, keySize: 3, window: 40, inputs: 3, units: 3)
    let tensors = try Self.tensors(golden, score.rawValue)
    let got = Self.attend(
      try Self.weights(architecture, tensors), hidden: try Self.rows(golden["h"]),
      memory: try Self.rows(golden["x"]))
    let contexts = try golden["\(score.rawValue)/c"].doubles
    let tolerance = try golden["\(score.rawValue)/tol"].doubles[1]
    var worst = WorstRatio("hard, projected: \(score)")
    for step in 0..<400 {
      for i in 0..<3 {
        worst.add(
          got: got.c[step][i], reference: contexts[3 * step + i], tolerance: tolerance,
          at: "step \(step), element \(i)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Ramps, spikes, cliffs and scores of 1e4 leave no error behind, at any step",
    arguments: [Architecture.Score.dot, .aligned])
  func hard(score: Architecture.Score) throws {
    let golden = try Golden.tensors("attention/hard.safetensors")
    let values = try Self.rows(golden["values"])
    // h = 1 and W_e = 1 make the query 1; x = (z, values) and W_a = (1, 0, 0) make the key z.
    let tensors = [
      "attention.w_e": Tensor(shape: [1, 1], values: [1]),
      "attention.w_a": Tensor(shape: [1, 3], values: [1, 0, 0]),
      "attention.w_v": Tensor(shape: [2, 3], values: [0, 1, 0, 0, 0, 1]),
    ]
    let cases = golden.names.filter { $0.hasSuffix("/c") }
    #expect(cases.count > 15)
    for name in cases {
      let parts = name.split(separator: "/").map(String.init)
      let window = try #require(Int(parts[1].dropFirst(6)))
      let architecture = Self.architecture(
        score, value: .separate(size: 2), keySize: 1, window: window, inputs: 3, units: 1)
      let z = try golden["\(parts[0])/z"].floats
      let got = Self.attend(
        try Self.weights(architecture, tensors),
        hidden: Array(repeating: [1], count: z.count), memory: zip(z, values).map { [$0] + $1 })
      let reference = try golden[name].doubles
      var worst = WorstRatio("hard: \(score) of \(name)")
      for step in z.indices {
        for i in 0..<2 {
          worst.add(
            got: got.c[step][i], reference: reference[2 * step + i],
            tolerance: 0x1p-22 * (2 + Double(window).squareRoot()),
            at: "step \(step), element \(i)")
        }
      }
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }

  @Test(
    "The first window and the tenth give what two passes over the history give",
    .seed(111), arguments: Architecture.Score.allCases)
  func ring(score: Architecture.Score) throws {
    var random = SplitMix64()
    var worst = WorstRatio("ring: \(score)")
    for window in [1, 2, 7, 8, 9, 33, 500] {
      for (value, heads, scale) in [
        (Architecture.Value.key, 1, Float(1)), (.separate(size: 5), 3, 1), (.key, 2, 25),
      ] {
        let architecture = Self.architecture(
          score, value: value, heads: heads, keySize: 4, window: window, inputs: 3, units: 2)
        var tensors = architecture.randomTensors(&random)
        // Weights that bring scores to some +-80.
        for name in ["attention.w_e", "attention.v"] {
          guard let tensor = tensors[name] else { continue }
          tensors[name] = Tensor(shape: tensor.shape, values: tensor.values.map { scale * $0 })
        }
        let weights = try Self.weights(architecture, tensors)
        let count = min(10 * window + 3, 600)
        let hidden = (0..<count).map { _ in random.floats(2) }
        let memory = (0..<count).map { _ in random.floats(3, scale: 3) }
        let got = Self.attend(weights, hidden: hidden, memory: memory)
        let naive = NaiveModel(architecture: architecture, tensors: tensors).attend(
          hidden: hidden.map { $0.map(Double.init) }, memory: memory.map { $0.map(Double.init) })
        let tolerance = naive.tolerance(window: window)
        for step in 0..<count {
          for head in 0..<heads {
            #expect(got.alpha[step][head].count == naive.alpha[step][head].count)
            for (i, alpha) in naive.alpha[step][head].enumerated() {
              worst.add(
                got: got.alpha[step][head][i], reference: alpha, tolerance: tolerance.alpha,
                at: "alpha, window \(window), step \(step), head \(head), place \(i)")
            }
          }
          for (i, c) in naive.c[step].enumerated() {
            worst.add(
              got: got.c[step][i], reference: c, tolerance: tolerance.c,
              at: "c, window \(window), step \(step), element \(i)")
          }
        }
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "After 100,000 steps the bits are those of a calculator that saw only the last windows",
    .seed(112), arguments: Architecture.Score.allCases)
  func longStream(score: Architecture.Score) throws {
    var random = SplitMix64()
    let architecture = Architecture.small(score: score, heads: .shared(2), window: 13)
    let weights = try Self.weights(architecture, architecture.randomTensors(&random))
    let hidden = (0..<97).map { _ in random.floats(6) }
    let memory = (0..<89).map { _ in random.floats(5, scale: 10) }
    var old = AttentionCalculator(weights)
    var young = AttentionCalculator(weights)
    // Thirteen slots, and blocks of three steps: from a multiple of both on the two go alike.
    let start = 39 * 2_500
    for step in 0..<start + 200 {
      let (h, m) = (hidden[step % hidden.count], memory[step % memory.count])
      let a = Self.attend(by: &old, hidden: [h], memory: [m])
      guard step >= start else { continue }
      let b = Self.attend(by: &young, hidden: [h], memory: [m])
      guard step >= start + 39 else { continue }
      #expect(
        a.c.joined().map(\.bitPattern) == b.c.joined().map(\.bitPattern), "c of step \(step)")
      #expect(a.alpha == b.alpha, "alpha of step \(step)")
    }
  }

  @Test("Weights are never negative and add up to 1", .seed(113))
  func weights() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, heads: .shared(3), window: 50)
      let weights = try Self.weights(
        architecture, architecture.randomTensors(&random, scale: 3))
      let hidden = (0..<120).map { _ in random.floats(6, scale: 3) }
      let memory = (0..<120).map { _ in random.floats(5, scale: 3) }
      let all = Self.attend(weights, hidden: hidden, memory: memory).alpha
      for (step, heads) in all.enumerated() {
        for alpha in heads {
          #expect(alpha.allSatisfy { $0 >= 0 }, "\(score), step \(step)")
          #expect(abs(alpha.reduce(0, +) - 1) < 1e-5, "\(score), step \(step)")
        }
      }
    }
  }

  @Test("A reset calculator gives the bits of a new one, of every score", .seed(114))
  func reset() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, window: 9)
      let weights = try Self.weights(architecture, architecture.randomTensors(&random))
      let hidden = (0..<31).map { _ in random.floats(6) }
      let memory = (0..<31).map { _ in random.floats(5) }
      var calculator = AttentionCalculator(weights)
      let first = Self.attend(by: &calculator, hidden: hidden, memory: memory)
      calculator.reset()
      #expect(calculator.span == 0)
      let second = Self.attend(by: &calculator, hidden: hidden, memory: memory)
      #expect(first.c == second.c && first.alpha == second.alpha, "\(score)")
    }
  }

  @Test(
    "An element that is no number, or is beyond 2^50, counts as none",
    arguments: [
      Float.nan, .infinity, -.infinity, 0x1p51,
    ])
  func spoiled(element: Float) throws {
    var random = SplitMix64(seed: 115)
    for score in Architecture.Score.allCases {
      let architecture = Architecture.small(score: score, window: 9)
      let weights = try Self.weights(architecture, architecture.randomTensors(&random))
      var hidden = (0..<31).map { _ in random.floats(6) }
      var memory = (0..<31).map { _ in random.floats(5) }
      (hidden[11][3], memory[13][4]) = (0, 0)
      let clean = Self.attend(weights, hidden: hidden, memory: memory)
      (hidden[11][3], memory[13][4]) = (element, element)
      let spoiled = Self.attend(weights, hidden: hidden, memory: memory)
      #expect(clean.c == spoiled.c, "\(score)")
    }
  }
}
