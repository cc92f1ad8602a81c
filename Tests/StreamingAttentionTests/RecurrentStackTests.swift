import StreamingAttention
import TestSupport
import Testing

@Suite("Recurrent stack")
struct RecurrentStackTests {
  @Test(
    "Every golden stack of GRUs gives the golden states, at every step",
    arguments: ["rnn/small.safetensors", "rnn/gru.safetensors"])
  func golden(file: String) throws {
    let tensors = try Golden.tensors(file)
    let cases = tensors.cases()
    #expect(cases.count >= 3)
    for name in cases {
      // gru.40-64.x2
      let parts = name.split { $0 == "." || $0 == "-" || $0 == "x" }.compactMap { Int($0) }
      let (inputs, units, layers) = (parts[0], parts[1], parts[2])
      let parameters = try Parameters(encoder: name, of: tensors, inputs: inputs, units: units)
      #expect(parameters.architecture.encoder.layers == layers)
      var stack = RecurrentStack(parameters.encoder)
      stack.setStates(try tensors["\(name)/h0"].floats)
      let x = try tensors["\(name)/x"].floats
      let y = try tensors["\(name)/y"].doubles
      let tolerance =
        0x1p-24 * (16 + 4 * Double(inputs + units).squareRoot()) * Double(layers)
      var worst = WorstRatio(name)
      for step in 0..<x.count / inputs {
        x.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          stack.step(base + step * inputs)
        }
        for unit in 0..<units {
          worst.add(
            got: stack.output[unit], reference: y[step * units + unit], tolerance: tolerance,
            at: "step \(step), unit \(unit)")
        }
      }
      for (i, reference) in try tensors["\(name)/h_n"].doubles.enumerated() {
        worst.add(
          got: stack.allStates[i], reference: reference, tolerance: tolerance,
          at: "last state \(i) of all layers")
      }
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }

  @Test("A stack that was reset gives the bits of a new one", .seed(101))
  func reset() throws {
    var random = SplitMix64()
    let architecture = Architecture.small()
    let parameters = try Parameters(
      architecture: architecture, tensors: architecture.randomTensors(&random))
    var stack = RecurrentStack(parameters.encoder)
    let x = random.floats(5)
    func run(_ stack: inout RecurrentStack) -> [UInt32] {
      (0..<9).flatMap { _ in
        x.withUnsafeBufferPointer { $0.baseAddress.map { stack.step($0) } }
        return stack.allStates.map(\.bitPattern)
      }
    }
    let first = run(&stack)
    #expect(run(&stack) != first)
    stack.reset()
    #expect(run(&stack) == first)
  }
}

extension Parameters {
  /// A model whose encoder is a golden stack and whose other weights are zeros.
  convenience init(
    encoder name: String, of golden: GoldenTensors, inputs: Int, units: Int
  ) throws {
    let layers = golden.names.filter { $0.hasPrefix("\(name)/weight_hh_l") }.count
    let architecture = Architecture(
      bins: inputs, encoder: Architecture.Recurrent(layers: layers, units: units), score: .dot,
      memory: .h, keySize: 1, window: 1, decoder: Architecture.Recurrent(layers: 1, units: 1),
      keywords: 1)
    var tensors: [String: Tensor] = [:]
    for (tensor, shape) in architecture.tensorShapes {
      if tensor.hasPrefix("encoder.") {
        let array = try golden["\(name)/\(tensor.dropFirst(8))"]
        tensors[tensor] = Tensor(shape: array.shape, values: try array.floats)
      } else {
        tensors[tensor] = Tensor(
          shape: shape, values: Array(repeating: 0, count: shape.reduce(1, *)))
      }
    }
    try self.init(architecture: architecture, tensors: tensors)
  }
}
