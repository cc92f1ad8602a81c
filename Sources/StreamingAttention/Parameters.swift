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

  package let encoder: [GRUCell]
  let query: PackedMatrix
  let key: PackedMatrix?
  let value: PackedMatrix?
  /// `static` only: v and b, [heads x K].
  let scoreVector: SharedFloats
  let scoreBias: SharedFloats
  let decoder: [GRUCell]
  let output: PackedMatrix
  let outputBias: SharedFloats

  /// The largest weight that is accepted.
  ///
  /// With widths up to 2^12, weights up to 2^20 and inputs up to 2^50, a key or a value is at most
  /// 2^82, a query 2^32 and a score 2^126: nothing overflows, so no state can become a NaN, which
  /// would never leave it.
  package static let largestWeight: Float = 0x1p20

  /// Number of weights in the tensors.
  public let weightCount: Int

  /// Checks every tensor against the architecture and packs it.
  ///
  /// - Parameters:
  ///   - architecture: Sizes and choices.
  ///   - tensors: Tensors by name: `encoder.weight_ih_l0` and so on, `attention.w_e`
  ///     [heads K, H], `attention.w_a` [heads K, M], `attention.w_v`, `attention.v` and
  ///     `attention.b` [heads, K], `decoder.weight_ih_l0` ..., `output.weight` [keywords, units],
  ///     `output.bias` [keywords].
  /// - Throws: `ParametersError` for a size out of bounds, and for a tensor that is missing,
  ///   misshapen, unknown, not finite or too large.
  public init(
    architecture: Architecture, tensors: [String: Tensor]
  ) throws(ParametersError) {
    try architecture.validate()
    self.architecture = architecture
    var shelf = TensorShelf(tensors: tensors)

    encoder = try shelf.takeGRU(
      "encoder", inputSize: architecture.inputSize, shape: architecture.encoder)

    let keyRows = architecture.headCount * architecture.keySize
    query = try shelf.takeMatrix(
      "attention.w_e", rows: keyRows, columns: architecture.encoder.units)
    if architecture.score == .static {
      let shape = [architecture.headCount, architecture.keySize]
      scoreVector = SharedFloats(try shelf.take("attention.v", shape: shape), count: keyRows)
      scoreBias = SharedFloats(try shelf.take("attention.b", shape: shape), count: keyRows)
    } else {
      scoreVector = SharedFloats(count: 0)
      scoreBias = SharedFloats(count: 0)
    }
    // `static` scores need no key; there the key is only wanted as the value.
    if architecture.score != .static || architecture.value == .key {
      key = try shelf.takeMatrix(
        "attention.w_a", rows: keyRows, columns: architecture.memorySize)
    } else {
      key = nil
    }
    switch architecture.value {
    case .key: value = nil
    case .separate:
      value = try shelf.takeMatrix(
        "attention.w_v", rows: architecture.contextSize, columns: architecture.memorySize)
    }

    decoder = try shelf.takeGRU(
      "decoder", inputSize: architecture.decoderInputSize, shape: architecture.decoder)
    output = try shelf.takeMatrix(
      "output.weight", rows: architecture.keywords, columns: architecture.decoder.units)
    outputBias = SharedFloats(
      try shelf.take("output.bias", shape: [architecture.keywords]), count: output.paddedRows)

    if let stranger = shelf.remaining.keys.min() { throw .unknown(tensor: stranger) }
    weightCount = shelf.taken
  }
}

/// Tensors that are taken off one by one, each checked as it goes.
private struct TensorShelf {
  private(set) var remaining: [String: Tensor]
  private(set) var taken = 0

  init(tensors: [String: Tensor]) { remaining = tensors }

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
    return tensor.values
  }

  mutating func takeMatrix(
    _ name: String, rows: Int, columns: Int
  ) throws(ParametersError) -> PackedMatrix {
    PackedMatrix(try take(name, shape: [rows, columns]), rows: rows, columns: columns)
  }

  mutating func takeGRU(
    _ name: String, inputSize: Int, shape: Architecture.Recurrent
  ) throws(ParametersError) -> [GRUCell] {
    var layers: [GRUCell] = []
    let gates = 3 * shape.units
    for layer in 0..<shape.layers {
      layers.append(
        GRUCell(
          input: try takeMatrix(
            "\(name).weight_ih_l\(layer)", rows: gates,
            columns: layer == 0 ? inputSize : shape.units),
          hidden: try takeMatrix("\(name).weight_hh_l\(layer)", rows: gates, columns: shape.units),
          inputBias: try take("\(name).bias_ih_l\(layer)", shape: [gates]),
          hiddenBias: try take("\(name).bias_hh_l\(layer)", shape: [gates])))
    }
    return layers
  }
}
