import Glibc
import Synchronization
import TestSupport
import Testing
import attnd

/// Gathers what comes out.
private final class Gatherer: ResultReceiver, @unchecked Sendable {
  // Unchecked: called by one thread at a time, as the protocol promises.
  var lines: [UInt8] = []
  var ends: [Int] = []
  var failures: [Int: String] = [:]
  var done = 0
  var error: (any Error)?

  func receive(_ lines: [UInt8]) throws {
    if let error { throw error }
    self.lines += lines
  }

  func fileEnds(_ file: Int, failure: String?) {
    ends.append(file)
    failures[file] = failure
  }

  func fileIsDone() { done += 1 }
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite("Results on their way out")
struct OrderedOutputTests {
  @Test("Results leave in the order of the files, those of the first as they come")
  func order() throws {
    let gatherer = Gatherer()
    let output = OrderedOutput(files: 3, receiver: gatherer)
    for file in 0..<3 { #expect(output.next(waiting: .never) == .file(file)) }
    #expect(output.next(waiting: .never) == .none)
    var lines = bytes("b1 ")
    #expect(try output.offer(&lines, of: 1))
    #expect(lines.isEmpty)
    #expect(gatherer.lines.isEmpty)
    lines = bytes("a1 ")
    #expect(try output.offer(&lines, of: 0))
    #expect(gatherer.lines == bytes("a1 "))
    try output.end(2, lines: bytes("c"), failure: "torn")
    #expect(gatherer.done == 1)
    try output.end(0, lines: bytes("a2 "), failure: nil)
    #expect(gatherer.lines == bytes("a1 a2 b1 "))
    try output.end(1, lines: bytes("b2 "), failure: nil)
    #expect(gatherer.lines == bytes("a1 a2 b1 b2 c"))
    #expect(gatherer.ends == [0, 1, 2])
    #expect(gatherer.failures == [2: "torn"])
    try output.finish()
  }

  @Test("A file holds so much and then waits for its turn; the one whose turn it is never waits")
  func bounds() throws {
    let gatherer = Gatherer()
    var limits = OrderedOutput.Limits()
    (limits.ofFile, limits.ofAll) = (10, 1_000)
    let output = OrderedOutput(files: 2, limits: limits, receiver: gatherer)
    var lines = bytes("0123456789")
    #expect(try output.offer(&lines, of: 1))
    lines = bytes("x")
    #expect(try !output.offer(&lines, of: 1))
    #expect(lines == bytes("x"), "what was not taken stays")
    for _ in 0..<100 {
      var more = bytes("0123456789")
      #expect(try output.offer(&more, of: 0))
    }
    try output.end(0, lines: [], failure: nil)
    #expect(try output.offer(&lines, of: 1))
    #expect(gatherer.lines.count == 1_011)
  }

  @Test("No file begins while too much is held, except the one whose turn it is")
  func beginnings() throws {
    var limits = OrderedOutput.Limits()
    (limits.ofFile, limits.ofAll) = (10_000, 1_000)
    let output = OrderedOutput(files: 4, limits: limits, receiver: Gatherer())
    #expect(output.next(waiting: .never) == .file(0))
    #expect(output.next(waiting: .never) == .file(1))
    try output.end(1, lines: Array(repeating: 0, count: 2_000), failure: nil)
    #expect(output.next(waiting: .never) == .later)
    try output.end(0, lines: [], failure: nil)
    #expect(output.next(waiting: .never) == .file(2))
  }

  @Test("When nobody takes the results any more, all stop, and what was thrown is told at the end")
  func failure() throws {
    let gatherer = Gatherer()
    gatherer.error = BrokenPipe()
    let output = OrderedOutput(files: 2, receiver: gatherer)
    _ = output.next(waiting: .never)
    #expect(throws: OrderedOutput.Stopped.self) {
      try output.end(0, lines: bytes("a"), failure: nil)
    }
    #expect(output.next(waiting: .forTurn) == .none)
    var lines = bytes("b")
    #expect(throws: OrderedOutput.Stopped.self) { _ = try output.offer(&lines, of: 1) }
    #expect(throws: OrderedOutput.Stopped.self) { try output.waitForTurn(after: 0) }
    #expect(throws: BrokenPipe.self) { try output.finish() }
  }

  @Test(
    "Threads that hold little and give much agree on the order", .seed(5), arguments: [1, 2, 5])
  func threads(count: Int) async throws {
    let gatherer = Gatherer()
    var limits = OrderedOutput.Limits()
    (limits.ofFile, limits.ofAll) = (30, 60)
    let files = 200
    let output = OrderedOutput(files: files, limits: limits, receiver: gatherer)
    let seed = SeedTrait.current
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<count {
        group.addTask {
          var random = SplitMix64(seed: seed &+ UInt64(thread))
          while case .file(let file) = output.next(waiting: .forTurn) {
            do {
              for _ in 0..<Int.random(in: 0...20, using: &random) {
                let turns = output.turns
                var line = bytes("\(file)\n")
                while try !output.offer(&line, of: file) { try output.waitForTurn(after: turns) }
              }
              try output.end(file, lines: bytes("end \(file)\n"), failure: nil)
            } catch {
              Issue.record("\(error)")
            }
          }
        }
      }
    }
    try output.finish()
    let lines = String(decoding: gatherer.lines, as: UTF8.self).split(separator: "\n")
    var file = 0
    for line in lines {
      if line == "end \(file)" { file += 1 } else { try #require(line == "\(file)") }
    }
    #expect(file == files)
    #expect(gatherer.ends == Array(0..<files))
  }
}
