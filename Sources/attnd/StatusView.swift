import AttentionSocket

/// A daemon's state as lines of text, at most 80 columns wide.
///
/// Knows no terminal, so that a test can read the lines.
package struct StatusView {
  private let status: DaemonStatus
  private let style: TextStyle

  package init(_ status: DaemonStatus, style: TextStyle) {
    self.status = status
    self.style = style
  }

  private static let columns = 80
  private static let labelWidth = 13
  private static let nameWidth = 30

  /// The whole of it, without line ends.
  package var lines: [String] {
    var lines = [
      style("\(status.program) \(status.version)", .bold)
        + shortened(
          "  up \(Self.span(status.uptime))  model \(status.model.name)",
          to: Self.columns - status.program.count - status.version.count - 1)
    ]
    for stream in status.streams {
      lines.append("")
      lines += self.lines(of: stream)
    }
    lines.append("")
    lines += row("clients", clients)
    lines += row("daemon", process)
    return lines
  }

  // MARK: A stream

  private func lines(of stream: DaemonStatus.Stream) -> [String] {
    var lines = [
      style(shortened(stream.name, to: Self.nameWidth), .bold) + "  "
        + style(stream.state.rawValue, tint(of: stream))
    ]
    if !stream.text.isEmpty, stream.text != stream.state.rawValue {
      lines += row("state", stream.text)
    }
    if let advice = advice(on: stream) { lines += row("to do", advice, tint: .yellow) }
    for code in stream.warnings {
      lines += row(code.rawValue, code.text, tint: .yellow)
    }
    lines += row("sound", sound(stream))
    lines += row("heard", heard(stream))
    lines += row("lost", lost(stream))
    lines += row("latency", latency(stream))
    return lines
  }

  private func tint(of stream: DaemonStatus.Stream) -> TextStyle.Rendition {
    switch stream.state {
    case .running: .green
    case .starting: .yellow
    case .stopped where stream.reason == .endOfFile: .green
    case .waiting where stream.name == StreamDescription.clientName: .green
    default: .red
    }
  }

  /// What to do about a stream that doesn't run.
  private func advice(on stream: DaemonStatus.Stream) -> String? {
    switch (stream.state, stream.reason) {
    case (.running, _), (.starting, _): nil
    case (_, .deviceLost):
      "plug the device in, or name another: 'attnd devices' lists those that are there"
    case (_, .deviceBusy):
      "end the program that has the device, or share it through PipeWire or PulseAudio"
    case (_, .noPermission):
      "add the daemon's user to the group 'audio', so that it may open the device"
    default: nil
    }
  }

  private func sound(_ stream: DaemonStatus.Stream) -> String {
    guard let idle = stream.idle else { return "none yet" }
    var text = "level \(fixed(stream.level, 1)) dBFS"
    if let clipping = stream.clipping { text += ", \(percent(clipping)) clipped" }
    return text + ", last frame \(Self.span(idle)) ago"
  }

  private func heard(_ stream: DaemonStatus.Stream) -> String {
    let ownVoice = stream.ownVoice > 0 ? ", \(stream.ownVoice) of its own voice" : ""
    return "\(counted(stream.detections, "detection"))\(ownVoice), "
      + counted(stream.subscribers, "subscriber")
  }

  private func lost(_ stream: DaemonStatus.Stream) -> String {
    guard stream.discontinuities + stream.interruptions + stream.reconnects > 0 else {
      return "nothing"
    }
    return "\(counted(stream.lostSamples, "sample")) in "
      + "\(counted(stream.discontinuities, "hole")), \(counted(stream.interruptions, "xrun")), "
      + counted(stream.reconnects, "reconnect")
  }

  private func latency(_ stream: DaemonStatus.Stream) -> String {
    guard let latency = stream.latency else { return "no frame yet" }
    return "median \(time(latency.p50)), 99 % \(time(latency.p99)), "
      + "99.9 % \(time(latency.p999)), longest \(time(latency.max))"
  }

  // MARK: The daemon

  private var clients: String {
    "\(counted(status.connections, "connection")), \(counted(status.subscribers, "subscriber")), "
      + "\(counted(status.dropped, "frame")) dropped"
  }

  private var process: String {
    var parts = ["\(fixed(Double(status.memory) / 1_048_576, 1)) MiB"]
    if status.threads > 0 {
      parts.append(counted(status.threads, "thread"))
      parts.append(counted(status.descriptors, "descriptor"))
    }
    if status.stepMicroseconds.max > 0 {
      parts.append("hop \(fixed(status.stepMicroseconds.p50, 1)) us")
    }
    if !status.kernels.isEmpty { parts.append("kernels \(status.kernels)") }
    return parts.joined(separator: ", ")
  }

  // MARK: Words

  /// A label and a text, wrapped.
  private func row(_ label: String, _ text: String, tint: TextStyle.Rendition = .dim) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      let word = shortened(String(word), to: Self.columns - Self.labelWidth - 2)
      if !line.isEmpty, line.count + 1 + word.count > Self.columns - Self.labelWidth - 2 {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + word
    }
    lines.append(line)
    return lines.enumerated().map { index, line in
      let name = pad(index == 0 ? label : "", Self.labelWidth)
      return "  " + style(name, tint) + line
    }
  }

  private func shortened(_ text: String, to width: Int) -> String {
    text.count > width ? String(text.prefix(max(0, width - 3))) + "..." : text
  }

  private func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  private func percent(_ share: Double) -> String {
    share == 0 ? "nothing" : "\(fixed(100 * share, share < 0.01 ? 2 : 1)) %"
  }

  private func time(_ milliseconds: Double) -> String {
    milliseconds < 1
      ? "\(fixed(milliseconds, 2)) ms"
      : milliseconds < 1_000
        ? "\(fixed(milliseconds, 1)) ms" : "\(fixed(milliseconds / 1_000, 1)) s"
  }

  /// A time for people: its two largest units.
  package static func span(_ seconds: Double) -> String {
    let whole = Int(min(max(seconds, 0), 1e12))
    switch whole {
    case ..<10: return "\(fixed(seconds, 1)) s"
    case ..<60: return "\(whole) s"
    case ..<3_600: return "\(whole / 60) min \(whole % 60) s"
    case ..<86_400: return "\(whole / 3_600) h \(whole / 60 % 60) min"
    default: return "\(whole / 86_400) d \(whole / 3_600 % 24) h"
    }
  }
}
