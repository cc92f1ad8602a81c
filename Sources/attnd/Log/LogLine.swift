import Glibc
import JSONText
import Logging

/// A line of the log, in the making.
package struct LogLine: Sendable {
  /// How much it matters.
  package var level: Logger.Level
  /// What happened.
  package var message: String
  /// Facts about it.
  package var metadata: Logger.Metadata = [:]
  /// When, in Unix seconds.
  package var time: Double

  package init(
    level: Logger.Level, message: String, metadata: Logger.Metadata = [:], time: Double
  ) {
    self.level = level
    self.message = message
    self.metadata = metadata
    self.time = time
  }

  /// The line in a format, its end included, and no other.
  package func text(as format: LogFormat) -> String {
    switch format {
    case .text: "\(Self.timestamp(time)) \(level.rawValue) attnd: \(sentence)\n"
    case .journal: "<\(level.journalPriority)>\(sentence)\n"
    case .json: json + "\n"
    }
  }

  /// The message with its facts behind it, in the order of their names.
  private var sentence: String {
    let facts = metadata.sorted { $0.key < $1.key }.map { name, value in
      let text = "\(value)"
      let needsQuotes = text.isEmpty || text.contains { $0 == " " || $0 == "\"" || $0 == "=" }
      return " \(name)=" + (needsQuotes ? Self.quoted(text) : text)
    }
    return onOneLine(message + facts.joined())
  }

  private static func quoted(_ text: String) -> String {
    "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
  }

  private var json: String {
    var json = JSONWriter()
    json.object { json in
      json.field("time", Self.timestamp(time))
      json.field("level", level.rawValue)
      json.field("message", message)
      for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
        // A fact can't take the place of what every line has.
        json.name(Self.ownNames.contains(name) ? name + "_" : name)
        Self.write(value, to: &json)
      }
    }
    return json.text
  }

  private static let ownNames: Set<String> = ["time", "level", "message"]

  private static func write(_ value: Logger.MetadataValue, to json: inout JSONWriter) {
    switch value {
    case .string(let text): json.value(text)
    case .stringConvertible(let thing): json.value(thing.description)
    case .array(let values):
      json.array { json in
        for value in values { write(value, to: &json) }
      }
    case .dictionary(let members):
      json.object { json in
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
          json.name(name)
          write(value, to: &json)
        }
      }
    }
  }

  /// As RFC 3339 has it, in UTC, to the millisecond.
  package static func timestamp(_ time: Double) -> String {
    let milliseconds = Int64((min(max(time, 0), 1e11) * 1_000).rounded(.down))
    var seconds = time_t(milliseconds / 1_000)
    var date = tm()
    gmtime_r(&seconds, &date)
    func padded(_ number: some BinaryInteger, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
    return padded(date.tm_year + 1_900, 4) + "-" + padded(date.tm_mon + 1, 2) + "-"
      + padded(date.tm_mday, 2) + "T" + padded(date.tm_hour, 2) + ":" + padded(date.tm_min, 2)
      + ":" + padded(date.tm_sec, 2) + "." + padded(milliseconds % 1_000, 3) + "Z"
  }
}

extension Logger.Level {
  /// The priority of syslog(3).
  package var journalPriority: Int {
    switch self {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
