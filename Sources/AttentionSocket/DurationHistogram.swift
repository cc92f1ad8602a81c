import Glibc
import Synchronization

/// How long something took, again and again: counted by size, without locks, in memory of a fixed size.
///
/// Durations of up to 32 ns are counted each; above, every doubling has 32 buckets of equal width. A percentile is
/// the middle of its bucket: right to 1/64, that is 1.6 %. The longest is exact.
package final class DurationHistogram: @unchecked Sendable {
  // Unchecked: the memory holds atomics only.

  /// Buckets in a doubling, as a power of two.
  private static let bits = 5
  private static let perDoubling = 1 << bits
  /// Up to 2^40 ns, eighteen minutes; what took longer is in the last one.
  private static let buckets = (40 - bits + 1) * perDoubling
  private let counts: UnsafeMutablePointer<Atomic<Int>>
  private let longest = Atomic<UInt64>(0)

  /// Percentiles in nanoseconds; zeros where nothing was counted.
  package struct Summary: Equatable, Sendable {
    package var count = 0
    package var p50 = 0.0
    package var p99 = 0.0
    package var p999 = 0.0
    package var max = 0.0
  }

  package init() {
    counts = .allocate(capacity: Self.buckets)
    for index in 0..<Self.buckets { (counts + index).initialize(to: Atomic(0)) }
  }

  deinit {
    counts.deinitialize(count: Self.buckets)
    counts.deallocate()
  }

  /// Any thread: two relaxed additions at most.
  package func add(_ nanoseconds: UInt64) {
    // The largest of unsigned atomics compares as if they were signed: 292 years are enough.
    let nanoseconds = min(nanoseconds, UInt64(Int64.max))
    counts[Self.bucket(nanoseconds)].wrappingAdd(1, ordering: .relaxed)
    if nanoseconds > longest.load(ordering: .relaxed) {
      longest.max(nanoseconds, ordering: .relaxed)
    }
  }

  /// Any thread; a duration that isn't one (negative, NaN) counts as none.
  package func add(seconds: Double) {
    add(seconds > 0 ? UInt64(min(seconds, 1e9) * 1e9) : 0)
  }

  /// The doubling, and the bits below the leading one.
  private static func bucket(_ nanoseconds: UInt64) -> Int {
    guard nanoseconds >= UInt64(perDoubling) else { return Int(nanoseconds) }
    let shift = 63 - bits - nanoseconds.leadingZeroBitCount
    return min(buckets - 1, shift * perDoubling + Int(nanoseconds >> UInt64(shift)))
  }

  /// The middle of a bucket, in nanoseconds.
  private static func middle(_ bucket: Int) -> Double {
    let shift = max(0, bucket / perDoubling - 1)
    let lower = UInt64(bucket - shift * perDoubling) << UInt64(shift)
    return Double(lower) + Double((UInt64(1) << UInt64(shift)) - 1) / 2
  }

  /// Percentiles over what several have counted: of n durations the one at ceil(share n) from below.
  package static func summary(of all: [DurationHistogram]) -> Summary {
    var counts = [Int](repeating: 0, count: buckets)
    var longest: UInt64 = 0
    for times in all {
      for index in 0..<buckets { counts[index] += times.counts[index].load(ordering: .relaxed) }
      longest = max(longest, times.longest.load(ordering: .relaxed))
    }
    let total = counts.reduce(0, +)
    guard total > 0 else { return Summary() }
    func percentile(_ share: Double) -> Double {
      var left = Int((Double(total) * share).rounded(.up))
      for index in 0..<buckets {
        left -= counts[index]
        if left <= 0 { return min(Double(longest), middle(index)) }
      }
      return Double(longest)
    }
    return Summary(
      count: total, p50: percentile(0.5), p99: percentile(0.99), p999: percentile(0.999),
      max: Double(longest))
  }
}
