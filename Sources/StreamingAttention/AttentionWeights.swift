/// The sizes and choices of an attention by itself.
///
/// Notation: h_t [H] what the query is made of, m_s [M] what keys and values are made of, p heads
/// with K elements of a key and V of a value.
public struct AttentionShape: Sendable, Equatable {
  /// The score function.
  public var score: Architecture.Score
  /// H, elements of h_t.
  public var hiddenSize: Int
  /// M, elements of m_s.
  public var memorySize: Int
  /// p, softmaxes over the window.
  public var heads: Int
  /// K, elements of a key and a query in each head.
  public var keySize: Int
  /// Where values come from.
  public var value: Architecture.Value
  /// N, steps of the window.
  public var window: Int

  /// Gathers the choices.
  ///
  /// - Parameters:
  ///   - score: The score function.
  ///   - hiddenSize: Elements of h_t.
  ///   - memorySize: Elements of m_s.
  ///   - heads: Softmaxes over the window.
  ///   - keySize: Elements of a key and a query in each head.
  ///   - value: Where values come from.
  ///   - window: Steps of the window.
  public init(
    score: Architecture.Score, hiddenSize: Int, memorySize: Int, heads: Int = 1, keySize: Int,
    value: Architecture.Value = .key, window: Int
  ) {
    self.score = score
    self.hiddenSize = hiddenSize
    self.memorySize = memorySize
    self.heads = heads
    self.keySize = keySize
    self.value = value
    self.window = window
  }

  /// The attention of a whole model.
  package init(_ architecture: Architecture) {
    self.init(
      score: architecture.score, hiddenSize: architecture.encoder.units,
      memorySize: architecture.memorySize, heads: architecture.headCount,
      keySize: architecture.keySize, value: architecture.value, window: architecture.window)
  }

  /// V, elements of a value in each head.
  public var valueSize: Int {
    switch value {
    case .key: keySize
    case .separate(let size): size
    }
  }

  /// Length of c_t: the heads' contexts, one after the other.
  public var contextSize: Int { heads * valueSize }

  /// `static` scores need no key; there the key is only wanted as the value.
  var needsKeys: Bool { score != .static || value == .key }

  /// Name and shape of every tensor.
  var tensorShapes: [(name: String, shape: [Int])] {
    let keyRows = heads * keySize
    var shapes: [(name: String, shape: [Int])] = [("w_e", [keyRows, hiddenSize])]
    if score.hasVector {
      shapes += [("v", [heads, keySize]), ("b", [heads, keySize])]
    }
    if needsKeys { shapes.append(("w_a", [keyRows, memorySize])) }
    if value != .key { shapes.append(("w_v", [contextSize, memorySize])) }
    return shapes
  }

  /// Checks every size against the limits of a model.
  ///
  /// - Throws: `ParametersError.size` naming the first size that cannot be.
  public func validate() throws(ParametersError) {
    typealias Limit = Architecture.Limit
    try require(Limit.width, "hidden size", hiddenSize)
    try require(Limit.width, "memory size", memorySize)
    try require(Limit.heads, "attention.heads", heads)
    try require(Limit.width, "attention.key_size", keySize)
    try require(Limit.width, "attention.value_size", valueSize)
    try require(Limit.width, "attention.heads x key_size", heads * keySize)
    try require(Limit.width, "attention.heads x value_size", contextSize)
    try require(Limit.window, "attention.window", window)
    // Every factor is bounded above, so this product cannot overflow.
    let ring = window * elementsPerStep
    guard ring <= Limit.ringElements else {
      throw .size(
        name: "attention.window", found: window,
        expected: "at most \(Limit.ringElements / elementsPerStep) steps with keys of this size")
    }
  }

  // MARK: How a step lies in memory

  /// Floats from one head's key to the next one's: whole vectors, zeros at the end.
  var keyStride: Int {
    // A shared value needs the room that the value needs.
    value == .key && needsKeys ? valueStride : (keySize + 7) / 8 * 8
  }

  /// Floats from one head's value to the next one's: whole vectors.
  ///
  /// Where sums slide, a one follows the value: what it becomes is the sum of the weights.
  var valueStride: Int {
    let length = score.dependsOnQuery ? valueSize : valueSize + 1
    return (length + 7) / 8 * 8
  }

