import StreamingAttention
import TestSupport
import Testing

/// The example of Docs/examples/sensor: the model alone, without the program.
@Suite("Docs/examples/sensor")
struct ExampleTests {
  @Test("The cold store's model blames the right doors, and looks at the seconds they were left")
  func coldStore() throws {
    let folder = ReferenceModel.root + "/Docs/examples/sensor"
    let model = try ModelContents(path: "\(folder)/sensor.safetensors")
    let rows = try GoldenArray(npy: try fileBytes("\(folder)/rows.npy"), name: "rows.npy").rows
    #expect(rows.count == 320)
    var stream = try AttentionStream(
      try Parameters(architecture: model.architecture, tensors: model.tensors),
      detector: DetectorSettings(
        thresholds: [0.5, 0.5, 0.5], smoothingSteps: 5, release: 0.5, refractorySeconds: 20),
      sampleRate: 1, hop: 1)
    var detections: [Detection] = []
    for (second, row) in rows.enumerated() {
      guard stream.push(model.normalised(row).span, position: second + 1) else { continue }
      let (heaviest, peak) = stream.withWeights(head: 0) { weights in
        (weights.indices.map { weights[$0] }.max() ?? 0, stream.focus(head: 0).peak)
      }
      stream.forEachDetection { detection in
        detections.append(detection)
        #expect(heaviest > 0.9, "at \(detection.position) s")
        #expect(detection.start == detection.position - Int(peak) - 1)
      }
    }
    // Door 2 didn't seal in the second from 58 on, door 3 in that from 185 on (train.py says so).
    #expect(detections.map(\.keyword) == [1, 2])
    #expect(detections.map(\.position) == [115, 216])
    #expect(detections.map(\.start) == [60, 187])
    #expect(detections.map(\.end) == [61, 188])

    let page = String(decoding: try fileBytes("\(folder)/README.md"), as: UTF8.self)
    for detection in detections {
      let times =
        "\"start\":\(detection.start).0,\"end\":\(detection.end).0,"
        + "\"time\":\(detection.position).0}"
      #expect(page.contains("\"keyword\":\"door_\(detection.keyword + 1)\""))
      #expect(page.contains(times), "\(times)")
    }
  }
}
