import FeatureExtraction
import ModelFile
import StreamingAttention
import TestSupport
import Testing

@Suite("Model file")
struct ModelFileTests {
  /// The golden model's document: Tests/Golden/README.md, "model".
  private static let goldenDocument = ModelDocument(
    name: "gru_dot_x", input: .sound(FrontEnd()),
    architecture: Architecture(
      bins: 40, encoder: .init(layers: 1, units: 16), score: .dot, memory: .x, keySize: 8,
      window: 20, decoder: .init(layers: 1, units: 16), keywords: 3),
    keywords: ["one", "two", "three"].map {
      ModelFile.Keyword(name: $0, phrase: $0, threshold: 0.5)
    },
    detector: DetectorSettings(
      thresholds: [0.5, 0.5, 0.5], smoothingSteps: 3, release: 0.5, refractorySeconds: 1),
    provenance: ModelFile.Provenance(
      data: "none", recipe: "random weights", command: "select.py", seed: 0, licence: "any",
      figures: "none"))

  private static func goldenModel() throws -> ModelFile {
    let weights = try Safetensors(Golden.bytes("model/gru_dot_x.weights.safetensors")).tensors
    return try ModelFile(
      bytes: ModelFile.file(goldenDocument.json, tensors: weights), name: "golden")
  }

  @Test("A model's parts are those of its document and its tensors")
  func parts() throws {
    let model = try Self.goldenModel()
    let weights = try Golden.tensors("model/gru_dot_x.weights.safetensors")
    #expect(model.name == "gru_dot_x")
    #expect(model.input == .sound(FrontEnd()))
    #expect(model.architecture == Self.goldenDocument.architecture)
    #expect(model.keywords.map(\.name) == ["one", "two", "three"])
    #expect(model.detector == Self.goldenDocument.detector)
    #expect(model.provenance == Self.goldenDocument.provenance)
    #expect(try model.mean == weights["feature.mean"].floats)
    #expect(try model.scale == weights["feature.scale"].floats)
    let total = weights.arrays.values.reduce(0) { $0 + $1.shape.reduce(1, *) }
    #expect(model.parameters.weightCount == total - 2 * 40)
  }

  @Test("A model gives the posteriors that its weights gave elsewhere")
  func posteriors() throws {
    let model = try Self.goldenModel()
    let reference = try Golden.tensors("model/gru_dot_x.tensors.safetensors")
    let features = try reference["features"].floats
    let posteriors = try reference["posteriors"].doubles
    var stream = try AttentionStream(
      model.parameters, detector: model.detector, sampleRate: model.input.sampleRate,
      hop: model.input.hop)
    var got: [Float] = []
    for frame in 0..<features.count / 40 {
      let row = (0..<40).map { (features[40 * frame + $0] - model.mean[$0]) * model.scale[$0] }
      stream.push(row.span, position: 0)
      got += (0..<3).map { stream.posterior($0) }
    }
    let difference = LargestDifference(got, posteriors)
    #expect(difference.value <= 1e-5, "\(difference)")
  }

  @Test("The default model, written from Python, is read")
  func trained() throws {
    let model = try ModelFile(path: Golden.path("../../Models/default.safetensors"))
    #expect(model.keywords.count == model.architecture.keywords)
    #expect(model.parameters.weightCount > 10_000)
    #expect(model.input.sampleRate == 16_000)
  }

