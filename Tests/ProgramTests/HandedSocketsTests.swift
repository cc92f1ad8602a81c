import Testing
import attnd

@Suite("Sockets that were handed over: the environment")
struct HandedSocketsTests {
  private func descriptors(_ environment: [String: String]) throws -> Range<Int32> {
    try HandedSockets.descriptors(environment: environment, process: 7)
  }

  @Test("Descriptors begin at 3, and are this process's only if it is named")
  func range() throws {
    #expect(try descriptors(["LISTEN_PID": "7", "LISTEN_FDS": "2"]) == 3..<5)
    #expect(try descriptors(["LISTEN_PID": "7", "LISTEN_FDS": "0"]).isEmpty)
    #expect(try descriptors(["LISTEN_PID": "8", "LISTEN_FDS": "2"]).isEmpty)
    #expect(try descriptors(["LISTEN_PID": "8", "LISTEN_FDS": "x"]).isEmpty)
    #expect(try descriptors(["LISTEN_FDS": "2"]).isEmpty)
    #expect(try descriptors(["LISTEN_PID": "7"]).isEmpty)
    #expect(try descriptors([:]).isEmpty)
  }

  @Test(
    "A number of them that can't be is an error",
    arguments: ["", "x", "-1", "257", "1.5", "99999999999999999999"])
  func number(text: String) {
    #expect(throws: (any Error).self) {
      try descriptors(["LISTEN_PID": "7", "LISTEN_FDS": text])
    }
  }
}
