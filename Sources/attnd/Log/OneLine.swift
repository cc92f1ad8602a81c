/// A text from wherever it comes as part of one line: what would end the line, or move a terminal's
/// cursor, is replaced.
///
/// - Parameter text: Any text.
/// - Returns: The text, with U+FFFD in the place of control characters.
func onOneLine(_ text: String) -> String {
  guard text.unicodeScalars.contains(where: isControl) else { return text }
  var line = String.UnicodeScalarView()
  for scalar in text.unicodeScalars { line.append(isControl(scalar) ? "\u{FFFD}" : scalar) }
  return String(line)
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: true
  default: false
  }
}
