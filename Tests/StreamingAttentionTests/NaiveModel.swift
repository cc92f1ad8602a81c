import Glibc
import StreamingAttention

/// The oracle in doubles.
typealias NaiveModel = NaiveNetwork<Double>

/// A precision in which the equations can be evaluated.
protocol NaiveReal: BinaryFloatingPoint, Sendable {
  static func exponential(_ x: Self) -> Self
  static func hyperbolicTangent(_ x: Self) -> Self
}

extension Double: NaiveReal {
  static func exponential(_ x: Double) -> Double { exp(x) }
  static func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
}

extension Float: NaiveReal {
  static func exponential(_ x: Float) -> Float { expf(x) }
  static func hyperbolicTangent(_ x: Float) -> Float { tanhf(x) }
}

/// The network from its equations, for any architecture: nothing is incremental, every step looks at
/// the whole history.
///
/// In doubles it is the oracle (ReferenceModelTests hold it to PyTorch); in floats it says how much
/// of a result is rounding (`Tolerances`).
struct NaiveNetwork<Real: NaiveReal> {
  /// What a step should give.
  struct Step {
    /// Index of the row that completed the step.
    var row: Int
    var h: [Real]
    var e: [Real]
    /// Empty where nothing asks for keys.
    var a: [Real]
    var c: [Real]
    var d: [Real]
    var y: [Real]
    /// [heads][span], oldest first: the scores, and their softmax.
    var z: [[Real]]
    var alpha: [[Real]]
  }

  /// The attention of a whole history.
  struct Attention {
    /// [steps][heads K].
    var e: [[Real]] = []
    /// [steps][heads K]; rows are empty where nothing asks for keys.
    var a: [[Real]] = []
    /// [steps][heads][span], oldest first: the scores, and their softmax.
    var z: [[[Real]]] = []
    var alpha: [[[Real]]] = []
    /// [steps][heads V].
    var c: [[Real]] = []
    /// Largest sum of the absolute values of what a score is the sum of, and largest |value|.
    var largestScore: Real = 0
    var largestValue: Real = 0

    /// Tests/Golden/README.md, "attention": of z and alpha, and of c.
    func tolerance(window: Int) -> (alpha: Double, c: Double) {
      let alpha = 2 * 0x1p-24 * (Double(largestScore) + 4)
      return (
        alpha, Double(largestValue) * (2 * alpha + 4 * 0x1p-24 * Double(window).squareRoot())
      )
    }
  }

  let architecture: Architecture
  let tensors: [String: Tensor]

  private func sigmoid(_ x: Real) -> Real { 1 / (1 + Real.exponential(-x)) }

  /// W x, W row major with as many columns as x has elements; empty without such a tensor.
  private func product(_ name: String, _ x: [Real]) -> [Real] {
    guard let w = tensors[name] else { return [] }
    return (0..<w.shape[0]).map { row in
      x.indices.reduce(0) { $0 + Real(w.values[row * x.count + $1]) * x[$1] }
    }
  }

  private func vector(_ name: String) -> [Real] { tensors[name]?.values.map { Real($0) } ?? [] }

  private func sum(_ a: [Real], _ b: [Real]) -> [Real] { zip(a, b).map { $0 + $1 } }

  // MARK: Stem

  /// One convolution over a whole sequence, zeros before the first row.
  private func convolved(
    _ rows: [[Real]], _ layer: Architecture.Convolution, _ name: String
  ) -> [[Real]] {
    let inputs = rows.first?.count ?? 0
    let kernel = layer.kernel
    func value(_ row: Int, _ channel: Int) -> Real { row < 0 ? 0 : rows[row][channel] }
    return stride(from: 0, to: rows.count, by: layer.stride).map { t in
      let sums: [Real]
      switch layer.kind {
      case .full:
        let w = vector("\(name).weight")
        sums = sum(
          (0..<layer.channels).map { o in
            (0..<inputs * kernel).reduce(0) { sum, at in
              let (channel, tap) = (at / kernel, at % kernel)
              return sum + w[o * inputs * kernel + at] * value(t - kernel + 1 + tap, channel)
            }
          }, vector("\(name).bias"))
      case .separable:
        let w = vector("\(name).depthwise.weight")
        let filtered = (0..<inputs).map { channel in
          (0..<kernel).reduce(0) { sum, tap in
            sum + w[channel * kernel + tap] * value(t - kernel + 1 + tap, channel)
          }
        }
        sums = sum(product("\(name).pointwise.weight", filtered), vector("\(name).pointwise.bias"))
      }
      return sums.map { max(0, $0) }
    }
  }

  /// x_t of every step, and the row that completed it.
  private func inputs(_ rows: [[Float]]) -> (rows: [Int], x: [[Real]]) {
    var sequence = rows.map { $0.map { Real($0) } }
    var rowsPerOutput = 1
    for (index, layer) in architecture.stem.enumerated() {
      sequence = convolved(sequence, layer, "stem.\(index)")
      rowsPerOutput *= layer.stride
    }
    let (stack, stride) = (architecture.stack, architecture.stride)
    let turns = sequence.indices.filter { $0 + 1 >= stack && ($0 + 1 - stack) % stride == 0 }
    return (
      turns.map { $0 * rowsPerOutput },
      turns.map { turn in sequence[(turn + 1 - stack)...turn].flatMap { $0 } }
    )
  }

  // MARK: Recurrent layers

