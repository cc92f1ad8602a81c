import KernelDispatch
import Kernels

/// One layer of gated recurrent units: x_t, h_(t-1) -> h_t.
///
/// Immutable, shared by all streams. PyTorch's formulation, gates in the order r, z, n:
///
///     r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///     z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r (W_hn h + b_hn))
///     h' = (1 - z) n + z h
package struct GRUCell: Sendable {
  private let input: PackedMatrix
  private let hidden: PackedMatrix
  private let inputBias: SharedFloats
  private let hiddenBias: SharedFloats
  /// Width of the layer, the length of h.
  let units: Int

  /// Gathers W_i [3 units x inputs], W_h [3 units x units] and their biases.
  init(input: PackedMatrix, hidden: PackedMatrix, inputBias: [Float], hiddenBias: [Float]) {
    self.input = input
    self.hidden = hidden
    self.inputBias = SharedFloats(inputBias, count: input.paddedRows)
    self.hiddenBias = SharedFloats(hiddenBias, count: hidden.paddedRows)
    units = hidden.columns
  }

  /// Floats of scratch that `step` needs.
  var scratchCount: Int { input.paddedRows + hidden.paddedRows }

  /// Goes one step on: replaces h by h'.
  func step(
    _ x: UnsafePointer<Float>, state: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let hiddenSums = scratch + input.paddedRows
    input.multiply(x, plus: inputBias.pointer, into: scratch)
    hidden.multiply(state, plus: hiddenBias.pointer, into: hiddenSums)
    kernels.gru(input: scratch, hidden: hiddenSums, state: state, units: units)
  }
}
