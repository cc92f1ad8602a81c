import StreamingAttention
import TestSupport
import Testing

@Suite("Recurrent stack")
struct RecurrentStackTests {
  /// What a name like gru.40-64.x2 says.
  struct Case {
    let shape: Architecture.Recurrent
    let inputs: Int

    init(_ name: String) throws {
      let parts = name.split(separator: ".").map(String.init)
      let kinds: [String: Architecture.Cell] = [
        "rnn_tanh": .rnnTanh, "rnn_relu": .rnnReLU, "gru": .gru, "lstm": .lstm,
      ]
      let sizes = parts[1].split(separator: "-").compactMap { Int($0) }
      inputs = sizes[0]
      shape = Architecture.Recurrent(
        cell: try #require(kinds[parts[0]], "\(name)"),
        layers: try #require(Int(parts[2].dropFirst()), "\(name)"), units: sizes[1])
    }
  }

  @Test(
    "Every golden stack of cells gives the golden states, at every step, one stream or several",
    arguments: ["small", "gru", "lstm", "rnn_tanh", "rnn_relu"].map { "rnn/\($0).safetensors" })
  func golden(file: String) throws {
    let tensors = try Golden.tensors(file)
    let cases = tensors.cases()
    #expect(!cases.isEmpty)
    for name in cases {
      let golden = try Case(name)
      let (inputs, units) = (golden.inputs, golden.shape.units)
      var weights: [String: Tensor] = [:]
      for layer in 0..<golden.shape.layers {
        for kind in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] {
          let array = try tensors["\(name)/\(kind)_l\(layer)"]
          weights["\(kind)_l\(layer)"] = Tensor(shape: array.shape, values: try array.floats)
        }
      }
      let streams = 3
      var stack = try RecurrentSequence(
        golden.shape, inputSize: inputs, tensors: weights, streams: streams)
      let hasCell = golden.shape.cell == .lstm
      for stream in 0..<streams {
        stack.setStates(
          h: try tensors["\(name)/h0"].floats,
          c: hasCell ? try tensors["\(name)/c0"].floats : [], of: stream)
      }
      let x = try tensors["\(name)/x"].floats
      let y = try tensors["\(name)/y"].doubles
      let tolerance =
        0x1p-24 * (16 + 4 * Double(inputs + units).squareRoot()) * Double(golden.shape.layers)
      var worst = WorstRatio(name)
      for step in 0..<x.count / inputs {
        for stream in 0..<streams {
          stack.setInput(Array(x[step * inputs..<(step + 1) * inputs]), of: stream)
        }
        stack.step()
        let output = stack.output()
        for unit in 0..<units {
          worst.add(
            got: output[unit], reference: y[step * units + unit], tolerance: tolerance,
            at: "step \(step), unit \(unit)")
        }
        for stream in 1..<streams {
          #expect(stack.output(of: stream) == output, "stream \(stream), step \(step)")
        }
      }
      let states = stack.states()
      for (i, reference) in try tensors["\(name)/h_n"].doubles.enumerated() {
        worst.add(
          got: states[i / units].h[i % units], reference: reference, tolerance: tolerance,
          at: "last state \(i) of all layers")
      }
      for (i, reference) in (hasCell ? try tensors["\(name)/c_n"].doubles : []).enumerated() {
        worst.add(
          got: states[i / units].c[i % units], reference: reference, tolerance: 2 * tolerance,
          at: "last cell \(i) of all layers")
      }
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }
}
