import Glibc

/// Lines that are drawn over, again and again, at the foot of the terminal.
struct LiveTerminal {
  private var drawn = 0

  /// Columns of the terminal, 80 when it won't say.
  static var columns: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Whether colours are wanted: NO_COLOR unset (no-color.org) and a terminal that can.
  static var hasColours: Bool {
    guard StandardOutput.isTerminal, getenv("NO_COLOR") == nil else { return false }
    return getenv("TERM").map { String(cString: $0) != "dumb" } ?? false
  }

  /// Draws the lines over those of the last call.
  mutating func draw(_ lines: [String]) throws {
    var text = drawn > 0 ? "\u{1B}[\(drawn)A\r" : ""
    for line in lines { text += line + "\u{1B}[K\n" }
    text += "\u{1B}[J"
    drawn = lines.count
    try StandardOutput.write(text)
  }
}
