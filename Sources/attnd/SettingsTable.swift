import AttentionSocket
import AudioInput
import Glibc
import Logging
import StreamingAttention

/// A setting, once: its flag, environment name, file key, help, default and check.
package struct Setting<Value: Sendable>: Sendable {
  /// What people read about it.
  package let entry: SettingEntry
  /// What the value may be, for errors.
  package let expected: String
  /// The value of a text; nil for one that can't be.
  package let parse: @Sendable (String) -> Value?
}

/// What people read about a setting, whatever its type.
package struct SettingEntry: Sendable {
  /// The flag without its dashes, and the key in the file.
  package let name: String
  /// What stands for the value in help.
  package let valueName: String
  /// A sentence or two.
  package let help: String
  /// What holds when nobody says otherwise.
  package let standard: String
  /// A value for the file to show.
  package let example: String
  /// Whether it may have several values; their text has one a line.
  ///
  /// They come as a flag given more than once, a list in the file, or words of the environment's
  /// variable.
  package var hasSeveral = false
  /// Whether it is either on or off, and its flag stands alone.
  package var isSwitch = false
  /// Whether a running daemon takes it in at a reload.
  package var isReloadable = false

  /// What it is, what holds otherwise, and when it is read.
  package var explanation: String {
    "\(help) Default: \(standard)." + (isReloadable ? " Read again at a reload." : "")
  }

  /// `ATTND_SOCKET_MODE` for `socket-mode`.
  package var environmentName: String {
    "ATTND_" + String(name.uppercased().map { $0 == "-" ? "_" : $0 })
  }
}

