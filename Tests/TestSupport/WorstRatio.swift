import Glibc

/// The largest of many errors, as a fraction of its tolerance, and where it was.
///
///     var worst = WorstRatio("exp")
///     worst.add(got: y, reference: 1.5, tolerance: 1e-6, at: "x = \(x)")
///     #expect(worst.value <= 1, "\(worst)")
///
/// With the environment variable `ATTND_TEST_RATIOS` set, `print` says how much of the tolerance
/// was used where nothing failed.
package struct WorstRatio: CustomStringConvertible {
  /// What is measured.
  package let name: String
  /// Largest error / tolerance, 0 when nothing was added; a NaN counts as infinite.
  package private(set) var value = 0.0
  /// How many errors were added.
  package private(set) var count = 0
  private var worst = "nothing was compared"

  /// Begins a measurement.
  ///
  /// - Parameter name: What is measured.
  package init(_ name: String) { self.name = name }

  /// Compares a number with what it should have been.
  ///
  /// - Parameters:
  ///   - got: What was computed.
  ///   - reference: What should have been.
  ///   - tolerance: How far apart they may be; 0 for not at all.
  ///   - place: Coordinates, for the message.
  package mutating func add(
    got: Float, reference: Double, tolerance: Double, at place: @autoclosure () -> String
  ) {
    let error = abs(Double(got) - reference)
    add(
      ratio: error == 0 ? 0 : error / tolerance,
      at: "\(place()): got \(got), expected \(reference) within \(tolerance)")
  }

  /// Adds an error that is a fraction of its tolerance already.
  ///
  /// - Parameters:
  ///   - ratio: Error / tolerance.
  ///   - place: Coordinates, for the message.
  package mutating func add(ratio: Double, at place: @autoclosure () -> String) {
    count += 1
    let ratio = ratio.isNaN ? .infinity : ratio
    guard ratio > value || count == 1 else { return }
    value = ratio
    worst = place()
  }

  /// Prints the ratio if the environment asks for it.
  package func print() {
    guard getenv("ATTND_TEST_RATIOS") != nil else { return }
    Swift.print("ratio \(self)")
  }

  package var description: String { "\(name): \(value) of the tolerance at \(worst)" }
}
