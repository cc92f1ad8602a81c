/// The sizes and choices of a model: what the equations leave open.
///
/// Notation: x_t the input of a step, h_t the encoder's output, e_t the query, a_s the key,
/// v_s the value, c_t the context, d_t the decoder's state, y_t the posteriors.
public struct Architecture: Sendable, Equatable {
  /// The recurrent cell.
  public enum Cell: String, Sendable, CaseIterable {
    /// `h' = tanh(W_i x + b_i + W_h h + b_h)` (Elman 1990).
    case rnnTanh = "rnn-tanh"
    /// `h' = max(0, W_i x + b_i + W_h h + b_h)`.
    case rnnReLU = "rnn-relu"
    /// Gated recurrent unit (Cho et al. 2014), in PyTorch's formulation.
    case gru
    /// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et
    /// al. 2000), in PyTorch's formulation.
    case lstm

    /// Gates whose weights stand one below the other in a matrix: r, z, n; i, f, g, o.
    package var gates: Int {
      switch self {
      case .rnnTanh, .rnnReLU: 1
      case .gru: 3
      case .lstm: 4
      }
    }
  }

  /// A causal convolution over the rows before the encoder, followed by max(0, y).
  ///
  /// The output at row t sees the rows t - kernel + 1 ... t, zeros before the first; outputs are
  /// made for t = 0, stride, 2 stride ...
  public struct Convolution: Sendable, Equatable {
    /// How the kernel's weights are laid out.
    public enum Kind: String, Sendable, CaseIterable {
      /// Every output channel sees every input channel at every tap.
      case full
      /// Each input channel by itself over time, then a matrix over the channels
      /// (Howard et al. 2017).
      case separable
    }

    /// How the kernel's weights are laid out.
    public var kind: Kind
    /// Output channels, the length of the rows that come out.
    public var channels: Int
    /// Rows that an output sees.
    public var kernel: Int
    /// Rows between one output and the next.
    public var stride: Int

    /// Gathers the choices; `Architecture.validate` checks them.
    ///
    /// - Parameters:
    ///   - kind: How the kernel's weights are laid out.
    ///   - channels: Output channels.
    ///   - kernel: Rows that an output sees.
    ///   - stride: Rows between one output and the next.
    public init(kind: Kind, channels: Int, kernel: Int, stride: Int = 1) {
      self.kind = kind
      self.channels = channels
      self.kernel = kernel
      self.stride = stride
    }
  }

  /// A stack of recurrent layers of equal width.
  public struct Recurrent: Sendable, Equatable {
    /// The kind of cell.
    public var cell: Cell
    /// Layers, 1 to 4.
    public var layers: Int
    /// Units of each layer.
    public var units: Int

    /// Gathers the three choices; `Architecture.validate` checks them.
    ///
    /// - Parameters:
    ///   - cell: The kind of cell.
    ///   - layers: Layers, 1 to 4.
    ///   - units: Units of each layer.
    public init(cell: Cell = .gru, layers: Int, units: Int) {
      self.cell = cell
      self.layers = layers
      self.units = units
    }
  }

  /// How a score z comes about.
  public enum Score: String, Sendable, CaseIterable {
    /// `z_ts = e_t . a_s`: every step of the window is scored anew for every t.
    case dot
    /// `z_ts = e_t . a_s / sqrt(K)` (Vaswani et al. 2017).
    case scaledDot = "scaled-dot"
    /// `z_ts = v . tanh(e_t + a_s + b)` (Bahdanau et al. 2015).
    case additive
    /// `z_s = e_s . a_s`: each step has one score of its own.
    case aligned
    /// `z_s = v . tanh(W_e h_s + b)`: self-attentive pooling.
    case `static`

    /// Whether the score of a step changes as t goes on, so that a step costs as much as the window
    /// is long.
    public var dependsOnQuery: Bool {
      switch self {
      case .dot, .scaledDot, .additive: true
      case .aligned, .static: false
      }
    }

    /// Whether the score has a vector v and a bias b of its own.
    package var hasVector: Bool { self == .additive || self == .static }
  }

  /// What keys and values are made of.
  public enum Memory: String, Sendable, CaseIterable {
    /// The inputs x_s.
    case x
    /// The encoder's outputs h_s.
    case h
  }

  /// Where values come from.
  public enum Value: Sendable, Equatable {
    /// The value is the key: `v_s = a_s`.
    case key
    /// `v_s = W_v m_s`, so many values a head.
    case separate(size: Int)
  }

  /// What the heads stand for.
  public enum Heads: Sendable, Equatable {
    /// So many heads, all of them for every keyword.
    case shared(Int)
    /// A head for each keyword, so that each detection has a focus of its own.
    case keyword
  }

  /// What the decoder sees.
  public enum DecoderInput: String, Sendable, CaseIterable {
    /// The context c_t alone.
    case context
    /// The context and the encoder's output, [c_t ; h_t].
    case contextAndHidden = "context+hidden"
  }

  /// What becomes of the output layer's sums.
  public enum Output: String, Sendable, CaseIterable {
    /// A posterior for each keyword by itself.
    case sigmoid
    /// Posteriors that add up to one: `exp(s_i) / sum of exp(s_j)`.
    case softmax
    /// The sums themselves, for what is no probability.
    case linear
  }

