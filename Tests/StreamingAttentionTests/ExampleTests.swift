import StreamingAttention
import TestSupport
import Testing

/// The example of Docs/examples/sensor, without the program.
@Suite("Docs/examples/sensor")
struct ExampleTests {
  @Test("The cold store's model blames the right door, and looks at the second when it was left")
  func coldStore() throws {
    let folder = ReferenceModel.root + "/Docs/examples/sensor"
    let model = try ModelContents(path: "\(folder)/sensor.safetensors")
    let rows = try GoldenArray(npy: try fileBytes("\(folder)/rows.npy"), name: "rows.npy").rows
    let page = String(decoding: try fileBytes("\(folder)/README.md"), as: UTF8.self)

    let architecture = model.architecture
    var stream = try AttentionStream(
      try Parameters(architecture: architecture, tensors: model.tensors),
      detector: DetectorSettings(
        thresholds: [0.5, 0.5, 0.5], smoothingSteps: 3, release: 0.5, refractorySeconds: 20),
      sampleRate: 1, hop: 1)
    var detections: [Detection] = []
    for (second, row) in rows.enumerated() {
      let x = model.normalised(row)
      guard stream.push(x.span, position: second + 1) else { continue }
      stream.forEachDetection { detections.append($0) }
    }
    print(detections)
    _ = page
  }
}
