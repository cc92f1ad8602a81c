extension Architecture {
  /// Name and shape of every tensor that the weights consist of, in the order of the network.
  ///
  /// The names are PyTorch's where PyTorch has the layer. H units of the encoder, p heads, K
  /// elements of a key and V of a value, m those of the memory.
  package var tensorShapes: [(name: String, shape: [Int])] {
    var shapes = stemShapes + recurrentShapes("encoder", encoder, input: inputSize)
    shapes += AttentionShape(self).tensorShapes.map { ("attention.\($0.name)", $0.shape) }
    shapes += recurrentShapes("decoder", decoder, input: decoderInputSize)
    shapes.append(("output.weight", [keywords, decoder.units]))
    shapes.append(("output.bias", [keywords]))
    return shapes
  }

  private var stemShapes: [(name: String, shape: [Int])] {
    var inputs = bins
    return stem.enumerated().flatMap { index, layer in
      let name = "stem.\(index)"
      defer { inputs = layer.channels }
      switch layer.kind {
      case .full:
        return [
          ("\(name).weight", [layer.channels, inputs, layer.kernel]),
          ("\(name).bias", [layer.channels]),
        ]
      case .separable:
        return [
          ("\(name).depthwise.weight", [inputs, 1, layer.kernel]),
          ("\(name).pointwise.weight", [layer.channels, inputs, 1]),
          ("\(name).pointwise.bias", [layer.channels]),
        ]
      }
    }
  }

  private func recurrentShapes(
    _ name: String, _ recurrent: Recurrent, input: Int
  ) -> [(name: String, shape: [Int])] {
    let (gates, units) = (recurrent.cell.gates * recurrent.units, recurrent.units)
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
