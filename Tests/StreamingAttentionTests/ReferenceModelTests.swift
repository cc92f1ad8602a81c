import StreamingAttention
import TestSupport
import Testing

@Suite("Reference models")
struct ReferenceModelTests {
  @Test("There are models of every variant")
  func everyVariant() throws {
    let models = try ReferenceModel.names.map { try ReferenceModel($0).architecture }
    #expect(models.count == 20)
    for cell in Architecture.Cell.allCases {
      for layers in 1...4 {
        #expect(models.contains { $0.encoder.cell == cell && $0.encoder.layers == layers })
        #expect(models.contains { $0.decoder.cell == cell && $0.decoder.layers == layers })
      }
    }
    for score in Architecture.Score.allCases {
      for memory in Architecture.Memory.allCases {
        let both = models.filter { $0.score == score && $0.memory == memory }
        #expect(both.contains { $0.value == .key } && both.contains { $0.value != .key })
      }
    }
    for kind in Architecture.Convolution.Kind.allCases {
      #expect(models.contains { $0.stem.contains { $0.kind == kind && $0.stride > 1 } })
    }
    for output in Architecture.Output.allCases {
      #expect(models.contains { $0.output == output })
    }
    #expect(models.contains { $0.heads == .keyword } && models.contains { $0.heads == .shared(3) })
  }

  @Test(
    "A stream gives every intermediate result that PyTorch gives, at every step",
    arguments: ReferenceModel.names)
  func stream(name: String) throws {
    let model = try ReferenceModel(name)
    var stream = try AttentionStream.make(
      try Parameters(architecture: model.architecture, tensors: model.tensors))
    let got = steps(of: model.rows, by: &stream)
    #expect(got.map(\.row) == model.steps.map(\.row))
    let tolerances = Tolerances(
      model.architecture, tensors: model.tensors, rows: model.rows, oracle: model.steps)
    var worst = WorstRatio("reference")
    worst.add(got, model.steps, tolerances, model.architecture, in: name)
    #expect(worst.count > 500)
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "The oracle of the other tests gives what PyTorch gives, in doubles",
    arguments: ReferenceModel.names)
  func oracle(name: String) throws {
    let model = try ReferenceModel(name)
    let got = NaiveModel(architecture: model.architecture, tensors: model.tensors).run(model.rows)
    #expect(got.map(\.row) == model.steps.map(\.row))
    var worst = WorstRatio("oracle")
    for (step, (got, expected)) in zip(got, model.steps).enumerated() {
      let scores = ("z", got.z.flatMap { $0 }, expected.z.flatMap { $0 })
      let parts = StepPart.allCases.map { ("\($0)", $0.values(got), $0.values(expected)) }
      for (part, values, references) in parts + [scores] {
        #expect(values.count == references.count, "\(name), step \(step), \(part)")
        for (i, (value, reference)) in zip(values, references).enumerated() {
          // Sums of up to a hundred terms in another order, through up to nine layers.
          worst.add(
            ratio: abs(value - reference) / (1e-12 * max(1, abs(reference))),
            at: "\(name), step \(step), \(part) \(i): got \(value), expected \(reference)")
        }
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }
}
