import ArgumentParser

/// How many false alarms are allowed in what time: `0.1/h`, `3/d`.
package struct FalseAlarmBudget: Equatable, Sendable, ExpressibleByArgument, CustomStringConvertible
{
  /// What can be, an hour: from one in a hundred years to more than there are steps.
  private static let range = 1e-6...1e5

  /// False alarms an hour.
  package let perHour: Double
  /// As it was given.
  package let description: String

  /// Parses a number, `/` and a unit of time, `h` or `d`.
  package init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let number = Double(parts[0]), number.isFinite,
      parts[0].utf8.allSatisfy({ (0x30...0x39).contains($0) || "eE.-+".utf8.contains($0) })
    else { return nil }
    switch parts[1] {
    case "h": perHour = number
    case "d": perHour = number / 24
    default: return nil
    }
    guard Self.range.contains(perHour) else { return nil }
    description = argument
  }
}