  @Test("Matrices of half precision are read as floats of the same value")
  func halves() throws {
    var (random, again) = (SplitMix64(seed: 5), SplitMix64(seed: 5))
    let floats = ModelFile.synthetic(Sample.elaborate, using: &random)
    let bytes = ModelFile.synthetic(Sample.elaborate, using: &again, halves: true)
    #expect(bytes.count < floats.count)
    let half = try ModelFile(bytes: bytes, name: "half")
    #expect(half.parameters.hasHalfMatrices)
    #expect(try !ModelFile(bytes: floats, name: "floats").parameters.hasHalfMatrices)
    let (read, whole) = (try Safetensors(bytes).tensors, try Safetensors(floats).tensors)
    #expect(read.keys == whole.keys)
    for (name, tensor) in read {
      let values = whole[name]?.values ?? []
      #expect(
        tensor.values == (tensor.shape.count < 2 ? values : values.map { Float(Float16($0)) }),
        "\(name)")
    }
  }

  @Test("A model has as many means and scales as its front end's rows have elements")
  func elaborateFrontEnd() throws {
    let model = try ModelFile(bytes: Sample.bytes(Sample.elaborate), name: "small")
    #expect(model.input == Sample.elaborate.input)
    #expect(model.mean.count == 6 && model.scale.count == 6)
    #expect(model.architecture.bins == 6)
    var tensors = try Sample.tensors(Sample.elaborate)
    tensors["feature.scale"]?.shape = [3, 2]
    #expect(
      Sample.complaint(about: ModelFile.file(Sample.elaborate.json, tensors: tensors))
        == "model small: tensor feature.scale has shape 3x2, expected 6")
  }

  @Test("A mean or a scale that no row could bear is refused by its place")
  func meanAndScale() throws {
    func complaint(_ document: ModelDocument, _ name: String, _ value: Float) throws -> String? {
      var tensors = try Sample.tensors(document)
      let shape = try #require(tensors[name]?.shape)
      var values = [Float](repeating: 1, count: shape[0])
      values[1] = value
      tensors[name] = Tensor(shape: shape, values: values)
      return Sample.complaint(about: ModelFile.file(document.json, tensors: tensors))
    }
    let prefix = "model small: front end: feature."
    #expect(
      try complaint(Sample.document, "feature.mean", 1e31)
        == prefix + "mean[1] is 1e+31, expected -1e+30 to 1e+30")
    #expect(
      try complaint(Sample.document, "feature.scale", -2e8)
        == prefix + "scale[1] is -2e+08, expected -1e+08 to 1e+08")
    #expect(try complaint(Sample.document, "feature.scale", 0) == nil)
    #expect(
      try complaint(Sample.rows, "feature.mean", -1e31)
        == "model small: tensor feature.mean has -1e+31 at element 1, expected -1e+30 to 1e+30")
    #expect(
      try complaint(Sample.rows, "feature.scale", 2e8)
        == "model small: tensor feature.scale has 2e+08 at element 1, expected -1e+08 to 1e+08")
    #expect(
      try complaint(Sample.elaborate, "feature.scale", 0)
        == prefix + "scale[1] is 0.0, expected 1e-18 to 1e+08")
  }

  @Test("The same model has the same digest, another seed another")
  func digest() throws {
    let model = try ModelFile(bytes: Sample.bytes(), name: "small")
    #expect(model.digest == "sha256:" + SHA256.hexadecimal(Sample.bytes()))
    #expect(try ModelFile(bytes: Sample.bytes(seed: 2), name: "small").digest != model.digest)
  }

  @Test("Every architecture has the tensors that its shapes say", .seed(5))
  func architectures() throws {
    var random = SplitMix64()
    for score in Architecture.Score.allCases {
      for memory in Architecture.Memory.allCases {
        for value in [Architecture.Value.key, .separate(size: 5)] {
          for heads in [Architecture.Heads.shared(3), .keyword] {
            var document = Sample.document
            document.architecture.score = score
            document.architecture.memory = memory
            document.architecture.value = value
            document.architecture.heads = heads
            for cell in Architecture.Cell.allCases {
              document.architecture.encoder.cell = cell
              document.architecture.decoder.cell = cell
              let bytes = ModelFile.synthetic(document, using: &random)
              let model = try ModelFile(bytes: bytes, name: "small")
              #expect(model.document == document)
            }
          }
        }
      }
    }
  }

  @Test("A model of rows with a stem has the stem's tensors, and states its rows")
  func rows() throws {
    let model = try ModelFile(bytes: Sample.bytes(Sample.rows), name: "small")
    #expect(model.document == Sample.rows)
    #expect(model.input == .rows(.init(length: 3, perSecond: 100)))
    #expect(model.architecture.rowsPerStep == 4)
    var tensors = try Sample.tensors(Sample.rows)
    #expect(tensors["stem.0.weight"]?.shape == [4, 3, 3])
    #expect(tensors["stem.1.depthwise.weight"]?.shape == [4, 1, 2])
    #expect(tensors["stem.1.pointwise.weight"]?.shape == [3, 4, 1])
    tensors["stem.1.pointwise.bias"] = nil
    #expect(
      Sample.complaint(about: ModelFile.file(Sample.rows.json, tensors: tensors))
        == "model small: tensor stem.1.pointwise.bias is missing, expected one of shape 3")
  }

  @Test("A tensor that is missing, misshapen, too many or not a number is named")
  func tensors() throws {
    func complaint(_ spoil: (inout [String: Tensor]) -> Void) throws -> String? {
      var tensors = try Sample.tensors()
      spoil(&tensors)
      return Sample.complaint(about: ModelFile.file(Sample.document.json, tensors: tensors))
    }
    #expect(try complaint { _ in } == nil)
    #expect(
      try complaint { $0["encoder.weight_hh_l0"] = nil }
        == "model small: tensor encoder.weight_hh_l0 is missing, expected one of shape 6x2")
    #expect(
      try complaint { $0["encoder.weight_ih_l0"]?.shape = [9, 4] }
        == "model small: tensor encoder.weight_ih_l0 has shape 9x4, expected 6x6")
    #expect(
      try complaint { $0["feature.mean"] = nil }
        == "model small: tensor feature.mean is missing, expected one of shape 3")
    #expect(
      try complaint { $0["feature.scale"] = Tensor(shape: [1, 3], values: [1, 1, 1]) }
        == "model small: tensor feature.scale has shape 1x3, expected 3")
    #expect(
      try complaint { $0["output.weights"] = $0["output.bias"] }
        == "model small: tensor output.weights is not part of this architecture")
    #expect(
      try complaint { $0["output.bias"]?.values[1] = .nan }
        == "model small: tensor output.bias has nan at element 1, expected a number")
  }

  @Test("A file without a document isn't a model")
  func noDocument() throws {
    #expect(
      Sample.complaint(about: try Golden.bytes("model/gru_dot_x.weights.safetensors"))
        == "model small: the document, '__metadata__.attnd' in the header, is missing")
    #expect(
      Sample.complaint(
        about: Sample.container(#"{"__metadata__": {"attnd": "{\"format\": 1"}}"#))
        == "model small: the document isn't JSON: expected ',' or '}' at byte 12")
  }

  @Test("What isn't a file to read is named with the system's reason")
  func paths() throws {
    func complaint(_ path: String) -> String? {
      do {
        _ = try ModelFile(path: path)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(complaint("/no/such.model") == "model /no/such.model: No such file or directory")
    #expect(complaint(Golden.path("model")) == "model \(Golden.path("model")): not a regular file")
    #expect(complaint("/dev/zero") == "model /dev/zero: not a regular file")
    #expect(complaint("") == "model : No such file or directory")
    #expect(complaint("a\u{1B}[2Jb") == "model a\u{FFFD}[2Jb: No such file or directory")
    let python = Golden.path("select.py")
    #expect(complaint(python)?.hasPrefix("model \(python): its first 8 bytes announce") == true)
  }

  @Test("A file is read from its path as from its bytes")
  func path() throws {
    let folder = try TemporaryFolder()
    let bytes = Sample.bytes()
    let model = try ModelFile(path: folder.file("model", bytes))
    #expect(model.digest == "sha256:" + SHA256.hexadecimal(bytes))
  }
}
