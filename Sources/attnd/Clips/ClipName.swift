import Glibc

/// What the files of a clip are called: the time, UTC, and the keyword, so that names sort by time.
///
///     2026-11-23T10-15-30.123Z-computer.flac
///     2026-11-23T10-15-30.123Z-computer.json
///
/// Colons, which RFC 3339 has between hours and minutes, aren't for names: other systems' disks refuse
/// them, and `scp` takes them for the end of a host's name.
package struct ClipName: Hashable, Comparable, Sendable {
  /// What a file of a clip holds.
  package enum Part: String, CaseIterable, Sendable {
    case sound = ".flac"
    case document = ".json"
    /// The sound while it is being written.
    case soundBegun = ".flac.part"
    /// The document while it is being written.
    case documentBegun = ".json.part"
  }

  /// Time and keyword, without an ending.
  package let stem: String

  /// Years that have four digits.
  private static let milliseconds = 0...253_402_300_799_999

  /// The name of a clip.
  ///
  /// - Parameters:
  ///   - milliseconds: Unix time; times before 1970 and after 9999 become those.
  ///   - keyword: The keyword's name.
  package init(milliseconds: Int, keyword: String) {
    let time = Calendar(milliseconds: Self.bounded(milliseconds))
    stem = "\(time.date)T\(time.clock("-"))Z-\(keyword)"
  }

  private init(stem: Substring) { self.stem = String(stem) }

  /// The file that holds a part of it.
  package func file(_ part: Part) -> String { stem + part.rawValue }

  package static func < (left: ClipName, right: ClipName) -> Bool { left.stem < right.stem }

  /// The clip that a file belongs to; nil for files that are none of ours.
  package static func of(file: String) -> (name: ClipName, part: Part)? {
    guard let part = Part.allCases.first(where: { file.hasSuffix($0.rawValue) }) else { return nil }
    let stem = file.dropLast(part.rawValue.count)
    return isOurs(Array(stem.utf8)) ? (ClipName(stem: stem), part) : nil
  }

  private static func isOurs(_ stem: [UInt8]) -> Bool {
    let pattern = Array("0000-00-00T00-00-00.000Z-".utf8)
    guard stem.count > pattern.count else { return false }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    for (byte, expected) in zip(stem, pattern) {
      guard expected == digits.lowerBound ? digits.contains(byte) : byte == expected else {
        return false
      }
    }
    return stem[pattern.count...].allSatisfy {
      digits.contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
        || $0 == UInt8(ascii: "_")
    }
  }

  /// Unix seconds in whole milliseconds; what is no time at all is 1970.
  package static func milliseconds(ofUnix seconds: Double) -> Int {
    seconds.isFinite ? bounded(Int(max(0, min(1e12, seconds)) * 1_000)) : 0
  }

  private static func bounded(_ value: Int) -> Int {
    min(max(value, milliseconds.lowerBound), milliseconds.upperBound)
  }

  /// A time as RFC 3339 has it: 2026-11-23T10:15:30.123Z.
  package static func timestamp(milliseconds: Int) -> String {
    let time = Calendar(milliseconds: bounded(milliseconds))
    return "\(time.date)T\(time.clock(":"))Z"
  }
}

/// A moment, UTC, in the fields that people know.
private struct Calendar {
  private let fields: tm
  private let millisecond: Int

  init(milliseconds: Int) {
    var seconds = time_t(milliseconds / 1_000)
    var fields = tm()
    gmtime_r(&seconds, &fields)
    self.fields = fields
    millisecond = milliseconds % 1_000
  }

  var date: String {
    "\(padded(Int(fields.tm_year) + 1_900, 4))-\(padded(Int(fields.tm_mon) + 1, 2))-"
      + padded(Int(fields.tm_mday), 2)
  }

  func clock(_ separator: String) -> String {
    [fields.tm_hour, fields.tm_min, fields.tm_sec].map { padded(Int($0), 2) }
      .joined(separator: separator) + "." + padded(millisecond, 3)
  }

  private func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }
}
