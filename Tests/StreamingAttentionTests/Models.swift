import StreamingAttention
import TestSupport

extension Architecture {
  /// Tensors of the right shapes, uniform in -scale ..< scale; half of the matrices hold numbers of
  /// half precision only, which are packed otherwise.
  ///
  /// The recurrent weights of a vanilla cell are uniform in no more than +-1 / sqrt(units), which
  /// gives a spectral radius of 0.6: with one above 1 a ReLU grows without bound and a tanh makes
  /// any two roundings differ chaotically.
  func randomTensors(_ random: inout SplitMix64, scale: Float = 0.5) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for (name, shape) in tensorShapes {
      let recurrent = name.hasPrefix("encoder.") ? encoder : decoder
      let isFeedback = name.contains(".weight_hh_l") && recurrent.cell.gates == 1
      let values = random.floats(
        shape.reduce(1, *),
        scale: isFeedback ? min(scale, 1 / Float(recurrent.units).squareRoot()) : scale)
      let isHalf = shape.count >= 2 && Bool.random(using: &random)
      tensors[name] = Tensor(
        shape: shape, values: isHalf ? values.map { Float(Float16($0)) } : values)
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

  /// An architecture like no other, small enough for the oracle; a named choice is kept.
  static func random(
    _ random: inout SplitMix64, score: Score? = nil, encoderCell: Cell? = nil,
    decoderCell: Cell? = nil
  ) -> Architecture {
    let stack = Int.random(in: 1...4, using: &random)
    return Architecture(
      bins: Int.random(in: 1...9, using: &random), stem: randomStem(&random), stack: stack,
      stride: Int.random(in: 1...stack, using: &random),
      encoder: Recurrent(
        cell: encoderCell ?? .any(&random), layers: Int.random(in: 1...4, using: &random),
        units: Int.random(in: 1...20, using: &random)),
      score: score ?? .any(&random), memory: .any(&random),
      value: Bool.random(using: &random)
        ? .key : .separate(size: Int.random(in: 1...9, using: &random)),
      heads: Bool.random(using: &random)
        ? .keyword : .shared(Int.random(in: 1...4, using: &random)),
      keySize: Int.random(in: 1...17, using: &random),
      window: Int.random(in: 1...30, using: &random),
      decoder: Recurrent(
        cell: decoderCell ?? .any(&random), layers: Int.random(in: 1...4, using: &random),
        units: Int.random(in: 1...20, using: &random)),
      decoderInput: .any(&random), output: .any(&random),
      keywords: Int.random(in: 1...3, using: &random))
  }

  /// No convolutions in every other case, one to three otherwise.
  private static func randomStem(_ random: inout SplitMix64) -> [Convolution] {
    guard Bool.random(using: &random) else { return [] }
    return (0..<Int.random(in: 1...3, using: &random)).map { _ in
      Convolution(
        kind: .any(&random), channels: Int.random(in: 1...10, using: &random),
        kernel: Int.random(in: 1...5, using: &random),
        stride: Int.random(in: 1...2, using: &random))
    }
  }
}

extension Architecture {
  /// Every choice in a line, for messages.
  var summary: String {
    let layers = stem.map { "\($0.kind) \($0.channels)x\($0.kernel)/\($0.stride)" }
    return """
      \(bins) bins, stem [\(layers.joined(separator: ", "))], stack \(stack)/\(stride), \
      \(text(encoder)), \(score) of \(memory), value \(value), heads \(heads), K \(keySize), \
      N \(window), \(text(decoder)) on \(decoderInput), \(keywords) \(output)
      """
  }

  private func text(_ shape: Recurrent) -> String {
    "\(shape.layers) \(shape.cell) of \(shape.units)"
  }
}

extension CaseIterable {
  /// One of the cases, each as likely as the others.
  static func any(_ random: inout SplitMix64) -> Self {
    let all = Array(allCases)
    return all[Int.random(in: all.indices, using: &random)]
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
  /// With b added where the score has one.
  var e: [Float]
  var a: [Float]
  var c: [Float]
  var d: [Float]
  var y: [Float]
  /// [heads][span], oldest first.
  var alpha: [[Float]]
  /// What a keyword's threshold is compared with.
  var smoothed: [Float]
  /// Mean age, spread and peak of each head.
  var focus: [Float]

  /// Every number's bits, to compare exactly.
  var bits: [UInt32] {
    (h + e + a + c + d + y + alpha.flatMap { $0 } + smoothed + focus).map(\.bitPattern)
  }
}

/// Copies the newest step of a stream, which the row of an index completed.
func newestStep(of stream: borrowing AttentionStream, row: Int) -> StepResult {
  let architecture = stream.parameters.architecture
  let alpha = (0..<architecture.headCount).map { head in
    stream.withWeights(head: head) { weights in weights.indices.map { weights[$0] } }
  }
  let smoothed = (0..<architecture.keywords).map { stream.smoothedPosterior($0) }
  let focus = (0..<architecture.headCount).flatMap { head in
    let focus = stream.focus(head: head)
    return [focus.expected, focus.spread, focus.peak]
  }
  return stream.withIntermediates { h, e, a, c, d, y in
    func copy(_ p: UnsafePointer<Float>, _ count: Int) -> [Float] {
      Array(UnsafeBufferPointer(start: p, count: count))
    }
    func copyHeads(_ p: UnsafePointer<Float>) -> [Float] {
      (0..<architecture.headCount).flatMap {
        copy(p + $0 * stream.headStride, architecture.keySize)
      }
    }
    return StepResult(
      row: row, h: copy(h, architecture.encoder.units), e: copyHeads(e), a: copyHeads(a),
      c: copy(c, architecture.contextSize), d: copy(d, architecture.decoder.units),
      y: copy(y, architecture.keywords), alpha: alpha, smoothed: smoothed, focus: focus)
  }
}

/// Pushes rows into a stream and copies every step's results; row r ends at (r + 1) 160.
func steps(of rows: [[Float]], by stream: inout AttentionStream) -> [StepResult] {
  var results: [StepResult] = []
  for (index, row) in rows.enumerated() {
    guard stream.push(row.span, position: (index + 1) * 160) else { continue }
    results.append(newestStep(of: stream, row: index))
  }
  return results
}
