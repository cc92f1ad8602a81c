import Kernels

/// Layers of cells, each fed by the one below; encoder and decoder are both one.
///
/// In: the input of a step. Out: the top layer's state. Immutable, shared by all streams.
struct RecurrentStack: Sendable {
  private let layers: [RecurrentLayer]
  private let input: Int

  /// Gathers the layers.
  ///
  /// - Parameters:
  ///   - layers: Lowest first, one or more.
  ///   - input: Where the input of the lowest lies.
  init(_ layers: [RecurrentLayer], input: Int) {
    precondition(!layers.isEmpty, "A stack has a layer")
    self.layers = layers
    self.input = input
  }

  /// Where the top layer's state lies.
  var output: Int { layers[layers.count - 1].state }

  /// Goes one step on in each stream.
  func step(_ streams: StreamBlocks) {
    var input = input
    for layer in layers {
      layer.step(streams, from: input)
      input = layer.state
    }
  }
}

/// A stack by itself, with a state of its own: for tests, benchmarks and whoever needs no attention.
package struct RecurrentSequence: ~Copyable {
  private let stack: RecurrentStack
  private let layers: [RecurrentLayer]
  private let inputSize: Int
  private let input: Int
  private let block: [FloatBufferBox]
  private let pointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>>

  /// A block that an array can hold.
  private final class FloatBufferBox {
    let buffer: FloatBuffer
    init(count: Int) { buffer = FloatBuffer(count: count) }
  }

  /// Checks the tensors and takes memory.
  ///
  /// - Parameters:
  ///   - shape: Cell, layers, units.
  ///   - inputSize: Length of the input.
  ///   - tensors: `weight_ih_l0` and so on.
  ///   - streams: Streams that step together.
  /// - Throws: `ParametersError` for a tensor that is not as the shape says.
  package init(
    _ shape: Architecture.Recurrent, inputSize: Int, tensors: [String: Tensor], streams: Int = 1
  ) throws(ParametersError) {
    var plan = MemoryPlan()
    var shelf = TensorShelf(tensors: tensors)
    input = plan.place(inputSize)
    layers = try shelf.takeRecurrent("", inputSize: inputSize, shape: shape, plan: &plan)
    stack = RecurrentStack(layers, input: input)
    self.inputSize = inputSize
    let floats = plan.count
    block = (0..<streams).map { _ in FloatBufferBox(count: floats) }
    pointers = .allocate(capacity: streams)
    for (i, box) in block.enumerated() { (pointers + i).initialize(to: box.buffer.pointer) }
  }

  deinit { pointers.deallocate() }

  /// Goes one step on in each stream; the inputs stay those that `setInput` gave.
  package mutating func step() {
    stack.step(StreamBlocks(UnsafePointer(pointers), count: block.count))
  }

  /// Sets the input of a stream.
  package mutating func setInput(_ x: [Float], of stream: Int = 0) {
    for (i, value) in x.prefix(inputSize).enumerated() { pointers[stream][input + i] = value }
  }

  /// The top layer's state.
  package func output(of stream: Int = 0) -> [Float] {
    layers.last?.state(UnsafePointer(pointers[stream])).h ?? []
  }

  /// The states of all layers, lowest first.
  package func states(of stream: Int = 0) -> [(h: [Float], c: [Float])] {
    layers.map { $0.state(UnsafePointer(pointers[stream])) }
  }

  /// Sets the states of all layers, lowest first; a new stack begins with zeros.
  package mutating func setStates(h: [Float], c: [Float] = [], of stream: Int = 0) {
    for (i, layer) in layers.enumerated() {
      let range = i * layer.units..<(i + 1) * layer.units
      layer.setState(pointers[stream], h: h[range], c: c.isEmpty ? [] : c[range])
    }
  }
}
