import Logging

/// Keeps a message that comes again and again from filling the log: so many of it in a while, and the
/// rest is counted.
///
/// Messages are the same if level and text are; their facts may differ. Knows no clock.
package struct LogRepetition: Sendable {
  /// Lines of one message that are let through in `window`.
  package static let most = 10
  package static let window: Duration = .seconds(10)
  /// Messages that are remembered: the oldest makes room.
  package static let capacity = 256

  private struct Message: Hashable {
    let level: Logger.Level
    let text: String
  }

  private struct Count {
    let began: Duration
    var lines = 0
  }

  /// A message of which some were left out.
  package struct LeftOut: Equatable, Sendable {
    package let level: Logger.Level
    package let text: String
    package let count: Int
  }

  private var counts: [Message: Count] = [:]

  package init() {}

  /// Takes a message in.
  ///
  /// - Parameters:
  ///   - level: Its level.
  ///   - text: Its text.
  ///   - now: Time on a clock that never steps.
  /// - Returns: Whether it is to be written, and before it, of which messages some were left out whose
  ///   while is over.
  package mutating func take(
    _ level: Logger.Level, _ text: String, at now: Duration
  ) -> (isWritten: Bool, leftOut: [LeftOut]) {
    var leftOut = forget { now - $0.began >= Self.window }
    let message = Message(level: level, text: text)
    if counts[message] == nil, counts.count == Self.capacity,
      let oldest = counts.values.map(\.began).min()
    {
      leftOut += forget { $0.began == oldest }
    }
    counts[message, default: Count(began: now)].lines += 1
    return ((counts[message]?.lines ?? 0) <= Self.most, leftOut)
  }

  /// Forgets messages, and says of which some were left out.
  private mutating func forget(_ isOver: (Count) -> Bool) -> [LeftOut] {
    let over = counts.filter { isOver($0.value) }
    for message in over.keys { counts[message] = nil }
    return over.filter { $0.value.lines > Self.most }.sorted { $0.value.began < $1.value.began }
      .map { LeftOut(level: $0.level, text: $0.text, count: $1.lines - Self.most) }
  }
}
