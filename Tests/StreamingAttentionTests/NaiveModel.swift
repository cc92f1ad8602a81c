import Glibc
import StreamingAttention

/// The network from its equations, in doubles: the oracle for any architecture.
///
/// Nothing slides: every step looks at the whole history.
struct NaiveModel {
  /// What a step should give.
  struct Step {
    var row: Int
    var h: [Double]
    var c: [Double]
    var d: [Double]
    var y: [Double]
    /// [heads][span], oldest first.
    var alpha: [[Double]]
  }

  /// The attention of a whole history.
  struct Attention {
    /// [steps][heads][span], oldest first.
    var alpha: [[[Double]]] = []
    /// [steps][heads V].
    var c: [[Double]] = []
    /// Largest sum of |e_k a_k| (`static`: of |v_k|), and largest |value|.
    var largestScore = 0.0
    var largestValue = 0.0

    /// Tests/Golden/README.md, "attention": of z and alpha, and of c.
    func tolerance(window: Int) -> (alpha: Double, c: Double) {
      let alpha = 2 * 0x1p-24 * (largestScore + 4)
      return (alpha, largestValue * (2 * alpha + 4 * 0x1p-24 * Double(window).squareRoot()))
    }
  }

  let architecture: Architecture
  let tensors: [String: Tensor]

  /// W x, W row major with as many columns as x has elements.
  private func product(_ name: String, _ x: [Double]) -> [Double] {
    guard let w = tensors[name] else { return [] }
    return (0..<w.shape[0]).map { row in
      x.indices.reduce(0) { $0 + Double(w.values[row * x.count + $1]) * x[$1] }
    }
  }

  private func vector(_ name: String) -> [Double] { tensors[name]?.values.map(Double.init) ?? [] }

  private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

  /// The top layer's states over a sequence of inputs, from zeros.
  private func recurrent(
    _ name: String, _ shape: Architecture.Recurrent, _ inputs: [[Double]]
  ) -> [[Double]] {
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    var sequence = inputs
    let n = shape.units
    for layer in 0..<shape.layers {
      var h = [Double](repeating: 0, count: n)
      sequence = sequence.map { x in
        let a = sum(product("\(name).weight_ih_l\(layer)", x), vector("\(name).bias_ih_l\(layer)"))
        let g = sum(product("\(name).weight_hh_l\(layer)", h), vector("\(name).bias_hh_l\(layer)"))
        h = (0..<n).map { i in
          let r = sigmoid(a[i] + g[i])
          let z = sigmoid(a[n + i] + g[n + i])
          return (1 - z) * tanh(a[2 * n + i] + r * g[2 * n + i]) + z * h[i]
        }
        return h
      }
    }
    return sequence
  }

  /// Two passes over each window, the maximum first.
  func attend(hidden: [[Double]], memory: [[Double]]) -> Attention {
    let (K, V) = (architecture.keySize, architecture.valueSize)
    let queries = hidden.map { product("attention.w_e", $0) }
    let keys = memory.map { product("attention.w_a", $0) }
    let values = architecture.value == .key ? keys : memory.map { product("attention.w_v", $0) }
    let (v, b) = (vector("attention.v"), vector("attention.b"))
    var result = Attention()
    result.largestValue = values.joined().reduce(0) { max($0, abs($1)) }
    for t in hidden.indices {
      let window = max(0, t - architecture.window + 1)...t
      var alphas: [[Double]] = []
      var context: [Double] = []
      for head in 0..<architecture.headCount {
        let scores = window.map { s in
          let terms = (head * K..<(head + 1) * K).map { k in
            switch architecture.score {
            case .dot: queries[t][k] * keys[s][k]
            case .aligned: queries[s][k] * keys[s][k]
            case .static: v[k] * tanh(queries[s][k] + b[k])
            }
          }
          let size = architecture.score == .static ? v[head * K..<(head + 1) * K][...] : terms[...]
          result.largestScore = max(result.largestScore, size.reduce(0) { $0 + abs($1) })
          return terms.reduce(0, +)
        }
        let largest = scores.max() ?? 0
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        let alpha = weights.map { $0 / total }
        alphas.append(alpha)
        context += (head * V..<(head + 1) * V).map { k in
          zip(alpha, window).reduce(0) { $0 + $1.0 * values[$1.1][k] }
        }
      }
      result.alpha.append(alphas)
      result.c.append(context)
    }
    return result
  }

  /// Every step over a stream of rows.
  func run(_ rows: [[Float]]) -> [Step] {
    let (stack, stride) = (architecture.stack, architecture.stride)
    let turns = rows.indices.filter { $0 + 1 >= stack && ($0 + 1 - stack) % stride == 0 }
    let x = turns.map { turn in rows[(turn + 1 - stack)...turn].flatMap { $0.map(Double.init) } }
    let h = recurrent("encoder", architecture.encoder, x)
    let attention = attend(hidden: h, memory: architecture.memory == .x ? x : h)
    let inputs = zip(attention.c, h).map { c, h in
      architecture.decoderInput == .context ? c : c + h
    }
    let d = recurrent("decoder", architecture.decoder, inputs)
    return turns.indices.map { i in
      let logits = sum(product("output.weight", d[i]), vector("output.bias"))
      return Step(
        row: turns[i], h: h[i], c: attention.c[i], d: d[i],
        y: logits.map { 1 / (1 + exp(-$0)) }, alpha: attention.alpha[i])
    }
  }
}