  /// Floats of the window's memory that a step takes.
  private var elementsPerStep: Int {
    let values = score.dependsOnQuery && value == .key ? 0 : valueStride
    // A score to look at; where sums slide, an exponent.
    return heads * ((score.dependsOnQuery ? keyStride : 0) + values + 2)
  }
}

/// Immutable weights of an attention: shapes checked, packed for the kernels, shared by all streams.
public final class AttentionWeights: Sendable {
  /// The sizes and choices that these weights belong to.
  public let shape: AttentionShape

  /// Rows of each head padded to its stride: products come out where the window wants them.
  let query: PackedMatrix
  let key: PackedMatrix?
  let value: PackedMatrix?
  /// v, [heads][key stride].
  let vector: SharedFloats

  /// Checks every tensor against the shape and packs it.
  ///
  /// - Parameters:
  ///   - shape: Sizes and choices.
  ///   - tensors: Tensors by name: `w_e` [heads K, H], `w_a` [heads K, M], `w_v` [heads V, M], `v` and
  ///     `b` [heads, K].
  /// - Throws: `ParametersError` for a size out of bounds, and for a tensor that is missing,
  ///   misshapen, unknown, not finite or too large.
  public convenience init(
    _ shape: AttentionShape, tensors: [String: Tensor]
  ) throws(ParametersError) {
    try shape.validate()
    var shelf = TensorShelf(tensors: tensors)
    try self.init(shape, from: &shelf, prefix: "")
    try shelf.end()
  }

  /// Takes the tensors off a shelf.
  init(
    _ shape: AttentionShape, from shelf: inout TensorShelf, prefix: String
  ) throws(ParametersError) {
    self.shape = shape
    let heads = shape.heads
    var tensors: [String: [Float]] = [:]
    for (name, size) in shape.tensorShapes {
      tensors[name] = try shelf.take(prefix + name, shape: size)
    }
    func padded(_ name: String, size: Int, stride: Int, columns: Int) -> [Float] {
      padRows(tensors[name] ?? [], heads: heads, size: size, stride: stride, columns: columns)
    }
    let (keySize, keyStride) = (shape.keySize, shape.keyStride)
    // e_t + b: the bias goes where the query goes.
    query = PackedMatrix(
      padded("w_e", size: keySize, stride: keyStride, columns: shape.hiddenSize),
      rows: heads * keyStride, columns: shape.hiddenSize,
      bias: shape.score.hasVector
        ? padded("b", size: keySize, stride: keyStride, columns: 1)
        : Array(repeating: 0, count: heads * keyStride))
    vector = SharedFloats(
      padded("v", size: keySize, stride: keyStride, columns: 1), count: heads * keyStride)
    // The one behind a value comes from a bias, its weights being zeros.
    var ones = [Float](repeating: 0, count: heads * shape.valueStride)
    if !shape.score.dependsOnQuery {
      for head in 0..<heads { ones[head * shape.valueStride + shape.valueSize] = 1 }
    }
    if shape.needsKeys {
      key = PackedMatrix(
        padded("w_a", size: keySize, stride: keyStride, columns: shape.memorySize),
        rows: heads * keyStride, columns: shape.memorySize,
        bias: shape.value == .key ? ones : Array(repeating: 0, count: heads * keyStride))
    } else {
      key = nil
    }
    if shape.value == .key {
      value = nil
    } else {
      value = PackedMatrix(
        padded("w_v", size: shape.valueSize, stride: shape.valueStride, columns: shape.memorySize),
        rows: heads * shape.valueStride, columns: shape.memorySize, bias: ones)
    }
  }
}

/// Rows of each head, zeros after them up to the stride.
private func padRows(
  _ values: [Float], heads: Int, size: Int, stride: Int, columns: Int
) -> [Float] {
  guard values.count == heads * size * columns else {
    return Array(repeating: 0, count: heads * stride * columns)
  }
  var padded: [Float] = []
  for head in 0..<heads {
    padded += values[head * size * columns..<(head + 1) * size * columns]
    padded += Array(repeating: 0, count: (stride - size) * columns)
  }
  return padded
}
