import StreamingAttention
import TestSupport
import Testing

@Suite("Focus")
struct FocusTests {
  static func focus(_ weights: [Float]) -> Focus? {
    weights.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { Focus(weights: $0, span: buffer.count) }
    }
  }

  static func span(_ weights: [Float]) -> [Int]? {
    weights.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { base in
        let span = AttendedSpan(weights: base, span: buffer.count)
        return [span.firstAge, span.lastAge]
      }
    }
  }

  @Test("Mean age, spread and peak of weights that can be summed by hand, oldest first")
  func byHand() {
    let table: [([Float], Focus)] = [
      ([1], Focus(expected: 0, spread: 0, peak: 0)),
      ([1, 0, 0, 0], Focus(expected: 3, spread: 0, peak: 3)),
      ([0.5, 0.5], Focus(expected: 0.5, spread: 0.5, peak: 0)),
      ([0.25, 0.5, 0.25], Focus(expected: 1, spread: Float(0.5).squareRoot(), peak: 1)),
      ([0.5, 0, 0, 0, 0.5], Focus(expected: 2, spread: 2, peak: 0)),
    ]
    for (weights, expected) in table { #expect(Self.focus(weights) == expected, "\(weights)") }
  }

  @Test("The focus is that of doubles, but for rounding", .seed(151))
  func againstDoubles() throws {
    var random = SplitMix64()
    for count in [1, 2, 7, 8, 9, 100, 1_000] {
      var weights = random.floats(count).map(abs)
      let total = weights.reduce(0, +)
      weights = weights.map { $0 / total }
      let focus = try #require(Self.focus(weights))
      let ages = weights.indices.map { Double(count - 1 - $0) }
      let mean = zip(weights, ages).reduce(0) { $0 + Double($1.0) * $1.1 }
      let variance = zip(weights, ages).reduce(0) {
        $0 + Double($1.0) * ($1.1 - mean) * ($1.1 - mean)
      }
      #expect(abs(Double(focus.expected) - mean) <= 1e-5 * Double(count), "of \(count)")
      #expect(
        abs(Double(focus.spread) - variance.squareRoot()) <= 1e-5 * Double(count), "of \(count)")
      #expect(weights[count - 1 - Int(focus.peak)] == weights.max())
    }
  }

  @Test("A word reaches from where 5 % of the weight has passed to where 95 % have")
  func attendedSpan() {
    let table: [([Float], [Int])] = [
      ([1], [0, 0]),
      ([1, 0, 0], [2, 2]),
      ([0, 0, 1], [0, 0]),
      ([0.04, 0.92, 0.04], [1, 1]),
      ([0.06, 0.88, 0.06], [2, 0]),
      ([0.03, 0.03, 0.88, 0.03, 0.03], [3, 1]),
      ([0.5, 0, 0, 0, 0.5], [4, 0]),
      ([.nan, .nan, .nan], [2, 0]),
    ]
    for (weights, ages) in table { #expect(Self.span(weights) == ages, "\(weights)") }
  }
}
