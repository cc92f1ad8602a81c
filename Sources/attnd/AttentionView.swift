import AttentionSocket

/// What a listener hears, as lines of text: level, posteriors, and where each keyword looks.
///
/// Holds the newest of everything that came from the socket and knows no terminal, so that a test
/// can read the lines. Drawn by `LiveTerminal`.
package struct AttentionView {
  private let model: ModelDescription
  private let keywords: [KeywordDescription]
  private let style: TextStyle
  private var frame: AttentionFrame?
  private var state: StreamStatus?
  private var detections: [AttentionSocket.Detection] = []
  private var detectionCount = 0
  private var dropped = 0
  private var windowSeconds = 0.0

  package init(_ hello: Hello, style: TextStyle) {
    model = hello.model
    keywords = hello.keywords
    self.style = style
    if let stream = hello.streams.first?.description {
      windowSeconds = Double(stream.window * stream.hop) / Double(stream.rate)
    }
  }

  /// Takes in an event.
  package mutating func take(_ event: Event) {
    switch event {
    case .attention(let frame): self.frame = frame
    case .detection(let detection):
      detectionCount += 1
      detections.append(detection)
      if detections.count > Self.shownDetections { detections.removeFirst() }
    case .state(let state): self.state = state
    case .dropped(let frames): dropped += frames.count
    default: break
    }
  }

  private static let shownDetections = 6
  private static let levelCells = 30
  private static let posteriorCells = 16

  /// The whole view.
  ///
  /// - Parameter columns: Width of the terminal.
  /// - Returns: Lines without their ends, always as many.
  package func lines(columns: Int) -> [String] {
    var lines = [title, "", levelLine, ""]
    let nameWidth = keywords.map(\.phrase.count).max() ?? 0
    // Name, two spaces, "0.97", a space, the bar, two spaces, the strip.
    let strip = max(8, min(50, columns - nameWidth - Self.posteriorCells - 10))
    lines.append(
      style(
        pad("", nameWidth + 2) + pad("posterior", Self.posteriorCells + 7)
          + "attention, last \(seconds(windowSeconds)) s", .dim))
    for (index, keyword) in keywords.enumerated() {
      lines.append(keywordLine(keyword, index: index, nameWidth: nameWidth, strip: strip))
    }
    let heading = dropped > 0 ? "detections (\(dropped) frames dropped)" : "detections"
    lines += ["", style(heading, .dim)]
    lines += detections.map { "  " + Self.line($0, phrase: phrase($0.name), nameWidth: nameWidth) }
    lines += Array(repeating: "", count: Self.shownDetections - detections.count)
    return lines
  }

  /// A detection on one line.
  package static func line(
    _ detection: AttentionSocket.Detection, phrase: String, nameWidth: Int = 0
  ) -> String {
    "\(clock(detection.time))  \(pad(phrase, nameWidth))  score \(fixed(detection.score, 2))"
      + "  from \(fixed(detection.start, 2)) to \(fixed(detection.end, 2)) s"
  }

  /// The view in one line, for where nothing can be drawn over.
  package var summaryLine: String? {
    guard let frame else { return nil }
    let best = keywords.max {
      (frame.posteriors[$0.name] ?? 0) < (frame.posteriors[$1.name] ?? 0)
    }
    guard let best else { return nil }
    let posterior = frame.posteriors[best.name] ?? 0
    return "\(clock(frame.time))  level \(pad(fixed(frame.level, 1), -6)) dBFS"
      + "  \(bar(levelFraction(frame.level), cells: 20))  likeliest \(best.phrase)"
      + " \(fixed(posterior, 2))"
  }

  /// What a keyword is called by people.
  func phrase(_ name: String) -> String {
    keywords.first { $0.name == name }?.phrase ?? name
  }

  private var title: String {
    let stream = state.map { "\($0.stream)  \($0.state.rawValue)" } ?? "waiting for a stream"
    let time = frame.map { clock($0.time) } ?? "--:--.-"
    return style("attnd", .bold) + "  \(model.name)  \(stream)  \(time)"
  }

  private var levelLine: String {
    guard let frame else { return "level  " + style("no sound yet", .dim) }
    return "level  " + style(bar(levelFraction(frame.level), cells: Self.levelCells), .blue)
      + "  \(fixed(frame.level, 1)) dBFS"
  }

  private func keywordLine(
    _ keyword: KeywordDescription, index: Int, nameWidth: Int, strip: Int
  ) -> String {
    let posterior = frame?.posteriors[keyword.name] ?? 0
    let isRecent =
      detections.last { $0.name == keyword.name }.map { (frame?.time ?? 0) - $0.time < 1 } ?? false
    let tint: TextStyle.Rendition =
      isRecent ? .boldGreen : posterior >= keyword.threshold ? .yellow : .blue
    let name = pad(keyword.phrase, nameWidth)
    return (isRecent ? style(name, .boldGreen) : name) + "  \(fixed(posterior, 2)) "
      + style(bar(Double(posterior), cells: Self.posteriorCells), tint) + "  "
      + style(attentionStrip(index, cells: strip), tint)
  }

  /// The weights of a keyword's head as a strip of blocks, oldest left, the largest full.
  private func attentionStrip(_ keyword: Int, cells: Int) -> String {
    guard let weights = frame?.weights, !weights.isEmpty else { return "" }
    let row = weights[min(keyword, weights.count - 1)]
    guard let largest = row.max(), largest > 0 else { return "" }
    // A short window at the start of a stream stands at the right, where the present is.
    let window = max(row.count, frame?.span ?? 0)
    let count = min(cells, window)
    return (0..<count).map { cell in
      let from = cell * row.count / count
      let to = max(from + 1, (cell + 1) * row.count / count)
      let value = row[from..<min(to, row.count)].max() ?? 0
      return String(Self.heights[Int((value / largest * 8).rounded(.up))])
    }.joined()
  }

  private static let heights: [Character] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

  /// -60 dBFS is an empty bar, 0 a full one.
  private func levelFraction(_ decibels: Float) -> Double { Double(decibels + 60) / 60 }

  private func seconds(_ value: Double) -> String { fixed(value, 1) }
}

