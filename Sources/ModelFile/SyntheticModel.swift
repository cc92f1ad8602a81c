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
  ///   - halves: Whether the matrices are of half precision.
  /// - Returns: A file that `init(bytes:name:)` reads.
  package static func synthetic(
    _ document: ModelDocument, using random: inout some RandomNumberGenerator,
    halves: Bool = false
  ) -> [UInt8] {
    var tensors: [String: Tensor] = [:]
    for (name, shape) in document.architecture.tensorShapes {
      // Uniform with the bound that PyTorch starts from: 1 / sqrt(fan in).
      let inputs = shape.dropFirst(shape.count > 1 ? 1 : 0).reduce(1, *)
      let bound = 1 / Float(inputs).squareRoot()
      tensors[name] = Tensor(
        shape: shape,
        values: (0..<shape.reduce(1, *)).map { _ in
          Float.random(in: -bound...bound, using: &random)
        })
    }
    let length = document.input.rowLength
    tensors["feature.mean"] = Tensor(shape: [length], values: Array(repeating: 0, count: length))
    tensors["feature.scale"] = Tensor(shape: [length], values: Array(repeating: 1, count: length))
    return file(document.json, tensors: tensors, halves: halves)
  }

  /// The bytes of a file with any document and tensors, right or wrong; matrices rounded to half
  /// precision if `halves`.
  package static func file(
    _ document: JSON, tensors: [String: Tensor], halves: Bool = false
  ) -> [UInt8] {
    Safetensors.bytes(tensors: tensors, metadata: ["attnd": document.text], halves: halves)
  }
}
