import Synchronization
import TestSupport
import Testing

@Suite("Seeded random numbers")
struct SeededRandomTests {
  @Test("SplitMix64 gives the numbers of its published reference for seed 1234567")
  func reference() {
    var random = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in random.next() }
        == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
  }

  @Test("Floats keep to their range and fill both halves of it", .seed(2))
  func range() {
    var random = SplitMix64()
    let floats = random.floats(1_000, scale: 3)
    #expect(floats.allSatisfy { (-3..<3).contains($0) })
    #expect(floats.contains { $0 < -2.9 } && floats.contains { $0 > 2.9 })
  }

  @Test("A failing test with a seed says which")
  func seedIsPrinted() async throws {
    let test = try #require(Test.current)
    let trait: SeedTrait = .seed(77)
    let comments = Mutex<[String]>([])
    // Takes what the inner scope finds wrong, so that this test doesn't fail of it.
    let collecting: IssueHandlingTrait = .compactMapIssues { issue in
      comments.withLock { $0 += issue.comments.map(\.rawValue) }
      return nil
    }
    try await collecting.provideScope(for: test, testCase: nil) {
      try await trait.provideScope(for: test, testCase: nil) { Issue.record("on purpose") }
    }
    let found = comments.withLock(\.self)
    #expect(found.first == "on purpose")
    #expect(found.last?.hasPrefix("ATTND_TEST_SEED=") == true)
  }
}