  /// The top layer's states over a sequence of inputs, from zeros.
  private func recurrent(
    _ name: String, _ shape: Architecture.Recurrent, _ inputs: [[Real]]
  ) -> [[Real]] {
    (0..<shape.layers).reduce(inputs) { sequence, layer in
      var h = [Real](repeating: 0, count: shape.units)
      var memory = h
      return sequence.map { x in
        let fromInput = sum(
          product("\(name).weight_ih_l\(layer)", x), vector("\(name).bias_ih_l\(layer)"))
        let fromState = sum(
          product("\(name).weight_hh_l\(layer)", h), vector("\(name).bias_hh_l\(layer)"))
        h = cell(shape.cell, fromInput, fromState, h, &memory)
        return h
      }
    }
  }

  /// A cell's next state from its gates' sums; `memory` is the LSTM's c.
  private func cell(
    _ kind: Architecture.Cell, _ a: [Real], _ g: [Real], _ h: [Real], _ memory: inout [Real]
  ) -> [Real] {
    let n = h.count
    return (0..<n).map { i in
      switch kind {
      case .rnnTanh: return Real.hyperbolicTangent(a[i] + g[i])
      case .rnnReLU: return max(0, a[i] + g[i])
      case .gru:
        let reset = sigmoid(a[i] + g[i])
        let update = sigmoid(a[n + i] + g[n + i])
        let new = Real.hyperbolicTangent(a[2 * n + i] + reset * g[2 * n + i])
        return (1 - update) * new + update * h[i]
      case .lstm:
        let input = sigmoid(a[i] + g[i])
        let forget = sigmoid(a[n + i] + g[n + i])
        let new = Real.hyperbolicTangent(a[2 * n + i] + g[2 * n + i])
        let output = sigmoid(a[3 * n + i] + g[3 * n + i])
        memory[i] = forget * memory[i] + input * new
        return output * Real.hyperbolicTangent(memory[i])
      }
    }
  }

  // MARK: Attention

  /// What z_ts of a head is the sum of.
  private func scoreTerms(
    _ head: Int, query: (t: [Real], s: [Real]), key: [Real], v: [Real], b: [Real]
  ) -> [Real] {
    let size = architecture.keySize
    return (head * size..<(head + 1) * size).map { k in
      switch architecture.score {
      case .dot: query.t[k] * key[k]
      case .scaledDot: query.t[k] * key[k] / Real(size).squareRoot()
      case .additive: v[k] * Real.hyperbolicTangent(query.t[k] + key[k] + b[k])
      case .aligned: query.s[k] * key[k]
      case .static: v[k] * Real.hyperbolicTangent(query.s[k] + b[k])
      }
    }
  }

  /// Two passes over each window, the maximum first.
  func attend(hidden: [[Real]], memory: [[Real]]) -> Attention {
    let (K, V) = (architecture.keySize, architecture.valueSize)
    var result = Attention()
    result.e = hidden.map { product("attention.w_e", $0) }
    result.a = memory.map { product("attention.w_a", $0) }
    let values = architecture.value == .key ? result.a : memory.map { product("attention.w_v", $0) }
    let (v, b) = (vector("attention.v"), vector("attention.b"))
    result.largestValue = values.joined().reduce(0) { max($0, abs($1)) }
    for t in hidden.indices {
      let window = max(0, t - architecture.window + 1)...t
      var (scoresOfHeads, alphas, context): ([[Real]], [[Real]], [Real]) = ([], [], [])
      for head in 0..<architecture.headCount {
        let scores = window.map { s in
          let terms = scoreTerms(
            head, query: (result.e[t], result.e[s]), key: result.a[s], v: v, b: b)
          // What tanh is multiplied by bounds the sum whatever the tanh.
          let sizes = architecture.score.hasVector ? Array(v[head * K..<(head + 1) * K]) : terms
          result.largestScore = max(result.largestScore, sizes.reduce(0) { $0 + abs($1) })
          return terms.reduce(0, +)
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { Real.exponential($0 - largest) }
        let total = weights.reduce(0, +)
        let alpha = weights.map { $0 / total }
        scoresOfHeads.append(scores)
        alphas.append(alpha)
        context += (head * V..<(head + 1) * V).map { k in
          zip(alpha, window).reduce(0) { $0 + $1.0 * values[$1.1][k] }
        }
      }
      result.z.append(scoresOfHeads)
      result.alpha.append(alphas)
      result.c.append(context)
    }
    return result
  }

  // MARK: The whole

  private func outputs(_ logits: [Real]) -> [Real] {
    switch architecture.output {
    case .sigmoid: return logits.map(sigmoid)
    case .linear: return logits
    case .softmax:
      let largest = logits.max() ?? 0
      let powers = logits.map { Real.exponential($0 - largest) }
      return powers.map { $0 / powers.reduce(0, +) }
    }
  }

  /// Every step over a stream of rows, in which the network begins anew after the given numbers of
  /// steps.
  func run(_ rows: [[Float]], forgettingAfter forgotten: [Int] = []) -> [Step] {
    let (turns, x) = inputs(rows)
    let ends = forgotten + [x.count]
    return zip([0] + ends, ends).flatMap { begin, end in
      network(Array(x[begin..<end]), completedBy: Array(turns[begin..<end]))
    }
  }

  /// Every step over a sequence of inputs, from the beginning.
  private func network(_ x: [[Real]], completedBy turns: [Int]) -> [Step] {
    let h = recurrent("encoder", architecture.encoder, x)
    let attention = attend(hidden: h, memory: architecture.memory == .x ? x : h)
    let decoderInputs = zip(attention.c, h).map { c, h in
      architecture.decoderInput == .context ? c : c + h
    }
    let d = recurrent("decoder", architecture.decoder, decoderInputs)
    return turns.indices.map { i in
      Step(
        row: turns[i], h: h[i], e: attention.e[i], a: attention.a[i], c: attention.c[i], d: d[i],
        y: outputs(sum(product("output.weight", d[i]), vector("output.bias"))),
        z: attention.z[i], alpha: attention.alpha[i])
    }
  }
}