  /// Length of a row.
  public var bins: Int
  /// Convolutions over the rows, first to last; none in the textbook's model.
  public var stem: [Convolution]
  /// Rows (of the stem's, where there is one) that are concatenated, oldest first, into one x_t.
  public var stack: Int
  /// Rows (of the stem's, where there is one) between one x_t and the next.
  public var stride: Int
  /// The encoder.
  public var encoder: Recurrent
  /// The score function.
  public var score: Score
  /// What keys and values are made of.
  public var memory: Memory
  /// Where values come from.
  public var value: Value
  /// What the heads stand for.
  public var heads: Heads
  /// Elements of a key and a query in each head, K.
  public var keySize: Int
  /// Steps of the window, N.
  public var window: Int
  /// The decoder.
  public var decoder: Recurrent
  /// What the decoder sees.
  public var decoderInput: DecoderInput
  /// What becomes of the output layer's sums.
  public var output: Output
  /// Number of keywords, the length of y_t.
  public var keywords: Int

  /// Gathers the choices; `validate` checks them.
  ///
  /// - Parameters:
  ///   - bins: Length of a row.
  ///   - stem: Convolutions over the rows, first to last.
  ///   - stack: Rows that are concatenated into one input.
  ///   - stride: Rows between one input and the next.
  ///   - encoder: The encoder.
  ///   - score: The score function.
  ///   - memory: What keys and values are made of.
  ///   - value: Where values come from.
  ///   - heads: What the heads stand for.
  ///   - keySize: Elements of a key in each head.
  ///   - window: Steps of the window.
  ///   - decoder: The decoder.
  ///   - decoderInput: What the decoder sees.
  ///   - output: What becomes of the output layer's sums.
  ///   - keywords: Number of keywords.
  public init(
    bins: Int, stem: [Convolution] = [], stack: Int = 1, stride: Int = 1, encoder: Recurrent,
    score: Score, memory: Memory, value: Value = .key, heads: Heads = .shared(1), keySize: Int,
    window: Int, decoder: Recurrent, decoderInput: DecoderInput = .context,
    output: Output = .sigmoid, keywords: Int
  ) {
    self.bins = bins
    self.stem = stem
    self.stack = stack
    self.stride = stride
    self.encoder = encoder
    self.score = score
    self.memory = memory
    self.value = value
    self.heads = heads
    self.keySize = keySize
    self.window = window
    self.decoder = decoder
    self.decoderInput = decoderInput
    self.output = output
    self.keywords = keywords
  }

  /// Length of the rows that are stacked: those that come in, or those of the stem.
  public var stackedRowSize: Int { stem.last?.channels ?? bins }
  /// Length of x_t.
  public var inputSize: Int { stackedRowSize * stack }
  /// Rows between one step of the network and the next.
  public var rowsPerStep: Int { stem.reduce(stride) { $0 * $1.stride } }
  /// Length of m_s.
  public var memorySize: Int { memory == .x ? inputSize : encoder.units }
  /// Number of softmaxes over the window.
  public var headCount: Int {
    switch heads {
    case .shared(let count): count
    case .keyword: keywords
    }
  }
  /// Elements of a value in each head.
  public var valueSize: Int {
    switch value {
    case .key: keySize
    case .separate(let size): size
    }
  }
  /// Length of c_t: the heads' contexts, one after the other.
  public var contextSize: Int { headCount * valueSize }
  /// Length of the decoder's input.
  public var decoderInputSize: Int {
    contextSize + (decoderInput == .contextAndHidden ? encoder.units : 0)
  }

  /// Limits of the sizes: what a model file may ask for before memory is taken.
  ///
  /// Widths bound a matrix to 4,096 x 3 x 8,192 floats; the window's bound is DESIGN's.
  package enum Limit {
    package static let width = 1...4_096
    package static let layers = 1...4
    package static let heads = 1...64
    package static let keywords = 1...64
    package static let stack = 1...16
    package static let stemLayers = 0...4
    package static let kernel = 1...64
    package static let stemStride = 1...8
    /// Inputs of one output of a full convolution.
    package static let kernelInputs = 1...65_536
    package static let window = 1...1_000_000
    /// Floats of the ring (keys, values and scores): 1 GiB.
    package static let ringElements = 1 << 28
  }

  /// Checks every size against its limit.
  ///
  /// - Throws: `ParametersError.size` naming the first size that cannot be.
  public func validate() throws(ParametersError) {
    try require(Limit.width, "bins", bins)
    try require(Limit.stemLayers, "layers of the stem", stem.count)
    var channels = bins
    for (index, layer) in stem.enumerated() {
      try require(Limit.width, "stem[\(index)].channels", layer.channels)
      try require(Limit.kernel, "stem[\(index)].kernel", layer.kernel)
      try require(Limit.stemStride, "stem[\(index)].stride", layer.stride)
      try require(
        Limit.kernelInputs, "stem[\(index)].kernel x input channels", layer.kernel * channels)
      channels = layer.channels
    }
    try require(Limit.stack, "stack", stack)
    try require(1...stack, "stride", stride)
    try require(Limit.width, "stacked input", inputSize)
    for (name, recurrent) in [("encoder", encoder), ("decoder", decoder)] {
      try require(Limit.layers, "\(name).layers", recurrent.layers)
      try require(Limit.width, "\(name).units", recurrent.units)
    }
    try require(Limit.keywords, "keywords", keywords)
    try AttentionShape(self).validate()
  }
}

/// Checks a size against its limits.
func require(
  _ range: ClosedRange<Int>, _ name: String, _ value: Int
) throws(ParametersError) {
  guard range.contains(value) else {
    throw .size(
      name: name, found: value, expected: "\(range.lowerBound) to \(range.upperBound)")
  }
}
