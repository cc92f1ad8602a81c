import Glibc
import ModelFile
import StreamingAttention
import TestSupport
import Testing

/// The models of Tests/Reference, which Python writes: together they have every variant.
@Suite("Reference models as files")
struct ReferenceModelFileTests {
  private static let folder = Golden.path("../Reference/models")

  private static let files: [String] = {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(".safetensors"), !name.hasSuffix(".expected.safetensors") {
        names.append(name)
      }
    }
    return names.sorted()
  }()

  @Test("Every one is read, and every variant is among them")
  func all() throws {
    var architectures: [Architecture] = []
    for name in Self.files {
      let model = try ModelFile(path: "\(Self.folder)/\(name)")
      #expect(name == "\(model.name).safetensors")
      guard case .rows(let rows) = model.input else {
        Issue.record("\(name) takes sound")
        continue
      }
      #expect(rows.length == model.architecture.bins)
      architectures.append(model.architecture)
    }
    #expect(architectures.count >= 20)
    #expect(Set(architectures.map(\.encoder.cell)) == Set(Architecture.Cell.allCases))
    #expect(Set(architectures.map(\.decoder.cell)) == Set(Architecture.Cell.allCases))
    #expect(Set(architectures.map(\.score)) == Set(Architecture.Score.allCases))
    #expect(Set(architectures.map(\.output)) == Set(Architecture.Output.allCases))
    #expect(
      Set(architectures.flatMap(\.stem).map(\.kind)) == Set(Architecture.Convolution.Kind.allCases))
  }
}
