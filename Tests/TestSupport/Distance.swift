/// Number of floats from one to the other: 0 for equal ones (-0 and +0 are), 1 for neighbours.
///
/// - Returns: `UInt32.max` if exactly one of them is a NaN, 0 if both are.
package func ulpDistance(_ a: Float, _ b: Float) -> UInt32 {
  if a.isNaN || b.isNaN { return a.isNaN && b.isNaN ? 0 : .max }
  // Bit patterns of one sign are ordered like their floats; negative ones are mirrored.
  func place(_ x: Float) -> Int64 {
    let magnitude = Int64(x.bitPattern & 0x7fff_ffff)
    return x.sign == .minus ? -magnitude : magnitude
  }
  return UInt32((place(a) - place(b)).magnitude)
}

/// Where two arrays first differ in a bit: nil if they are the same, so that NaN equals itself and 0
/// isn't -0.
///
/// For `#expect(bitDifference(a, b) == nil)`, which prints one element where `a == b` would print all.
///
/// - Parameters:
///   - got: What was computed.
///   - expected: What should have been.
/// - Returns: Coordinates, for the message.
package func bitDifference(_ got: some Sequence<Float>, _ expected: some Sequence<Float>) -> String?
{
  let (got, expected) = (Array(got), Array(expected))
  guard got.count == expected.count else { return "\(got.count) elements, not \(expected.count)" }
  return got.indices.first { got[$0].bitPattern != expected[$0].bitPattern }.map {
    "element \($0) of \(got.count): got \(got[$0]), expected \(expected[$0])"
  }
}

/// Relative error in the Euclidean norm: `||got - reference|| / ||reference||`.
///
/// - Parameters:
///   - got: What was computed.
///   - reference: What should have been, as many elements.
/// - Returns: Infinity if the lengths differ; 0 if both are zero.
package func relativeL2(_ got: [Float], _ reference: [Double]) -> Double {
  guard got.count == reference.count else { return .infinity }
  var error = 0.0
  var norm = 0.0
  for (a, b) in zip(got, reference) {
    error += (Double(a) - b) * (Double(a) - b)
    norm += b * b
  }
  if error == 0 { return 0 }
  return (error / norm).squareRoot()
}

/// Where two arrays differ most, for `#expect` to print.
package struct LargestDifference: CustomStringConvertible {
  /// Largest absolute difference; a NaN on one side only counts as infinite.
  package private(set) var value = 0.0
  /// Index at which it was seen.
  package private(set) var index = 0
  /// What was computed there.
  package private(set) var got = 0.0
  /// What should have been.
  package private(set) var reference = 0.0

  package init(_ got: [Float], _ reference: [Double]) {
    guard got.count == reference.count else {
      value = .infinity
      index = min(got.count, reference.count)
      return
    }
    for (i, (a, b)) in zip(got, reference).enumerated() {
      var difference = abs(Double(a) - b)
      // A NaN or equal infinities on both sides are no difference.
      if difference.isNaN { difference = a.isNaN == b.isNaN ? 0 : .infinity }
      if difference > value || i == 0 {
        (value, index, self.got, self.reference) = (difference, i, Double(a), b)
      }
    }
  }

  package init(_ got: [Float], _ reference: [Float]) {
    self.init(got, reference.map(Double.init))
  }

  package var description: String {
    "\(value) at element \(index): got \(got), reference \(reference)"
  }
}
