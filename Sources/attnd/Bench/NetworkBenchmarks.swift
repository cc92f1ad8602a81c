import KernelDispatch
import StreamingAttention

/// What the machine can do at best.
enum MachineBenchmark {
  /// Multiply-adds on registers alone.
  static var multiplyAdds: Benchmark {
    let rounds = 1_000
    return Benchmark(
      name: "machine.fma-peak", per: "call", amount: 1,
      operations: 2 * rounds * MultiplyAdds.perRound, isRate: true
    ) { count in
      for _ in 0..<count { MultiplyAdds.run(rounds: rounds) }
    }
  }
}

/// What StreamingAttention is timed at.
enum NetworkBenchmarks {
  /// Encoders of two layers, a stream alone and sixteen together; once more with weights of half
  /// precision.
  static func encoders() throws -> [Benchmark] {
    let shapes: [(cell: Architecture.Cell, units: Int)] = [
      (.gru, 64), (.gru, 128), (.lstm, 64), (.lstm, 128), (.rnnTanh, 64),
    ]
    return try shapes.flatMap { cell, units in
      let shape = Architecture.Recurrent(cell: cell, layers: 2, units: units)
      let name = "encoder.\(cell.rawValue).40-\(units)x2"
      let operations = 2 * cell.gates * units * (40 + 3 * units)
      let variants = [
        ("step", 1, false), ("batch16", 16, false), ("half.step", 1, true),
        ("half.batch16", 16, true),
      ]
      return try variants.map { suffix, streams, rounds in
        let bench = try EncoderBench(shape, streams: streams, halfPrecision: rounds)
        return Benchmark(
          name: "\(name).\(suffix)", per: "step", amount: streams, operations: operations
        ) { count in
          for _ in 0..<count { bench.step() }
        }
      }
    }
  }

  /// Attention over windows of several lengths.
  static func windows() -> [Benchmark] {
    let shapes: [(score: Architecture.Score, windows: [Int])] = [
      (.dot, [100, 1_000]), (.scaledDot, [100]), (.additive, [100]),
      (.aligned, [100, 100_000]), (.static, [100, 1_000, 100_000]),
    ]
    return shapes.flatMap { score, windows in
      windows.map { window in
        let bench = WindowBench(score, window: window)
        return Benchmark(
          name: "attention.\(score.rawValue).64.w\(window)", per: "step", amount: 1,
          // Products of scores and of values; nobody counts the tanh of an additive score.
          operations: score == .dot || score == .scaledDot ? 4 * 64 * window : nil
        ) { count in
          bench.steps(count)
        }
      }
    }
  }
}

/// An encoder with random weights and inputs.
private final class EncoderBench {
  private var sequence: RecurrentSequence

  init(
    _ shape: Architecture.Recurrent, streams: Int, halfPrecision: Bool
  ) throws(ParametersError) {
    let inputs = 40
    let rows = shape.cell.gates * shape.units
    var tensors: [String: Tensor] = [:]
    // As PyTorch begins: uniform, within 1 / sqrt(units).
    let bound = 1 / Float(shape.units).squareRoot()
    func tensor(_ size: [Int]) -> Tensor {
      let values = FeatureBenchmarks.noise(size.reduce(1, *)).map { value in
        halfPrecision ? Float(Float16(bound * value)) : bound * value
      }
      return Tensor(shape: size, values: values)
    }
    for layer in 0..<shape.layers {
      tensors["weight_ih_l\(layer)"] = tensor([rows, layer == 0 ? inputs : shape.units])
      tensors["weight_hh_l\(layer)"] = tensor([rows, shape.units])
      tensors["bias_ih_l\(layer)"] = tensor([rows])
      tensors["bias_hh_l\(layer)"] = tensor([rows])
    }
    sequence = try RecurrentSequence(
      shape, inputSize: inputs, tensors: tensors, streams: streams)
    let noise = FeatureBenchmarks.noise(inputs * streams)
    for stream in 0..<streams {
      sequence.setInput(Array(noise[stream * inputs..<(stream + 1) * inputs]), of: stream)
    }
  }

  func step() { sequence.step() }
}

/// A window that is full.
private final class WindowBench {
  private let shape: AttentionShape
  private var window: AttentionWindow
  private var isFull = false

  init(_ score: Architecture.Score, window: Int) {
    shape = AttentionShape(
      score: score, hiddenSize: 64, memorySize: 64, keySize: 64, window: window)
    self.window = AttentionWindow(shape, numbers: FeatureBenchmarks.noise(4_099))
  }

  func steps(_ count: Int) {
    // Filled when it is first needed: the long ones take a while.
    if !isFull { for _ in 0...shape.window { window.step() } }
    isFull = true
    for _ in 0..<count { window.step() }
  }
}
