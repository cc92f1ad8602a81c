import Glibc
import TestSupport
import Testing

@Suite("The whole daemon in a simulated world")
struct SimulationTests {
  /// Worlds to try, "A-B" or "A"; without it a few.
  private static var seeds: ClosedRange<UInt64> {
    let ends =
      getenv("ATTND_SEEDS").map { String(cString: $0) }?
      .split(separator: "-").compactMap { UInt64($0) } ?? []
    guard let first = ends.first, let last = ends.last, first <= last else { return 1...2 }
    return first...last
  }

  /// Lives in a world on a thread of its own, since it waits for tasks.
  private func live(
    seed: UInt64, seconds: Double
  ) async throws -> (line: String, turns: Int) {
    try await withCheckedThrowingContinuation { continuation in
      onThread {
        continuation.resume(
          with: Result {
            let world = try World(seed: seed)
            try world.live(seconds: seconds)
            let (crowd, troubles) = (world.crowd, world.troubles.values.reduce(0, +))
            return (
              """
              simulated world \(seed): \(Int(world.heardSeconds)) s heard, \(Int(world.seconds)) s \
              passed, \(troubles) troubles, \(crowd.witness.frames) frames, \
              \(world.detections) detections, \(crowd.words) words of clients, \
              \(crowd.dropped) frames dropped, \(crowd.replies) replies, \
              \(crowd.sentAway) sent away
              """, world.turns
            )
          })
      }
    }
  }

  /// Worlds at a time.
  private static let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

  @Test("keeps what it promises, whatever happens", arguments: 0..<Self.processors)
  func promises(processor: Int) async {
    for seed in Self.seeds where Int(seed % UInt64(Self.processors)) == processor {
      do {
        print(try await live(seed: seed, seconds: 600).line)
      } catch {
        Issue.record("\(error)\nAgain: make simulate SEEDS=\(seed)")
      }
      fflush(nil)
    }
  }

  @Test("The same seed is the same world, step by step")
  func repeatable() async throws {
    let (first, second) = (
      try await live(seed: 9, seconds: 60), try await live(seed: 9, seconds: 60)
    )
    #expect(first == second)
  }
}
