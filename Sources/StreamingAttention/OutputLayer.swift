import KernelDispatch
import Kernels

/// d_t -> y_t: a posterior for each keyword, `y_t = sigmoid(W_o d_t + b_o)`.
struct OutputLayer: ~Copyable {
  private let parameters: Parameters
  private let sums: FloatBuffer

  init(_ parameters: Parameters) {
    self.parameters = parameters
    sums = FloatBuffer(count: parameters.output.paddedRows)
  }

  /// y_t, a posterior a keyword.
  var output: UnsafePointer<Float> { UnsafePointer(sums.pointer) }

  mutating func step(_ state: UnsafePointer<Float>) {
    parameters.output.multiply(state, plus: parameters.outputBias.pointer, into: sums.pointer)
    switch parameters.architecture.output {
    case .sigmoid: kernels.sigmoid(sums.pointer, count: parameters.architecture.keywords)
    case .softmax, .linear: break
    }
  }

  mutating func reset() { sums.clear() }
}
