import FeatureExtraction
import JSONText
import ModelFile
import StreamingAttention
import TestSupport

/// Models to read and to spoil.
enum Sample {
  /// The smallest front end and network: a file of a few kilobytes, spoilt one byte at a time.
  static var document: ModelDocument {
    var frontEnd = FrontEnd()
    frontEnd.sampleRate = 8_000
    frontEnd.frameLength = 48
    frontEnd.hop = 40
    frontEnd.fftSize = 64
    frontEnd.bins = 3
    frontEnd.highFrequency = 4_000
    frontEnd.compression = .pcen(
      FrontEnd.PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1_000))
    return ModelDocument(
      name: "two-words", input: .sound(frontEnd),
      architecture: Architecture(
        bins: 3, stack: 2, stride: 2, encoder: .init(layers: 1, units: 2), score: .static,
        memory: .h, value: .separate(size: 3), heads: .keyword, keySize: 2, window: 5,
        decoder: .init(layers: 1, units: 2), decoderInput: .contextAndHidden, keywords: 2),
      keywords: [
        ModelFile.Keyword(name: "alexa", phrase: "Alexa", threshold: 0.5),
        ModelFile.Keyword(name: "view_glass", phrase: "view glass", threshold: 0.625),
      ],
      detector: DetectorSettings(
        thresholds: [0.5, 0.625], smoothingSteps: 3, release: 0.5, refractorySeconds: 1),
      provenance: ModelFile.Provenance(
        data: "none", recipe: "none", command: "none", seed: 1, licence: "any", figures: "none"))
  }

  /// The same with every step that a front end may have.
  static var elaborate: ModelDocument {
    var document = Sample.document
    document.frontEnd.melScale = .slaney
    document.frontEnd.compression = .decibels(floor: 1e-10)
    document.frontEnd.cepstra = .init(count: 2, lifter: 22, energy: true)
    document.frontEnd.deltas = 2
    document.frontEnd.running = .init(rate: 0.01, start: .model)
    document.architecture.bins = 6
    document.reset = .silence(.init(seconds: 5, decibels: -60))
    return document
  }

  /// One that takes rows, with a stem before the encoder.
  static var rows: ModelDocument {
    var document = Sample.document
    document.input = .rows(.init(length: 3, perSecond: 100))
    document.architecture.stem = [
      .init(kind: .full, channels: 4, kernel: 3, stride: 2),
      .init(kind: .separable, channels: 3, kernel: 2, stride: 1),
    ]
    document.architecture.encoder.cell = .lstm
    document.architecture.decoder.cell = .rnnReLU
    document.architecture.score = .additive
    document.architecture.output = .softmax
    return document
  }

  /// The bytes of a model with random weights.
  static func bytes(_ document: ModelDocument = document, seed: UInt64 = 1) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    return ModelFile.synthetic(document, using: &random)
  }

  /// The weights of the small model.
  static func tensors(_ document: ModelDocument = document) throws -> [String: Tensor] {
    try Safetensors(bytes(document)).tensors
  }

  /// What reading a document, together with the small model's weights, finds wrong.
  static func complaint(about document: JSON) throws -> String? {
    complaint(about: ModelFile.file(document, tensors: try tensors()))
  }

  /// What reading a file finds wrong; nil if nothing is.
  static func complaint(about bytes: [UInt8]) -> String? {
    do {
      _ = try ModelFile(bytes: bytes, name: "small")
      return nil
    } catch {
      return error.description
    }
  }

  /// A file with this header and elements.
  static func container(_ header: String, elements: [UInt8] = []) -> [UInt8] {
    container(Array(header.utf8), elements: elements)
  }

  static func container(_ header: [UInt8], elements: [UInt8] = []) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + elements
  }
}

extension ModelDocument {
  /// The front end of a document of sound.
  var frontEnd: FrontEnd {
    get {
      guard case .sound(let frontEnd) = input else { return FrontEnd() }
      return frontEnd
    }
    set { input = .sound(newValue) }
  }
}

extension JSON {
  /// The value at a path of names; what is set there replaces it, and nil removes it.
  subscript(path: String) -> JSON? {
    get {
      path.split(separator: ".").reduce(self) { value, name in
        guard case .object(let members) = value else { return nil }
        return members.first { $0.name == name }?.value
      }
    }
    set {
      guard case .object(var members) = self, let name = path.split(separator: ".").first else {
        return
      }
      let rest = path.dropFirst(name.count + 1)
      let index = members.firstIndex { $0.name == name }
      if !rest.isEmpty, let index {
        members[index].value[String(rest)] = newValue
      } else if let index, let newValue {
        members[index].value = newValue
      } else if let index {
        members.remove(at: index)
      } else if let newValue {
        members.append(Member(String(name), newValue))
      }
      self = .object(members)
    }
  }
}
