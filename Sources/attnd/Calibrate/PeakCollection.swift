import JSONText

/// The peaks that a batch found: what `attnd batch --candidates --resume` writes, gathered by keyword.
package struct PeakCollection: Sendable {
  /// A peak, and where it is.
  package struct Peak: Sendable, Equatable {
    package let file: String
    package let keyword: String
    package let score: Float
    /// Seconds from the start of the file.
    package let start: Double
    package let end: Double
    package let time: Double
  }

  /// The peaks of one keyword.
  package struct Keyword: Sendable {
    /// Of all peaks.
    package fileprivate(set) var scores: [Float] = []
    /// The highest peaks, highest first, of equal ones the one found first.
    package fileprivate(set) var highest: [Peak] = []
  }

  /// Peaks of which more than the score is kept, of each keyword.
  package static let mostHighest = 10

  /// By name.
  package private(set) var keywords: [String: Keyword] = [:]
  /// Seconds of sound, or of rows.
  package private(set) var seconds = 0.0
  /// Files that have ended, those among them that failed half way.
  package private(set) var files = 0

  package init() {}

  /// Takes in whole lines.
  package mutating func take(_ lines: [UInt8]) {
    for line in lines.split(separator: UInt8(ascii: "\n")) {
      guard let json = try? JSON(parsing: line, repeatedNames: .refused, numbers: .finite),
        let fields = json.fields, case .string(let file)? = fields["file"]
      else { preconditionFailure("What batch writes is JSON Lines") }
      if let duration = fields["duration"]?.double {
        seconds += duration
        files += 1
      } else if case .string(let keyword)? = fields["keyword"],
        let score = fields["score"]?.float, let start = fields["start"]?.double,
        let end = fields["end"]?.double, let time = fields["time"]?.double
      {
        take(
          Peak(file: file, keyword: keyword, score: score, start: start, end: end, time: time))
      }
    }
  }

  private mutating func take(_ peak: Peak) {
    var keyword = keywords.removeValue(forKey: peak.keyword) ?? Keyword()
    keyword.scores.append(peak.score)
    let place = keyword.highest.firstIndex { $0.score < peak.score } ?? keyword.highest.count
    if place < Self.mostHighest {
      keyword.highest.insert(peak, at: place)
      if keyword.highest.count > Self.mostHighest { keyword.highest.removeLast() }
    }
    keywords[peak.keyword] = keyword
  }

  /// The highest peaks of all keywords together, highest first.
  ///
  /// - Parameter names: The keywords, of whom equal peaks are told in this order.
  /// - Returns: Ten at most.
  package func highest(of names: [String]) -> [Peak] {
    let all = names.flatMap { keywords[$0]?.highest ?? [] }
    let order = all.indices.sorted { (-all[$0].score, $0) < (-all[$1].score, $1) }
    return order.prefix(Self.mostHighest).map { all[$0] }
  }
}
