import Kernels

/// The whole network: the stages, each with its places in a stream's block.
///
/// Immutable, shared by all streams. What a stream remembers is its `StreamState`.
struct Network: Sendable {
  /// Where a stream's vectors lie.
  let plan: MemoryPlan
  let attentionShape: AttentionShape
  let intake: Intake
  /// Where the intake's places end and those of the network begin.
  let intakeEnd: Int
  private let encoder: RecurrentStack
  private let attention: AttentionStage
  private let decoder: RecurrentStack
  private let output: OutputLayer
  /// Where the decoder's input lies: c_t, behind it h_t where the decoder sees it.
  private let context: Int
  /// Length of c_t, and of what is copied of h_t.
  private let contextSize: Int
  private let copiedHidden: Int

  /// Takes the tensors off a shelf.
  init(
    _ architecture: Architecture, from shelf: inout TensorShelf
  ) throws(ParametersError) {
    var plan = MemoryPlan()
    let row = plan.place(architecture.bins)
    let stem = try shelf.takeStem(architecture, plan: &plan)
    intake = Intake(architecture, stem: stem, row: row, plan: &plan)
    intakeEnd = plan.count
    encoder = RecurrentStack(
      try shelf.takeRecurrent(
        "encoder.", inputSize: architecture.inputSize, shape: architecture.encoder, plan: &plan),
      input: intake.x)

    attentionShape = AttentionShape(architecture)
    context = plan.place(architecture.decoderInputSize)
    attention = AttentionStage(
      try AttentionWeights(attentionShape, from: &shelf, prefix: "attention."),
      hidden: encoder.output, memory: architecture.memory == .x ? intake.x : encoder.output,
      context: context, plan: &plan)
    contextSize = architecture.contextSize
    copiedHidden = architecture.decoderInput == .contextAndHidden ? architecture.encoder.units : 0

    decoder = RecurrentStack(
      try shelf.takeRecurrent(
        "decoder.", inputSize: architecture.decoderInputSize, shape: architecture.decoder,
        plan: &plan), input: context)
    let rows = architecture.keywords
    let weight = try shelf.take("output.weight", shape: [rows, architecture.decoder.units])
    let bias = try shelf.take("output.bias", shape: [rows])
    output = OutputLayer(
      PackedMatrix(weight, rows: rows, columns: architecture.decoder.units, bias: bias),
      function: architecture.output, input: decoder.output, plan: &plan)
    self.plan = plan
  }

  /// A step of each stream: the network in one column.
  ///
  /// The inputs x_t stand where `intake` put them.
  func step(_ group: borrowing StreamGroup) {
    let streams = group.streams
    encoder.step(streams)
    attention.step(group)
    group.copy(from: encoder.output, to: context + contextSize, count: copiedHidden)
    decoder.step(streams)
    output.step(streams)
  }

  // MARK: Where the results of a step lie

  var posteriors: Int { output.output }

  /// h, e (with the score's bias, where there is one), a, c, d, y.
  var intermediates: (h: Int, e: Int, a: Int, c: Int, d: Int, y: Int) {
    (encoder.output, attention.query, attention.key, context, decoder.output, output.output)
  }
}
