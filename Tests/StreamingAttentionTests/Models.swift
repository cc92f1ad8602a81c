import StreamingAttention
import TestSupport

extension Architecture {
  /// Tensors of the right shapes, uniform in -scale ..< scale.
  func randomTensors(_ random: inout SplitMix64, scale: Float = 0.5) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for (name, shape) in tensorShapes {
      tensors[name] = Tensor(
        shape: shape, values: random.floats(shape.reduce(1, *), scale: scale))
    }
    return tensors
  }

  /// A small model in which everything is different from everything else.
  static func small(
    score: Score = .dot, memory: Memory = .x, value: Value = .key, heads: Heads = .shared(1),
    window: Int = 7
  ) -> Architecture {
    Architecture(
      bins: 5, encoder: Recurrent(layers: 1, units: 6), score: score, memory: memory,
      value: value, heads: heads, keySize: 4, window: window,
      decoder: Recurrent(layers: 1, units: 3), keywords: 2)
  }

  /// An architecture like no other, small enough for the oracle.
  static func random(_ random: inout SplitMix64) -> Architecture {
    let stack = Int.random(in: 1...4, using: &random)
    let keywords = Int.random(in: 1...3, using: &random)
    return Architecture(
      bins: Int.random(in: 1...9, using: &random), stack: stack,
      stride: Int.random(in: 1...stack, using: &random),
      encoder: Recurrent(
        layers: Int.random(in: 1...4, using: &random),
        units: Int.random(in: 1...20, using: &random)),
      score: Score.allCases.randomElement(using: &random) ?? .dot,
      memory: Memory.allCases.randomElement(using: &random) ?? .x,
      value: Bool.random(using: &random)
        ? .key : .separate(size: Int.random(in: 1...9, using: &random)),
      heads: Bool.random(using: &random)
        ? .keyword : .shared(Int.random(in: 1...4, using: &random)),
      keySize: Int.random(in: 1...17, using: &random),
      window: Int.random(in: 1...30, using: &random),
      decoder: Recurrent(
        layers: Int.random(in: 1...2, using: &random),
        units: Int.random(in: 1...20, using: &random)),
      decoderInput: DecoderInput.allCases.randomElement(using: &random) ?? .context,
      keywords: keywords)
  }
}

extension DetectorSettings {
  /// Settings that detect nothing unless a test says otherwise.
  static func quiet(keywords: Int) -> DetectorSettings {
    DetectorSettings(
      thresholds: Array(repeating: 1, count: keywords), smoothingSteps: 1, release: 0.5,
      refractorySeconds: 0)
  }
}

extension AttentionStream {
  /// A stream at 16 kHz with a hop of 160.
  static func make(
    _ parameters: Parameters, detector: DetectorSettings? = nil
  ) throws -> AttentionStream {
    try AttentionStream(
      parameters, detector: detector ?? .quiet(keywords: parameters.architecture.keywords),
      sampleRate: 16_000, hop: 160)
  }
}

/// What a step of a stream gave, copied.
struct StepResult: Equatable {
  var row: Int
  var h: [Float]
  var e: [Float]
  var a: [Float]
  var c: [Float]
  var d: [Float]
  var y: [Float]
  /// [heads][span], oldest first.
  var alpha: [[Float]]

  /// Every number's bits, to compare exactly.
  var bits: [UInt32] { (h + e + a + c + d + y + alpha.flatMap { $0 }).map(\.bitPattern) }
}

/// Pushes rows into a stream and copies every step's results; row r ends at (r + 1) 160.
func steps(of rows: [[Float]], by stream: inout AttentionStream) -> [StepResult] {
  let architecture = stream.parameters.architecture
  var results: [StepResult] = []
  for (index, row) in rows.enumerated() {
    guard stream.push(row.span, position: (index + 1) * 160) else { continue }
    let alpha = (0..<architecture.headCount).map { head in
      stream.withWeights(head: head) { weights in weights.indices.map { weights[$0] } }
    }
    let keys = architecture.headCount * architecture.keySize
    results.append(
      stream.withIntermediates { h, e, a, c, d, y in
        func copy(_ p: UnsafePointer<Float>, _ count: Int) -> [Float] {
          Array(UnsafeBufferPointer(start: p, count: count))
        }
        return StepResult(
          row: index, h: copy(h, architecture.encoder.units), e: copy(e, keys), a: copy(a, keys),
          c: copy(c, architecture.contextSize), d: copy(d, architecture.decoder.units),
          y: copy(y, architecture.keywords), alpha: alpha)
      })
  }
  return results
}
