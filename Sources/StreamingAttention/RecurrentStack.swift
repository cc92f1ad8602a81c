import Kernels

/// Layers of cells, each fed by the one below; encoder and decoder are both one.
///
/// In: the input of a step. Out: the top layer's state. Owns the state of every layer.
package struct RecurrentStack: ~Copyable {
  private let layers: [GRUCell]
  /// The layers' states, one after the other.
  private let states: FloatBuffer
  private let scratch: FloatBuffer

  package init(_ layers: [GRUCell]) {
    precondition(!layers.isEmpty, "A stack has a layer")
    self.layers = layers
    states = FloatBuffer(count: layers.reduce(0) { $0 + $1.units })
    scratch = FloatBuffer(count: layers.reduce(0) { max($0, $1.scratchCount) })
  }

  /// The top layer's state.
  package var output: UnsafePointer<Float> {
    UnsafePointer(states.pointer + states.count - layers[layers.count - 1].units)
  }

  /// Goes one step on.
  package mutating func step(_ x: UnsafePointer<Float>) {
    var input = x
    var state = states.pointer
    for i in layers.indices {
      layers[i].step(input, state: state, scratch: scratch.pointer)
      input = UnsafePointer(state)
      state += layers[i].units
    }
  }

  /// The states of all layers, lowest first.
  package var allStates: [Float] { Array(states.elements) }

  /// Sets the states of all layers, lowest first; a new stack begins with zeros.
  package mutating func setStates(_ values: [Float]) {
    precondition(values.count == states.count, "There is a state for each unit of each layer")
    for (i, value) in values.enumerated() { states.pointer[i] = value }
  }

  package mutating func reset() { states.clear() }
}
