import Kernels

/// A named array of numbers as a model file holds it: row major.
public struct Tensor: Sendable, Equatable {
  /// Length of each axis.
  public var shape: [Int]
  /// The elements, the last axis fastest.
  public var values: [Float]

  /// Gathers shape and elements.
  ///
  /// - Parameters:
  ///   - shape: Length of each axis.
  ///   - values: The elements, the last axis fastest; as many as the product of `shape`.
  public init(shape: [Int], values: [Float]) {
    self.shape = shape
    self.values = values
  }
}

/// What is wrong with a set of tensors or with the sizes that they should have.
public enum ParametersError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A size is beyond its limits.
  case size(name: String, found: Int, expected: String)
  /// A tensor that the architecture needs is not there.
  case missing(tensor: String, expected: [Int])
  /// A tensor has another shape than the architecture says.
  case shape(tensor: String, found: [Int], expected: [Int])
  /// A tensor that the architecture has no use for.
  case unknown(tensor: String)
  /// A tensor holds a NaN or an infinity.
  case notFinite(tensor: String, index: Int)
  /// A tensor holds a number that could make a sum overflow.
  case tooLarge(tensor: String, index: Int, found: Float)
  /// A tensor has another number of elements than its own shape says.
  case count(tensor: String, found: Int, expected: Int)

  /// One line: which tensor or size, what was found, what was expected.
  public var description: String {
    switch self {
    case .size(let name, let found, let expected):
      "\(name) is \(found), expected \(expected)"
    case .missing(let tensor, let expected):
      "tensor \(tensor) is missing, expected one of shape \(text(expected))"
    case .shape(let tensor, let found, let expected):
      "tensor \(tensor) has shape \(text(found)), expected \(text(expected))"
    case .unknown(let tensor):
      "tensor \(tensor) is not part of this architecture"
    case .notFinite(let tensor, let index):
      "tensor \(tensor) holds a NaN or an infinity at element \(index)"
    case .tooLarge(let tensor, let index, let found):
      "tensor \(tensor) holds \(found) at element \(index), expected "
        + "\(-Parameters.largestWeight) to \(Parameters.largestWeight)"
    case .count(let tensor, let found, let expected):
      "tensor \(tensor) has \(found) elements, expected \(expected)"
    }
  }

  private func text(_ shape: [Int]) -> String {
    shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: "x")
  }
}

/// Immutable weights: shapes checked, packed for the kernels, shared by all streams.
///
/// In: tensors under PyTorch's names. Owned by whoever loads the model; read by every
/// `AttentionStream`, on any thread.
public final class Parameters: Sendable {
  /// The sizes and choices that these weights belong to.
  public let architecture: Architecture

  /// Number of weights in the tensors.
  public let weightCount: Int

  /// Whether all matrices hold nothing but numbers of half precision, and so take 16 bits an element
  /// where the processor reads those.
  public let hasHalfMatrices: Bool

  let network: Network

  /// The largest weight that is accepted.
  ///
  /// With widths up to 2^13, weights up to 2^20, and inputs, rows of the stem and states up to 2^50
  /// (a row beyond it counts as zero, `rectify` ends there), a key or a value is at most 2^83; a
  /// query is held below 2^30, and so a score is at most 2^126 before it is held below 2^20: nothing
  /// overflows, so no state can become a NaN, which would never leave it.
  package static let largestWeight: Float = 0x1p20

  /// Checks every tensor against the architecture and packs it.
  ///
  /// - Parameters:
  ///   - architecture: Sizes and choices.
  ///   - tensors: Tensors by name: `stem.0.weight` and so on, `encoder.weight_ih_l0` and so on,
  ///     `attention.w_e` [heads K, H], `attention.w_a` [heads K, M], `attention.w_v`, `attention.v`
  ///     and `attention.b` [heads, K], `decoder.weight_ih_l0` ..., `output.weight`
  ///     [keywords, units], `output.bias` [keywords].
  /// - Throws: `ParametersError` for a size out of bounds, and for a tensor that is missing,
  ///   misshapen, unknown, not finite or too large.
  public init(
    architecture: Architecture, tensors: [String: Tensor]
  ) throws(ParametersError) {
    try architecture.validate()
    self.architecture = architecture
    var shelf = TensorShelf(tensors: tensors)
    network = try Network(architecture, from: &shelf)
    try shelf.end()
    weightCount = shelf.taken
    hasHalfMatrices = shelf.matricesAreHalf
  }
}

