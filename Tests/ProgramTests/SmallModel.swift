import FeatureExtraction
import ModelFile
import StreamingAttention
import TestSupport

/// Models with random weights, small enough to be run thousands of times.
enum SmallModel {
  /// Everything but the weights: two keywords, a step every 80 samples of 8 kHz.
  static func document(
    _ frontEnd: FrontEnd = frontEnd, reset: ModelFile.ResetRule = .never
  ) -> ModelDocument {
    ModelDocument(
      name: "two-words", input: .sound(frontEnd),
      architecture: Architecture(
        bins: frontEnd.rowLength, stack: 2, stride: 2, encoder: .init(layers: 1, units: 4),
        score: .static, memory: .h, value: .separate(size: 3), heads: .keyword, keySize: 2,
        window: 5, decoder: .init(layers: 1, units: 3), decoderInput: .contextAndHidden,
        keywords: 2),
      keywords: [
        ModelFile.Keyword(name: "alexa", phrase: "Alexa", threshold: 0.5),
        ModelFile.Keyword(name: "view_glass", phrase: "view glass", threshold: 0.5),
      ],
      detector: DetectorSettings(
        thresholds: [0.5, 0.5], smoothingSteps: 1, release: 1, refractorySeconds: 0),
      reset: reset,
      provenance: ModelFile.Provenance(
        data: "none", recipe: "none", command: "none", seed: 1, licence: "any", figures: "none"))
  }

  static var frontEnd: FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.sampleRate = 8_000
    frontEnd.frameLength = 48
    frontEnd.hop = 40
    frontEnd.fftSize = 64
    frontEnd.bins = 3
    frontEnd.highFrequency = 4_000
    return frontEnd
  }

  /// The bytes of a model with the weights of a seed.
  static func bytes(
    seed: UInt64, _ change: (inout ModelDocument) -> Void = { _ in }
  ) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    var document = document()
    change(&document)
    return ModelFile.synthetic(document, using: &random)
  }

  /// A model with the weights of a seed.
  static func make(
    _ frontEnd: FrontEnd = frontEnd, reset: ModelFile.ResetRule = .never, seed: UInt64 = 1
  ) throws -> ModelFile {
    var random = SplitMix64(seed: seed)
    return try ModelFile(
      bytes: ModelFile.synthetic(document(frontEnd, reset: reset), using: &random), name: "small")
  }
}

/// Noise of a seed, loud and quiet by turns.
func noise(_ count: Int, using random: inout SplitMix64) -> [Float] {
  (0..<count).map { i in
    (i / 700) % 2 == 0
      ? Float.random(in: -0.5...0.5, using: &random)
      : Float.random(in: -0.01...0.01, using: &random)
  }
}
