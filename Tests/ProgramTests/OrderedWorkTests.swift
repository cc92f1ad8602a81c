import Synchronization
import TestSupport
import Testing
import attnd

@Suite("Work side by side, results in order")
struct OrderedWorkTests {
  @Test("Results come in the order of the items, each once", arguments: [1, 2, 7, 64])
  func order(jobs: Int) async throws {
    var random = SplitMix64(seed: 7)
    let items = (0..<200).map { ($0, UInt64.random(in: 0...40, using: &random)) }
    var finished = 0
    var results: [Int] = []
    try await inOrder(
      items, jobs: jobs,
      work: { item in
        // Unequal work, so that later items end before earlier ones.
        var sum: UInt64 = 0
        for i in 0..<item.1 * 1_000 { sum &+= i &* i }
        return item.0 + (sum == 1 ? 1 : 0)
      },
      finished: { finished += 1 },
      emit: { results.append($0) })
    #expect(results == Array(0..<200))
    #expect(finished == 200)
  }

  @Test("No more than jobs run at once, and little is done ahead of what is handed over")
  func bounds() async throws {
    let running = Atomic(0)
    let most = Atomic(0)
    let begun = Atomic(0)
    var emitted = 0
    var ahead = 0
    try await inOrder(
      Array(0..<100), jobs: 3,
      work: { item in
        begun.wrappingAdd(1, ordering: .relaxed)
        let now = running.wrappingAdd(1, ordering: .relaxed).newValue
        most.max(now, ordering: .relaxed)
        defer { running.wrappingSubtract(1, ordering: .relaxed) }
        return item
      },
      emit: { _ in
        ahead = max(ahead, begun.load(ordering: .relaxed) - emitted)
        emitted += 1
      })
    #expect(most.load(ordering: .relaxed) <= 3)
    #expect(ahead <= 12)
  }

  @Test("What the receiver throws ends it")
  func failure() async {
    await #expect(throws: BrokenPipe.self) {
      try await inOrder(Array(0..<50), jobs: 2, work: { $0 }, emit: { _ in throw BrokenPipe() })
    }
  }
}
