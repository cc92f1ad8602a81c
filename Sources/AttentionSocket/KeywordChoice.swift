import JSONText

/// Which keywords a client of the wake-word service wants to hear of, and under which names.
///
/// A name is looked for as it is, then in its plain form: trimmed, in lower case, without a version
/// at its end, every run of other characters than letters and digits a space.
package struct KeywordChoice: Equatable, Sendable {
  /// By keyword the name that the client used; nil where it isn't wanted.
  private let names: [String?]
  /// The client's own, given back with each detection.
  package let context: JSON?

  /// The longest name that is looked for, in Unicode scalars.
  private static let longestName = 64

  /// Every keyword, under its own name.
  package init(all keywords: [KeywordDescription], context: JSON? = nil) {
    names = keywords.map(\.name)
    self.context = context
  }

  /// The keywords that `requested` names, the first spelling of each.
  ///
  /// - Parameters:
  ///   - requested: As the client writes them; those that aren't known are skipped.
  ///   - keywords: The model's.
  ///   - context: The client's own.
  package init(_ requested: [String], of keywords: [KeywordDescription], context: JSON?) {
    var names = [String?](repeating: nil, count: keywords.count)
    for name in requested where name.unicodeScalars.count <= Self.longestName {
      let keyword =
        keywords.firstIndex { $0.name == name }
        ?? keywords.firstIndex { Self.plain($0.name) == Self.plain(name) }
      if let keyword, names[keyword] == nil { names[keyword] = name }
    }
    self.names = names
    self.context = context
  }

  /// Whether no keyword is wanted.
  package var isEmpty: Bool { names.allSatisfy { $0 == nil } }

  /// The name to tell a detection by; nil when it isn't to be told.
  package func name(of keyword: Int) -> String? { names[keyword] }

  /// A name without the accidents of its spelling.
  package static func plain(_ name: String) -> String {
    words(of: withoutVersion(name.lowercased())).joined(separator: " ")
  }

  private static func words(of name: Substring) -> [String] {
    name.split(whereSeparator: { !$0.isLetter && !$0.isNumber }).map(String.init)
  }

  /// Cuts `_v1.2` or ` v1.2` off the end.
  private static func withoutVersion(_ name: String) -> Substring {
    var end = name[...]
    while let last = end.last, last.isWhitespace { end.removeLast() }
    let number = end.reversed().prefix { $0.isWholeNumber || $0 == "." }
    guard number.contains(where: \.isWholeNumber) else { return end }
    let rest = end.dropLast(number.count)
    guard rest.last == "v" else { return end }
    let before = rest.dropLast()
    guard let separator = before.last, separator == "_" || separator == " " || separator == "-"
    else { return end }
    return before.dropLast()
  }
}
