import Kernels

/// Attention by itself over a sliding window: h_t, m_t in, c_t and the weights alpha out.
///
/// What `AttentionStream` has between encoder and decoder, for whoever has vectors of their own:
///
///     var attention = AttentionCalculator(weights)
///     attention.step(hidden: h.span, memory: x.span)
///     attention.withContext { context in ... }
///
/// One per sequence, used by one thread at a time; allocates only in `init`. The weights are shared.
public struct AttentionCalculator: ~Copyable {
  /// The shared weights.
  public let weights: AttentionWeights

  private let stage: AttentionStage
  private let state: UnsafeMutablePointer<StreamState>
  private var group: StreamGroup
  private let hidden: Int
  private let memory: Int
  private let context: Int

  /// Takes memory for the window.
  ///
  /// - Parameter weights: The weights.
  public init(_ weights: AttentionWeights) {
    self.weights = weights
    var plan = MemoryPlan()
    hidden = plan.place(weights.shape.hiddenSize)
    memory = plan.place(weights.shape.memorySize)
    context = plan.place(weights.shape.contextSize)
    stage = AttentionStage(
      weights, hidden: hidden, memory: memory, context: context, plan: &plan)
    state = .allocate(capacity: 1)
    state.initialize(to: StreamState(plan, weights.shape))
    group = StreamGroup(capacity: 1)
    group.append(state)
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
  }

  /// Takes in a step and attends over the window that ends with it.
  ///
  /// An element that is a NaN, or larger than 2^50, counts as 0.
  ///
  /// - Parameters:
  ///   - hidden: h_t, `hiddenSize` elements.
  ///   - memory: m_t, `memorySize` elements.
  public mutating func step(hidden: Span<Float>, memory: Span<Float>) {
    precondition(hidden.count == weights.shape.hiddenSize, "h_t has hiddenSize elements")
    precondition(memory.count == weights.shape.memorySize, "m_t has memorySize elements")
    let block = state.pointee.block.pointer
    copyBounded(hidden, to: block + self.hidden)
    copyBounded(memory, to: block + self.memory)
    stage.step(group)
  }

  /// Steps in the window now: min(steps, N).
  public var span: Int { state.pointee.span }

  /// The newest context.
  ///
  /// - Parameter body: Given c_t, [heads V].
  /// - Returns: What `body` returns.
  public func withContext<Result>(_ body: (Span<Float>) -> Result) -> Result {
    with(context, count: weights.shape.contextSize, body)
  }

  /// A head's newest query, W_e h_t.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given e_t, [K]; for the scores `additive` and `static` with b added.
  /// - Returns: What `body` returns.
  public func withQuery<Result>(head: Int = 0, _ body: (Span<Float>) -> Result) -> Result {
    with(stage.query + at(head), count: weights.shape.keySize, body)
  }

  /// A head's newest key, W_a m_t.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given a_t, [K]; zeros where the shape needs no keys.
  /// - Returns: What `body` returns.
  public func withKey<Result>(head: Int = 0, _ body: (Span<Float>) -> Result) -> Result {
    with(stage.key + at(head), count: weights.shape.keySize, body)
  }

  /// A head's scores over the window at the newest step.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given z, oldest step first, `span` long.
  /// - Returns: What `body` returns.
  public func withScores<Result>(head: Int = 0, _ body: (Span<Float>) -> Result) -> Result {
    _ = at(head)
    let z = state.pointee.weights.pointer
    state.pointee.copyScores(head: head, weights.shape, into: z)
    return body(UnsafeBufferPointer(start: z, count: span).span)
  }

  /// A head's weights over the window at the newest step.
  ///
  /// - Parameters:
  ///   - head: Index of the head.
  ///   - body: Given alpha, oldest step first, `span` long; they add up to 1.
  /// - Returns: What `body` returns.
  public func withWeights<Result>(head: Int = 0, _ body: (Span<Float>) -> Result) -> Result {
    _ = at(head)
    let alpha = state.pointee.weights(head: head, weights.shape)
    return body(UnsafeBufferPointer(start: alpha, count: span).span)
  }

  /// Items that sliding sums have added since the start, for the test that holds their bound.
  package var additions: Int { state.pointee.sliding.additions }

  /// Forgets everything: the next step is the first of a new sequence.
  public mutating func reset() { state.pointee.reset() }

  /// Where a head's query and key begin.
  private func at(_ head: Int) -> Int {
    precondition((0..<weights.shape.heads).contains(head), "No such head")
    return head * weights.shape.keyStride
  }

  private func with<Result>(
    _ place: Int, count: Int, _ body: (Span<Float>) -> Result
  ) -> Result {
    body(UnsafeBufferPointer(start: state.pointee.block.pointer + place, count: count).span)
  }
}

/// The largest element that is taken in: `Parameters.largestWeight` has the argument.
private let largestInput: Float = 0x1p50

/// Copies elements, zeros in place of those that could spoil the state for ever.
func copyBounded(_ row: Span<Float>, to place: UnsafeMutablePointer<Float>) {
  for i in 0..<row.count { place[i] = row[i].magnitude <= largestInput ? row[i] : 0 }
}