// MARK: Text

/// A bar of eighths of a cell.
package func bar(_ fraction: Double, cells: Int) -> String {
  let eighths = Int((min(1, max(0, fraction)) * Double(cells * 8)).rounded())
  let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
  let full = String(repeating: "█", count: eighths / 8) + partial
  return full + String(repeating: "·", count: cells - full.count)
}

/// Seconds of stream time as minutes and seconds: 01:07.5, hours before them from the first on.
package func clock(_ seconds: Double) -> String {
  let tenths = Int(max(0, seconds) * 10)
  let (minutes, rest) = (tenths / 600, tenths % 600)
  let time = "\(twoDigits(minutes % 60)):\(twoDigits(rest / 10)).\(rest % 10)"
  return minutes >= 60 ? "\(minutes / 60):\(time)" : time
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

/// A number with so many decimals.
package func fixed(_ value: some BinaryFloatingPoint, _ decimals: Int) -> String {
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let value = Double(value)
  guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
  let scaled = Int((abs(value) * scale).rounded())
  let sign = value < 0 && scaled > 0 ? "-" : ""
  let whole = "\(sign)\(scaled / Int(scale))"
  guard decimals > 0 else { return whole }
  let fraction = String(scaled % Int(scale))
  return whole + "." + String(repeating: "0", count: decimals - fraction.count) + fraction
}

/// Fills a text up with spaces: on the right, or with a negative width on the left.
package func pad(_ text: String, _ width: Int) -> String {
  let filling = String(repeating: " ", count: max(0, abs(width) - text.count))
  return width < 0 ? filling + text : text + filling
}