/// Tensors that are taken off one by one, each checked as it goes.
struct TensorShelf {
  private var remaining: [String: Tensor]
  /// Elements that have been taken.
  private(set) var taken = 0
  /// Whether what has been taken of two axes and more fits half precision.
  private(set) var matricesAreHalf = true

  init(tensors: [String: Tensor]) { remaining = tensors }

  /// Takes the elements of a tensor.
  mutating func take(_ name: String, shape: [Int]) throws(ParametersError) -> [Float] {
    guard let tensor = remaining.removeValue(forKey: name) else {
      throw .missing(tensor: name, expected: shape)
    }
    guard tensor.shape == shape else {
      throw .shape(tensor: name, found: tensor.shape, expected: shape)
    }
    let count = shape.reduce(1, *)
    guard tensor.values.count == count else {
      throw .count(tensor: name, found: tensor.values.count, expected: count)
    }
    if let index = tensor.values.firstIndex(where: { !($0.magnitude <= Parameters.largestWeight) })
    {
      let value = tensor.values[index]
      guard value.isFinite else { throw .notFinite(tensor: name, index: index) }
      throw .tooLarge(tensor: name, index: index, found: value)
    }
    taken += tensor.values.count
    if shape.count >= 2, matricesAreHalf {
      matricesAreHalf = HalfPrecision.holds(tensor.values)
    }
    return tensor.values
  }

  /// Takes the layers of an encoder or a decoder, whose names begin with `prefix`.
  mutating func takeRecurrent(
    _ prefix: String, inputSize: Int, shape: Architecture.Recurrent, plan: inout MemoryPlan
  ) throws(ParametersError) -> [RecurrentLayer] {
    let rows = shape.cell.gates * shape.units
    var layers: [RecurrentLayer] = []
    for layer in 0..<shape.layers {
      let inputs = layer == 0 ? inputSize : shape.units
      let tensors = RecurrentLayer.Tensors(
        input: try take("\(prefix)weight_ih_l\(layer)", shape: [rows, inputs]),
        hidden: try take("\(prefix)weight_hh_l\(layer)", shape: [rows, shape.units]),
        inputBias: try take("\(prefix)bias_ih_l\(layer)", shape: [rows]),
        hiddenBias: try take("\(prefix)bias_hh_l\(layer)", shape: [rows]))
      layers.append(
        RecurrentLayer(tensors, cell: shape.cell, inputs: inputs, units: shape.units, plan: &plan))
    }
    return layers
  }

  /// Takes the layers of the stem.
  mutating func takeStem(
    _ architecture: Architecture, plan: inout MemoryPlan
  ) throws(ParametersError) -> [ConvolutionLayer] {
    var layers: [ConvolutionLayer] = []
    var inputs = architecture.bins
    for (index, layer) in architecture.stem.enumerated() {
      let name = "stem.\(index)"
      let tensors: (depthwise: [Float], weight: [Float], bias: [Float])
      switch layer.kind {
      case .full:
        tensors = (
          [], try take("\(name).weight", shape: [layer.channels, inputs, layer.kernel]),
          try take("\(name).bias", shape: [layer.channels])
        )
      case .separable:
        tensors = (
          try take("\(name).depthwise.weight", shape: [inputs, 1, layer.kernel]),
          try take("\(name).pointwise.weight", shape: [layer.channels, inputs, 1]),
          try take("\(name).pointwise.bias", shape: [layer.channels])
        )
      }
      layers.append(ConvolutionLayer(layer, inputs: inputs, tensors: tensors, plan: &plan))
      inputs = layer.channels
    }
    return layers
  }

  /// Checks that nothing is left.
  func end() throws(ParametersError) {
    if let stranger = remaining.keys.min() { throw .unknown(tensor: stranger) }
  }
}
