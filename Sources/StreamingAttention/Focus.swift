/// Where in the window a head looks: mean position, spread and peak of its weights, in steps
/// before the newest.
public struct Focus: Sendable, Equatable {
  /// Mean age: the sum of alpha_s (t - s).
  public var expected: Float
  /// Standard deviation of the age.
  public var spread: Float
  /// Age of the largest weight, the latest on a tie.
  public var peak: Float

  /// Gathers the three.
  ///
  /// - Parameters:
  ///   - expected: Mean age in steps.
  ///   - spread: Standard deviation of the age in steps.
  ///   - peak: Age of the largest weight in steps.
  public init(expected: Float, spread: Float, peak: Float) {
    self.expected = expected
    self.spread = spread
    self.peak = peak
  }

  /// Reads the focus off a head's weights, oldest first.
  package init(weights: UnsafePointer<Float>, span: Int) {
    var mean: Float = 0
    var peak = 0
    for i in 0..<span {
      mean += weights[i] * Float(span - 1 - i)
      if weights[i] >= weights[peak] { peak = i }
    }
    var variance: Float = 0
    for i in 0..<span {
      let distance = Float(span - 1 - i) - mean
      variance += weights[i] * distance * distance
    }
    expected = mean
    spread = variance.squareRoot()
    self.peak = Float(span - 1 - peak)
  }
}

/// What part of the window a head means: from the step before which 5 % of its weight lies to the
/// step before which 95 % lie.
package struct AttendedSpan {
  /// Ages in steps of the first and the last step of the span; first >= last.
  package let firstAge: Int
  package let lastAge: Int

  static let tail: Float = 0.05

  package init(weights: UnsafePointer<Float>, span: Int) {
    var first = span - 1
    var last = 0
    var sum: Float = 0
    var i = 0
    while i < span {
      sum += weights[i]
      if sum >= Self.tail {
        first = span - 1 - i
        break
      }
      i += 1
    }
    sum = 0
    i = span - 1
    while i >= 0 {
      sum += weights[i]
      if sum >= Self.tail {
        last = span - 1 - i
        break
      }
      i -= 1
    }
    firstAge = max(first, last)
    lastAge = min(first, last)
  }
}
