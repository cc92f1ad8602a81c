import Glibc
import TestSupport
import Testing

@Suite("The whole daemon in a simulated world")
struct SimulationTests {
  /// Seeds to try, "A-B"; without it a few.
  private static var seeds: ClosedRange<UInt64> {
    guard let text = getenv("ATTND_SEEDS").map({ String(cString: $0) }) else { return 1...4 }
    let ends = text.split(separator: "-").compactMap { UInt64($0) }
    guard let first = ends.first, let last = ends.last, first <= last else { return 1...4 }
    return first...last
  }

  @Test("keeps what it promises, whatever happens", arguments: Self.seeds)
  func promises(seed: UInt64) async throws {
    let outcome = await withCheckedContinuation { continuation in
      onThread {
        do {
          let world = try World(seed: seed)
          try world.live(seconds: 600)
          let troubles = world.troubles.values.reduce(0, +)
          continuation.resume(
            returning: "seed \(seed): \(Int(world.heardSeconds)) s heard in \(Int(world.seconds)) s, \(troubles) troubles, "
              + "\(world.frames) frames and \(world.told) detections read, \(world.words) words of clients")
        } catch {
          continuation.resume(returning: "FAILED \(error)")
        }
      }
    }
    print(outcome)
    #expect(!outcome.hasPrefix("FAILED"), "\(outcome)")
  }
}
