import AttentionSocket
import Glibc
import TestSupport
import Testing

/// Percentiles from counts, against those of the sorted durations.
@Suite(.seed(61)) struct DurationHistogramTests {
  private func exact(_ sorted: [UInt64], _ share: Double) -> Double {
    Double(sorted[Int((Double(sorted.count) * share).rounded(.up)) - 1])
  }

  @Test(
    "Percentiles are right to 1.6 %, whatever the durations are",
    arguments: [1, 2, 99, 1_000, 20_011], [0.5, 3, 9, 15])
  func percentiles(count: Int, octaves: Double) {
    var random = SplitMix64()
    let durations = (0..<count).map { _ in
      UInt64(exp2(5 + octaves * Double.random(in: 0...2, using: &random)))
    }
    let histogram = DurationHistogram()
    for duration in durations { histogram.add(duration) }
    let sorted = durations.sorted()
    let summary = DurationHistogram.summary(of: [histogram])
    #expect(summary.count == count)
    for (found, share) in [(summary.p50, 0.5), (summary.p99, 0.99), (summary.p999, 0.999)] {
      let expected = exact(sorted, share)
      #expect(abs(found - expected) <= 0.016 * expected, "\(share): \(found), not \(expected)")
    }
    #expect(summary.max == Double(sorted[count - 1]))
  }

  @Test("Every duration lies in a bucket whose middle is near it") func edges() {
    for exponent in 0..<40 {
      for offset in -1...1 {
        let duration = UInt64(max(0, (1 << exponent) + offset))
        let histogram = DurationHistogram()
        histogram.add(duration)
        // Two of it: the larger keeps the maximum from standing in for the middle.
        histogram.add(duration)
        histogram.add(UInt64(1) << 41)
        let median = DurationHistogram.summary(of: [histogram]).p50
        #expect(abs(median - Double(duration)) <= 0.016 * Double(duration), "\(duration)")
      }
    }
  }

  @Test("Nothing, an eternity, and what is no duration are counted without harm") func extremes() {
    let histogram = DurationHistogram()
    #expect(DurationHistogram.summary(of: [histogram]).count == 0)
    for seconds in [-1, .nan, 0, .infinity, 1e300] { histogram.add(seconds: seconds) }
    histogram.add(.max)
    let summary = DurationHistogram.summary(of: [histogram])
    #expect(summary.count == 6 && summary.max == Double(Int64.max))
    #expect(summary.p50 == 0)
  }

  @Test("Several streams are summed up together") func several() {
    let (short, long) = (DurationHistogram(), DurationHistogram())
    for _ in 0..<980 { short.add(1_000) }
    for _ in 0..<20 { long.add(50_000) }
    let summary = DurationHistogram.summary(of: [short, long])
    #expect(summary.count == 1_000 && summary.max == 50_000)
    #expect(abs(summary.p50 - 1_000) <= 16 && abs(summary.p99 - 50_000) <= 800)
  }
}
