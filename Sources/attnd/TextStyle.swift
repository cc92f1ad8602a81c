/// Whether text for people carries colours, and how.
///
/// Knows no terminal, so that a test can read what would be shown.
package enum TextStyle {
  case plain
  case coloured

  /// What the running program's terminal is for.
  static var ofTerminal: TextStyle { LiveTerminal.hasColours ? .coloured : .plain }

  /// Parameters of the control sequence Select Graphic Rendition (ECMA-48, 8.3.117).
  package enum Rendition: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case boldGreen = "1;32"
    case yellow = "33"
    case blue = "34"
  }

  func callAsFunction(_ text: String, _ rendition: Rendition) -> String {
    switch self {
    case .plain: text
    case .coloured: "\u{1B}[\(rendition.rawValue)m\(text)\u{1B}[0m"
    }
  }
}
