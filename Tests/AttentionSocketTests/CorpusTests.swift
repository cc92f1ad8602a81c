import Glibc
import TestSupport
import Testing

@Suite("Conversations that the fuzzer found of interest")
struct CorpusTests {
  @Test("break no promise of the server")
  func corpus() throws {
    let folder = Golden.path("../Fuzz/corpus/socket")
    let names = try #require(filesIn(folder))
    #expect(names.count > 100, "\(folder) holds the corpus")
    for name in names {
      let bytes = try fileBytes(folder + "/" + name)
      bytes.withUnsafeBufferPointer(converse)
    }
  }

  private func filesIn(_ folder: String) -> [String]? {
    guard let directory = opendir(folder) else { return nil }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}