/// Every setting of the program.
///
/// Help texts, environment names and Config/attnd.yaml follow from it.
package enum SettingsTable {
  package static let model = Setting(
    entry: SettingEntry(
      name: "model", valueName: "path",
      help: "The model file, as Docs/model-file.md describes it.",
      standard: "the model that the program carries", example: "/usr/share/attnd/other.safetensors",
      isReloadable: true),
    expected: "a path", parse: text)

  package static let device = Setting(
    entry: SettingEntry(
      name: "device", valueName: "name",
      help:
        "The ALSA capture device; 'attnd devices' lists them. 'none': no sound but what clients "
        + "send.",
      standard: "default; none where there is --stream, or the only --socket is stdio://",
      example: "plughw:CARD=Microphone"),
    expected: "the name of a device", parse: text)

  package static let stream = Setting(
    entry: SettingEntry(
      name: "stream", valueName: "name=device",
      help:
        "A device to listen to in a stream of its own: the stream's name, '=', the device, and where "
        + "it has several channels '@' and the number of one; may be given more than once. --device "
        + "is heard beside them only where it is named.",
      standard: "none", example: "['kitchen=plughw:CARD=Microphone', 'door=hw:2@1']",
      hasSeveral: true),
    expected: DeviceChoice.expected,
    parse: { text in
      let choices = text.split(separator: "\n").map { DeviceChoice(String($0)) }
      let known = choices.compactMap(\.self)
      let names = Set(known.map(\.name))
      return known.isEmpty || known.count < choices.count || names.count < known.count ? nil : known
    })

  package static let reference = Setting(
    entry: SettingEntry(
      name: "reference", valueName: "device",
      help: "The ALSA capture device that gives what the machine itself plays, such as a sound "
        + "server's monitor: a keyword that it has just said is not heard from a microphone.",
      standard: "none", example: "monitor"),
    expected: "the name of a device", parse: text)

  package static let requireDevice = Setting(
    entry: SettingEntry(
      name: "require-device", valueName: "yes",
      help: "Ends at once when a device isn't there at the start, in place of waiting for it.",
      standard: "false", example: "true", isSwitch: true),
    expected: "true or false", parse: flag)

  package static let channels = Setting(
    entry: SettingEntry(
      name: "channels", valueName: "choice",
      help: "What to listen to: the mean of all channels (mix) or one of them, counted from 1.",
      standard: "mix", example: "1"),
    expected: "mix or the number of a channel, from 1", parse: { ChannelSelection($0) })

  package static let socket = Setting(
    entry: SettingEntry(
      name: "socket", valueName: "address",
      help: "Where the daemon is to be reached: the path of a Unix socket, tcp://HOST:PORT, or "
        + "stdio:// for standard input and output; may be given more than once.",
      standard: "$XDG_RUNTIME_DIR/attnd.sock; without it, for root, /run/attnd/attnd.sock",
      example: "[/run/attnd/attnd.sock, tcp://127.0.0.1:10400]", hasSeveral: true),
    expected: SocketAddress.expected,
    parse: { text in
      let addresses = text.split(separator: "\n").map { SocketAddress(String($0)) }
      let known = addresses.compactMap(\.self)
      return known.isEmpty || known.count < addresses.count ? nil : known
    })

  package static let socketMode = Setting(
    entry: SettingEntry(
      name: "socket-mode", valueName: "mode",
      help: "Who may connect: the socket's permissions, octal.", standard: "0600",
      example: "0660"),
    expected: "three octal digits, as for chmod",
    parse: { text -> UInt32? in
      guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8) else { return nil }
      return mode <= 0o777 && !text.hasPrefix("+") ? mode : nil
    })

  package static let allowRemote = Setting(
    entry: SettingEntry(
      name: "allow-remote", valueName: "yes",
      help: "Lets --socket tcp:// name all addresses of the machine at once (0.0.0.0, [::]). "
        + "Whoever reaches the port may use the wake-word service.",
      standard: "false", example: "true", isSwitch: true),
    expected: "true or false", parse: flag)

  package static let nativeTCP = Setting(
    entry: SettingEntry(
      name: "native-tcp", valueName: "yes",
      help: "Opens attnd's own events, attention frames among them, to other machines; without "
        + "it they get the wake-word service alone.",
      standard: "false", example: "true", isSwitch: true),
    expected: "true or false", parse: flag)

  package static let controlTCP = Setting(
    entry: SettingEntry(
      name: "control-tcp", valueName: "yes",
      help: "Lets every process of this machine change thresholds and inhibit detections over TCP.",
      standard: "false", example: "true", isSwitch: true),
    expected: "true or false", parse: flag)

  package static let controlGroup = Setting(
    entry: SettingEntry(
      name: "control-group", valueName: "group",
      help: "Members of this group may change thresholds and inhibit detections over a Unix "
        + "socket, beside root and the daemon's own user.",
      standard: "none", example: "audio"),
    expected: "the name of a group", parse: text)

  package static let connections = Setting(
    entry: SettingEntry(
      name: "connections", valueName: "n",
      help: "Most connections at once; one more is told that the daemon is busy.",
      standard: "64", example: "500"),
    expected: "a whole number from 1 to 10000", parse: whole(1...10_000))

  package static let latencyBudget = Setting(
    entry: SettingEntry(
      name: "latency-budget", valueName: "ms",
      help: "How long after its capture an attention frame of a device may leave, in milliseconds; "
        + "later ones are dropped where newer ones wait, and 'late' is told.",
      standard: "100", example: "250"),
    expected: "a whole number from 1 to 60000", parse: whole(1...60_000))

  package static let threshold = Setting(
    entry: SettingEntry(
      name: "threshold", valueName: "score",
      help: "Score from which a keyword counts as heard, for all keywords alike: lower hears more, "
        + "wrongly too.",
      standard: "the model's, for each keyword its own", example: "0.6", isReloadable: true),
    expected: "a number from \(DetectorSettings.thresholdRange.lowerBound) to 1",
    parse: { text -> Float? in
      guard let number = Float(text), DetectorSettings.thresholdRange.contains(number) else {
        return nil
      }
      return number
    })

  package static let logLevel = Setting(
    entry: SettingEntry(
      name: "log-level", valueName: "level",
      help: "What is logged: "
        + Logger.Level.allCases.map(\.rawValue).joined(separator: ", ") + ".",
      standard: "info", example: "debug"),
    expected: Logger.Level.allCases.map(\.rawValue).joined(separator: ", "),
    parse: { Logger.Level(rawValue: $0) })

  package static let logFormat = Setting(
    entry: SettingEntry(
      name: "log-format", valueName: "format",
      help: "What lines of the log look like: text, json (an object a line) or journal (priorities "
        + "in place of time and level).",
      standard: "journal where standard error is a service's journal, else text", example: "json"),
    expected: LogFormat.allCases.map(\.rawValue).joined(separator: ", "),
    parse: { LogFormat(rawValue: $0) })

  package static let rate = Setting(
    entry: SettingEntry(
      name: "rate", valueName: "hertz", help: "Samples a second of what comes in by --stdin.",
      standard: "16000", example: "48000"),
    expected: "a whole number from 1000 to 384000", parse: whole(1_000...384_000))

  package static let encoding = Setting(
    entry: SettingEntry(
      name: "encoding", valueName: "name",
      help: "Encoding of the samples that come in by --stdin: "
        + SampleEncoding.allCases.map(\.rawValue).joined(separator: ", ") + ".",
      standard: "s16le", example: "f32le"),
    expected: SampleEncoding.allCases.map(\.rawValue).joined(separator: ", "),
    parse: { SampleEncoding(rawValue: $0) })

  package static let pcmChannels = Setting(
    entry: SettingEntry(
      name: "pcm-channels", valueName: "n",
      help: "Channels of what comes in by --stdin.", standard: "1", example: "2"),
    expected: "a whole number from 1 to 1024", parse: whole(1...1_024))

  package static let jobs = Setting(
    entry: SettingEntry(
      name: "jobs", valueName: "n",
      help: "Threads that batch, calibrate, features and verify work with, and that run "
        + "listens to clients with.",
      standard: "one for each core", example: "4"),
    expected: "a whole number from 1 to 1024", parse: whole(1...1_024))

  /// All of them, in the order in which people meet them.
  package static let entries: [SettingEntry] =
    [
      model.entry, threshold.entry, device.entry, stream.entry, reference.entry,
      requireDevice.entry, channels.entry,
      rate.entry, encoding.entry, pcmChannels.entry, socket.entry, socketMode.entry,
      allowRemote.entry, nativeTCP.entry,
      controlTCP.entry, controlGroup.entry, connections.entry,
      latencyBudget.entry,
    ] + mqttEntries + captureEntries + [logLevel.entry, logFormat.entry, jobs.entry]

  /// Names of those that a running daemon takes in at a reload.
  package static var reloadable: [String] { entries.filter(\.isReloadable).map(\.name) }

  /// Config/attnd.yaml: every setting, commented out, with what is said about it.
  package static var file: String {
    let opening = """
      # attnd's configuration: one setting a line, 'name: value'.
      #
      # Looked for at --config PATH, $ATTND_CONFIG, $XDG_CONFIG_HOME/attnd/attnd.yaml (without it
      # ~/.config/attnd/attnd.yaml) and /etc/attnd/attnd.yaml; the first that is there is read.
      # A flag (--name) and an environment variable (ATTND_NAME) go before what stands here.

      """
    return entries.reduce(opening) { text, entry in
      text + "\n" + comment(entry.explanation)
        + "# \(entry.name): \(entry.example)\n"
    }
  }

  /// Words in lines of at most 98 columns, each behind a '#'.
  private static func comment(_ words: String) -> String {
    var lines = ["#"]
    for word in words.split(separator: " ") {
      if lines[lines.count - 1].count + 1 + word.count > 98 { lines.append("#") }
      lines[lines.count - 1] += " " + word
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static let flag: @Sendable (String) -> Bool? = {
    switch $0 {
    case "true", "yes", "on": true
    case "false", "no", "off": false
    default: nil
    }
  }

  static let text: @Sendable (String) -> String? = { $0.isEmpty ? nil : $0 }

  static func whole(_ range: ClosedRange<Int>) -> @Sendable (String) -> Int? {
    { text in
      guard let number = Int(text), range.contains(number) else { return nil }
      return number
    }
  }
}
