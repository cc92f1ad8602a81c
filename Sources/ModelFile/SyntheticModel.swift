import FeatureExtraction
import JSONText
import StreamingAttention

extension ModelFile {
  /// The bytes of a model file with random weights, for tests and benchmarks.
  ///
  /// The same document and generator give the same bytes.
  ///
  /// - Parameters:
  ///   - document: Everything but the weights.
  ///   - random: Where the weights come from.
  /// - Returns: A file that `init(bytes:name:)` reads.
  package static func synthetic(
    _ document: ModelDocument, using random: inout some RandomNumberGenerator
  ) -> [UInt8] {
    var tensors: [String: Tensor] = [:]
    for (name, shape) in document.architecture.tensorShapes {
      // Uniform with the bound that PyTorch starts its recurrent layers from: 1 / sqrt(fan in).
      let bound = 1 / Float(shape.last ?? 1).squareRoot()
      tensors[name] = Tensor(
        shape: shape,
        values: (0..<shape.reduce(1, *)).map { _ in
          Float.random(in: -bound...bound, using: &random)
        })
    }
    let length = document.frontEnd.rowLength
    tensors["feature.mean"] = Tensor(shape: [length], values: Array(repeating: 0, count: length))
    tensors["feature.scale"] = Tensor(shape: [length], values: Array(repeating: 1, count: length))
    return file(document.json, tensors: tensors)
  }

  /// The bytes of a file with any document and tensors, right or wrong.
  package static func file(_ document: JSON, tensors: [String: Tensor]) -> [UInt8] {
    Safetensors.bytes(tensors: tensors, metadata: ["attnd": document.text])
  }
}

extension Architecture {
  /// Name and shape of every tensor that `Parameters` asks for, in the order of the network.
  package var tensorShapes: [(name: String, shape: [Int])] {
    let keyRows = headCount * keySize
    var shapes = recurrentShapes("encoder", encoder, input: inputSize)
    shapes.append(("attention.w_e", [keyRows, encoder.units]))
    if score == .static {
      shapes.append(("attention.v", [headCount, keySize]))
      shapes.append(("attention.b", [headCount, keySize]))
    }
    if score != .static || value == .key {
      shapes.append(("attention.w_a", [keyRows, memorySize]))
    }
    if value != .key { shapes.append(("attention.w_v", [contextSize, memorySize])) }
    shapes += recurrentShapes("decoder", decoder, input: decoderInputSize)
    shapes.append(("output.weight", [keywords, decoder.units]))
    shapes.append(("output.bias", [keywords]))
    return shapes
  }

  private func recurrentShapes(
    _ name: String, _ recurrent: Recurrent, input: Int
  ) -> [(name: String, shape: [Int])] {
    let (gates, units) = (3 * recurrent.units, recurrent.units)
    return (0..<recurrent.layers).flatMap { layer in
      [
        ("\(name).weight_ih_l\(layer)", [gates, layer == 0 ? input : units]),
        ("\(name).weight_hh_l\(layer)", [gates, units]),
        ("\(name).bias_ih_l\(layer)", [gates]),
        ("\(name).bias_hh_l\(layer)", [gates]),
      ]
    }
  }
}
