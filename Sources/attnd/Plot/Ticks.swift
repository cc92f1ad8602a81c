import Glibc

/// A mark on an axis.
package struct Tick: Sendable, Equatable {
  /// Where it stands, in the axis's unit.
  package let value: Double
  /// What is written beside it.
  package let label: String
}

/// Round numbers to mark an axis with.
package enum Ticks {
  /// Multiples of 1, 2 or 5 times a power of ten: as many as there is room for.
  ///
  /// - Parameters:
  ///   - range: What the axis shows.
  ///   - most: How many marks it has room for.
  /// - Returns: The marks, ascending, up to `most`; none where the range has no width, or one
  ///   too small to be told apart in its numbers.
  package static func decimal(in range: ClosedRange<Double>, atMost most: Int) -> [Tick] {
    let width = range.upperBound - range.lowerBound
    let largest = max(abs(range.lowerBound), abs(range.upperBound))
    guard (1e-30...1e36).contains(width), most >= 1, width > largest * 1e-9 else { return [] }
    var exponent = Int(Glibc.log10(width / Double(most)).rounded(.down)) - 1
    while true {
      for factor in [1, 2, 5] {
        let step = Double(factor) * Glibc.pow(10, Double(exponent))
        // A hair of room, so that a bound that is a round number is not lost to its last bit.
        let first = Int((range.lowerBound / step - 1e-6).rounded(.up))
        let last = Int((range.upperBound / step + 1e-6).rounded(.down))
        if last - first + 1 <= most {
          return (first..<max(first, last + 1)).map { multiple in
            Tick(
              value: min(max(Double(multiple) * step, range.lowerBound), range.upperBound),
              label: decimal(multiple * factor, exponent: exponent))
          }
        }
      }
      exponent += 1
    }
  }

  /// Round times of a clock, for recordings of more than a minute and a half.
  ///
  /// - Parameters:
  ///   - range: What the axis shows, in seconds from 0 on.
  ///   - most: How many marks it has room for, 1 or more.
  /// - Returns: The marks, ascending, such as 1:30 or 2:05:00.
  package static func clock(in range: ClosedRange<Double>, atMost most: Int) -> [Tick] {
    let seconds = [
      1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
    ]
    func count(_ step: Int) -> Int {
      Int(range.upperBound) / step - (Int(range.lowerBound.rounded(.up)) + step - 1) / step + 1
    }
    // Beyond the list, days: 1, 2, 4, ...
    let step =
      seconds.first { count($0) <= most }
      ?? sequence(first: 86_400) { $0 * 2 }.first { count($0) <= most } ?? 86_400
    let first = (Int(range.lowerBound.rounded(.up)) + step - 1) / step
    return (first..<first + max(0, count(step))).map {
      Tick(value: Double($0 * step), label: clock($0 * step, hasHours: range.upperBound >= 3_600))
    }
  }

  private static func clock(_ seconds: Int, hasHours: Bool) -> String {
    func twoDigits(_ number: Int) -> String { (number < 10 ? "0" : "") + "\(number)" }
    let minutes = seconds / 60
    return hasHours
      ? "\(minutes / 60):\(twoDigits(minutes % 60)):\(twoDigits(seconds % 60))"
      : "\(minutes):\(twoDigits(seconds % 60))"
  }

  /// A whole number of units of a power of ten, exactly: no step over floating point.
  private static func decimal(_ number: Int, exponent: Int) -> String {
    guard number != 0 else { return "0" }
    let digits = String(number.magnitude)
    let sign = number < 0 ? "-" : ""
    guard exponent < 0 else {
      // A million and more in fewer characters than there is room for.
      return exponent <= 5
        ? sign + digits + String(repeating: "0", count: exponent) : "\(sign)\(digits)e\(exponent)"
    }
    guard exponent >= -6 else { return "\(sign)\(digits)e\(exponent)" }
    let padded = String(repeating: "0", count: max(0, 1 - exponent - digits.count)) + digits
    let fraction = padded.suffix(-exponent)
    let trimmed = fraction.reversed().drop { $0 == "0" }.reversed()
    return sign + padded.dropLast(-exponent) + (trimmed.isEmpty ? "" : "." + String(trimmed))
  }
}
