import FoundationEssentials
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

@Suite("Models that take rows")
struct RowModelTests {
  private static let name = "13-lstm-aligned-x"
  private static var model: String { Golden.path("../Reference/models/\(name).safetensors") }

  @Test("Commands that listen to sound refuse one with a line and 65")
  func refused() async throws {
    let sound = fixture("noise.flac")
    let folder = try TemporaryFolder()
    let commands = [
      ["run", "--file", sound, "--socket", folder.path + "/s"],
      ["batch", sound], ["verify", sound], ["features", "--out", folder.path, sound],
    ]
    for command in commands {
      let outcome = try await ChildProcess(attnd, command + ["--model", Self.model]).wait()
      #expect(outcome.status == 65, "\(command)")
      #expect(outcome.output.isEmpty, "\(command)")
      #expect(
        outcome.errors
          == "attnd: model \(Self.name): takes rows of 9 elements, expected a model that "
          + "takes sound; give this one rows: attnd batch --features FILE.npy\n", "\(command)")
    }
  }

  @Test("attnd model says what its rows are")
  func shown() async throws {
    let outcome = try await ChildProcess(attnd, ["model", Self.model]).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("rows made elsewhere"))
    #expect(outcome.output.contains("lstm"))
    #expect(outcome.output.contains("forgets     never"))
    let json = try await ChildProcess(attnd, ["model", "--json", Self.model]).wait()
    struct Shown: Decodable {
      struct Document: Decodable {
        struct Rows: Decodable {
          let length: Int
          let per_second: Int
        }

        let format: Int
        let rows: Rows
      }

      let name: String
      let step_samples: Int
      let document: Document
    }
    let shown = try JSONDecoder().decode(Shown.self, from: Data(json.output.utf8))
    #expect(shown.name == Self.name)
    #expect(shown.document.format == 1)
    #expect(shown.document.rows.length == 9)
    #expect(shown.document.rows.per_second == 100)
    #expect(shown.step_samples >= 1)
  }
}
