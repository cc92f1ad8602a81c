/// A page of the manual in the making: man(7) macros, for groff and mandoc alike.
///
/// Takes plain text and sees to it that none of it is taken for a macro or an escape.
package struct ManualPage {
  /// The page so far.
  package private(set) var text: String

  /// - Parameters:
  ///   - name: What the page describes.
  ///   - section: 1 for commands, 5 for files.
  package init(_ name: String, section: Int) {
    text =
      ".TH \(Self.argument(name.uppercased())) \(section) \(Self.argument(Version.date))"
      + " \(Self.argument("attnd \(Version.text)"))\n"
  }

  /// Begins a section.
  package mutating func section(_ title: String) { text += ".SH \(Self.argument(title))\n" }

  /// Adds a paragraph.
  package mutating func paragraph(_ words: String) { text += ".PP\n\(Self.escaped(words))\n" }

  /// Adds a line of the synopsis, or another that is to stand as it is.
  package mutating func line(_ words: String) { text += Self.escaped(words) + "\n" }

  /// Adds a term and what there is to say of it.
  package mutating func item(_ term: String, _ words: String) {
    text += ".TP\n.B \(Self.argument(term))\n\(Self.escaped(words))\n"
  }

  /// Adds text as commands hold it: paragraphs between empty lines, examples indented.
  package mutating func discussion(_ words: String) {
    var example: [Substring] = []
    let lines: [Substring] = words.split(separator: "\n", omittingEmptySubsequences: false)
    for line in lines + [""] {
      if line.hasPrefix("  ") {
        example.append(line.drop { $0 == " " })
        continue
      }
      if !example.isEmpty {
        text += ".PP\n.RS 4\n.nf\n"
        for line in example { text += Self.escaped(String(line)) + "\n" }
        text += ".fi\n.RE\n"
        example = []
      }
      if !line.isEmpty { paragraph(String(line)) }
    }
  }

  /// Text that stands for itself: hyphens that can be copied, no macros, no escapes.
  package static func escaped(_ text: String) -> String {
    let escaped = text.map { character in
      switch character {
      case "\\": "\\e"
      case "-": "\\-"
      case "'": "\\(aq"
      case "`": "\\(ga"
      case "^": "\\(ha"
      case "~": "\\(ti"
      case "\n": " "
      default: "\(character)"
      }
    }.joined()
    return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
  }

  /// An argument of a macro.
  private static func argument(_ text: String) -> String {
    "\""
      + escaped(text).split(separator: "\"", omittingEmptySubsequences: false)
      .joined(separator: "\\(dq") + "\""
  }
}
