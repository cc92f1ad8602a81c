import Glibc
import Testing

/// A generator that gives the same numbers for the same seed, on every machine.
///
/// SplitMix64: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (OOPSLA 2014).
package struct SplitMix64: RandomNumberGenerator, CustomStringConvertible {
  /// What the generator was started with.
  package let seed: UInt64
  private var state: UInt64

  /// Starts at a seed; without one, at the running test's (the trait `.seed`).
  ///
  /// - Parameter seed: Any number.
  package init(seed: UInt64 = SeedTrait.current) {
    self.seed = seed
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A float in -1 ..< 1, a multiple of 2^-23: the upper 24 bits of a number.
  package mutating func signedUnit() -> Float {
    Float(Int32(truncatingIfNeeded: next() >> 40) - (1 << 23)) * 0x1p-23
  }

  /// Floats in -scale ..< scale.
  ///
  /// - Parameters:
  ///   - count: How many.
  ///   - scale: Half the width of their range.
  /// - Returns: The floats in the order in which they were drawn.
  package mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in signedUnit() * scale }
  }

  package var description: String { "SplitMix64(seed: \(seed))" }
}

/// Gives a random test its seed, and adds the seed to whatever the test finds wrong.
///
/// The environment variable `ATTND_TEST_SEED` overrides the seed in the source, to repeat a
/// failure or to look for new ones.
package struct SeedTrait: TestTrait, SuiteTrait, TestScoping {
  @TaskLocal package static var current: UInt64 = 1

  /// The seed unless the environment names one.
  package let seed: UInt64
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    let seed = SeedTrait.fromEnvironment ?? self.seed
    let naming = IssueHandlingTrait.compactMapIssues { issue in
      var issue = issue
      issue.comments.append("ATTND_TEST_SEED=\(seed)")
      return issue
    }
    try await naming.provideScope(for: test, testCase: testCase) {
      try await SeedTrait.$current.withValue(seed) { try await function() }
    }
  }

  private static var fromEnvironment: UInt64? {
    getenv("ATTND_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
  }
}

extension Trait where Self == SeedTrait {
  /// Starts the test's `SplitMix64()` at a seed that is printed when the test fails.
  package static func seed(_ seed: UInt64) -> Self { SeedTrait(seed: seed) }
}
