import KernelDispatch
import Kernels

/// d_t -> y_t: `y_t = sigmoid(W_o d_t + b_o)`, a posterior for each keyword, or another function of
/// the sums.
struct OutputLayer: Sendable {
  private let matrix: PackedMatrix
  private let function: Architecture.Output
  private let input: Int
  /// Where y_t lies, a number a keyword.
  let output: Int

  init(
    _ matrix: PackedMatrix, function: Architecture.Output, input: Int, plan: inout MemoryPlan
  ) {
    self.matrix = matrix
    self.function = function
    self.input = input
    output = plan.place(matrix.paddedRows)
  }

  func step(_ streams: StreamBlocks) {
    matrix.multiply(in: streams, from: input, to: output)
    for stream in 0..<streams.count {
      let sums = streams.blocks[stream] + output
      switch function {
      case .linear: break
      case .sigmoid: kernels.sigmoid(sums, count: matrix.rows)
      case .softmax:
        let largest = kernels.maximum(sums, count: matrix.rows)
        let total = kernels.expSum(sums, count: matrix.rows, minus: largest)
        for i in 0..<matrix.rows { sums[i] /= total }
      }
    }
  }
}
