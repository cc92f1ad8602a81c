import KernelDispatch
import Kernels

/// One layer of recurrent units, the input and h_(t-1) -> h_t, in PyTorch's formulation.
///
///     rnn-tanh, rnn-relu   h' = tanh or max(0, .) of W_i x + b_i + W_h h + b_h
///
///     gru                  r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
///                          z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
///                          n = tanh(W_in x + b_in + r (W_hn h + b_hn))
///                          h' = (1 - z) n + z h
///
///     lstm                 i, f, o = sigmoid of their rows of W_i x + b_i + W_h h + b_h
///                          g = tanh of its rows
///                          c' = f c + i g,  h' = o tanh(c')
///
/// Immutable, shared by all streams. The sums of W_h go on where those of W_i end; only a GRU needs
/// the two apart.
struct RecurrentLayer: Sendable {
  /// The tensors of a layer.
  struct Tensors {
    var input: [Float]
    var hidden: [Float]
    var inputBias: [Float]
    var hiddenBias: [Float]
  }

  let cell: Architecture.Cell
  let units: Int
  private let input: PackedMatrix
  private let hidden: PackedMatrix
  /// Where the layer's numbers lie in a stream's block.
  private let sums: Int
  private let hiddenSums: Int
  private let cellState: Int
  let state: Int

  /// Packs the weights and finds places for the state.
  ///
  /// - Parameters:
  ///   - tensors: W_i [gates units x inputs], W_h [gates units x units] and their biases.
  ///   - cell: The kind of cell.
  ///   - inputs: Length of the input.
  ///   - units: Width of the layer.
  ///   - plan: Where the state and the sums get their places.
  init(
    _ tensors: Tensors, cell: Architecture.Cell, inputs: Int, units: Int, plan: inout MemoryPlan
  ) {
    self.cell = cell
    self.units = units
    let rows = cell.gates * units
    if cell == .gru {
      input = PackedMatrix(tensors.input, rows: rows, columns: inputs, bias: tensors.inputBias)
      hidden = PackedMatrix(tensors.hidden, rows: rows, columns: units, bias: tensors.hiddenBias)
    } else {
      let bias = zip(tensors.inputBias, tensors.hiddenBias).map { Float(Double($0) + Double($1)) }
      input = PackedMatrix(tensors.input, rows: rows, columns: inputs, bias: bias)
      hidden = PackedMatrix(tensors.hidden, rows: rows, columns: units, bias: nil)
    }
    state = plan.place(units)
    cellState = cell == .lstm ? plan.place(units) : state
    sums = plan.place(input.paddedRows)
    hiddenSums = cell == .gru ? plan.place(hidden.paddedRows) : sums
  }

  /// Goes one step on in each stream: replaces h by h'.
  func step(_ streams: StreamBlocks, from x: Int) {
    input.multiply(in: streams, from: x, to: sums)
    hidden.multiply(in: streams, from: state, to: hiddenSums)
    switch cell {
    case .rnnTanh: kernels.tanh(in: streams, from: sums, to: state, count: units)
    case .rnnReLU: kernels.rectify(in: streams, from: sums, to: state, count: units)
    case .gru:
      kernels.gru(in: streams, input: sums, hidden: hiddenSums, state: state, units: units)
    case .lstm:
      kernels.lstm(in: streams, sums: sums, cell: cellState, state: state, units: units)
    }
  }

  /// Sets the state of a stream that `step` goes on from.
  ///
  /// - Parameters:
  ///   - block: The stream's block.
  ///   - h: h, `units` long.
  ///   - c: c of an LSTM, `units` long; ignored elsewhere.
  func setState(_ block: UnsafeMutablePointer<Float>, h: ArraySlice<Float>, c: ArraySlice<Float>) {
    for (i, value) in h.enumerated() { block[state + i] = value }
    guard cell == .lstm else { return }
    for (i, value) in c.enumerated() { block[cellState + i] = value }
  }

  /// The state of a stream: h, and c of an LSTM.
  func state(_ block: UnsafePointer<Float>) -> (h: [Float], c: [Float]) {
    func vector(_ place: Int) -> [Float] { (0..<units).map { block[place + $0] } }
    return (vector(state), cell == .lstm ? vector(cellState) : [])
  }
}
