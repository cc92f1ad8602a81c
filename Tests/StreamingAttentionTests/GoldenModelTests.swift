import StreamingAttention
import TestSupport
import Testing

@Suite("Golden model")
struct GoldenModelTests {
  @Test("Two layers of LSTM, a static head for each keyword and a vanilla decoder")
  func lstmStatic() throws {
    let weights = try Golden.tensors("model/lstm2_static_h.weights.safetensors")
    var tensors: [String: Tensor] = [:]
    for (name, array) in weights.arrays where !name.hasPrefix("feature.") {
      tensors[name] = Tensor(shape: array.shape, values: try array.floats)
    }
    let architecture = Architecture(
      bins: 40, encoder: Architecture.Recurrent(cell: .lstm, layers: 2, units: 16), score: .static,
      memory: .h, heads: .keyword, keySize: 6, window: 50,
      decoder: Architecture.Recurrent(cell: .rnnTanh, layers: 1, units: 12), keywords: 3)
    // The features of both golden models are the same; this one's are not stored again.
    let features = try Golden.tensors("model/gru_dot_x.tensors.safetensors")["features"].floats
    let (mean, scale) = (try weights["feature.mean"].floats, try weights["feature.scale"].floats)
    let rows = (0..<298).map { row in
      (0..<40).map { (features[row * 40 + $0] - mean[$0]) * scale[$0] }
    }
    var stream = try AttentionStream.make(
      try Parameters(architecture: architecture, tensors: tensors))
    let results = steps(of: rows, by: &stream)
    #expect(results.count == 298)

    let golden = try Golden.tensors("model/lstm2_static_h.tensors.safetensors")
    let parts: [(String, Double, (StepResult) -> [Float])] = [
      ("h", 5e-6, { $0.h }), ("a", 1e-5, { $0.a }), ("c", 2e-5, { $0.c }), ("d", 1e-5, { $0.d }),
      ("posteriors", 1e-5, { $0.y }),
    ]
    for (part, tolerance, values) in parts {
      let references = try golden[part].doubles
      var worst = WorstRatio("golden LSTM model: \(part)")
      for (step, result) in results.enumerated() {
        let got = values(result)
        for (i, value) in got.enumerated() {
          worst.add(
            got: value, reference: references[step * got.count + i], tolerance: tolerance,
            at: "step \(step), element \(i)")
        }
      }
      #expect(worst.count == references.count)
      #expect(worst.value <= 1, "\(worst)")
      worst.print()
    }
  }
}
