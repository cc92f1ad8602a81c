import AttentionSocket
import AudioInput
import Glibc
import Logging
import TestSupport
import Testing
import attnd

@Suite("Settings")
struct SettingsTests {
  private func message(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "\(error)"
    }
  }

  // MARK: Precedence

  @Test("A flag goes before the environment, that before the file, that before the built-in value")
  func precedence() throws {
    let file = try SettingsFile("threshold: 0.3\ndevice: file\njobs: 3\n", path: "attnd.yaml")
    let settings = try Settings.resolve(
      flags: ["threshold": "0.1"],
      environment: ["ATTND_THRESHOLD": "0.2", "ATTND_DEVICE": "environment"], file: file)
    #expect(settings.threshold == 0.1)
    #expect(settings.source == .devices([DeviceChoice(device: "environment")]))
    #expect(settings.jobs == 3)
    #expect(settings.channels == .mix)
  }

  @Test(
    "Every setting is heard from each of its three places",
    arguments: ["flag", "environment", "file"])
  func places(place: String) throws {
    let values = [
      "model": "m", "device": "d", "stream": "door=hw:2@1", "reference": "r",
      "require-device": "true",
      "channels": "2", "socket": "/s", "socket-mode": "0660",
      "threshold": "0.25", "log-level": "trace", "log-format": "json",
      "rate": "8000", "encoding": "f32le",
      "pcm-channels": "4", "jobs": "7", "allow-remote": "true", "native-tcp": "true",
      "control-tcp": "true", "control-group": "g", "connections": "9",
      "latency-budget": "250",
      "mqtt": "mqtts://b", "mqtt-user": "u", "mqtt-password-file": "/p", "mqtt-ca-file": "/c",
      "mqtt-site": "kitchen", "mqtt-discovery": "false",
      "capture-directory": "/clips", "capture-before": "0.5", "capture-after": "2.5",
      "capture-most-clips": "12", "capture-most-bytes": "3MB",
    ]
    #expect(values.keys.sorted() == SettingsTable.entries.map(\.name).sorted())
    let settings: Settings
    switch place {
    case "flag": settings = try Settings.resolve(flags: values, environment: [:])
    case "environment":
      let names = SettingsTable.entries.map { ($0.environmentName, values[$0.name] ?? "") }
      settings = try Settings.resolve(environment: Dictionary(uniqueKeysWithValues: names))
    default:
      let text = values.map { "\($0): \($1)\n" }.joined()
      settings = try Settings.resolve(environment: [:], file: SettingsFile(text, path: "f"))
    }
    #expect(settings.model == "m")
    let door = try #require(DeviceChoice("door=hw:2@1"))
    #expect(settings.source == .devices([DeviceChoice(device: "d"), door]))
    #expect(settings.reference == "r")
    #expect(settings.requiresDevice)
    #expect(settings.channels == .channel(2))
    #expect(try settings.sockets == [.unix(path: "/s")])
    #expect(settings.socketMode == 0o660)
    #expect(settings.threshold == 0.25)
    #expect(settings.logLevel == .trace)
    #expect(settings.logFormat == .json)
    #expect(settings.pcm.rate == 8_000)
    #expect(settings.pcm.encoding == .f32le)
    #expect(settings.pcm.channels == 4)
    #expect(settings.jobs == 7)
    #expect(settings.connections == 9)
    #expect(settings.latencyBudget == 250)
    #expect(settings.access.allowsRemote && settings.access.nativeOverTCP)
    #expect(settings.access.controlsOverTCP && settings.access.controlGroup == "g")
    let mqtt = try #require(settings.mqtt)
    #expect(mqtt.broker == MQTTBroker("mqtts://b:8883"))
    #expect(mqtt.user == "u" && mqtt.passwordFile == "/p" && mqtt.caFile == "/c")
    #expect(mqtt.site == "kitchen" && !mqtt.isDiscoverable)
    let clips = try #require(settings.clips)
    #expect(clips.folder == "/clips" && clips.before == 0.5 && clips.after == 2.5)
    #expect(clips.mostClips == 12 && clips.mostBytes == 3_000_000)
  }

  @Test("Without a word from anybody there are built-in values")
  func standard() throws {
    let settings = try Settings.resolve(environment: ["ATTND_DEVICE": ""])
    #expect(settings.model == nil)
    #expect(settings.threshold == nil)
    #expect(settings.source == .devices([DeviceChoice(device: "default")]))
    #expect(!settings.requiresDevice)
    #expect(settings.socketMode == 0o600)
    #expect(settings.logLevel == .info)
    #expect(settings.pcm.rate == 16_000)
    #expect(settings.jobs >= 1)
    #expect(settings.mqtt == nil)
    let mqtt = try #require(Settings.resolve(environment: ["ATTND_MQTT": "mqtt://b"]).mqtt)
    #expect(mqtt.user == nil && mqtt.passwordFile == nil && mqtt.caFile == nil)
    #expect(mqtt.site == "default" && mqtt.isDiscoverable)
    #expect(settings.clips == nil, "nothing is recorded that nobody asked for")
    let clips = try #require(
      Settings.resolve(environment: ["ATTND_CAPTURE_DIRECTORY": "/c"]).clips)
    #expect(clips.before == 2 && clips.after == 1)
    #expect(clips.mostClips == 1_000 && clips.mostBytes == 1_000_000_000)
  }

  @Test(
    "Sizes have a unit or none",
    arguments: [
      ("1000000", 1_000_000), ("1MB", 1_000_000), ("1 mb", 1_000_000), ("2.5G", 2_500_000_000),
      ("1MiB", 1_048_576), ("1000kB", 1_000_000), ("1000TB", 1_000_000_000_000_000),
      ("2 GiB", 2_147_483_648),
    ])
  func sizes(text: String, bytes: Int) throws {
    let flags = ["capture-directory": "/c", "capture-most-bytes": text]
    #expect(try Settings.resolve(flags: flags, environment: [:]).clips?.mostBytes == bytes)
  }

  @Test("The socket lies in the user's run-time folder; without one, in root's or nowhere")
  func socket() throws {
    let user = try Settings.resolve(environment: ["XDG_RUNTIME_DIR": "/run/user/7"])
    #expect(try user.socket == .unix(path: "/run/user/7/attnd.sock"))
    let other = try Settings.resolve(environment: ["XDG_RUNTIME_DIR": "relative"])
    #expect(other.addresses == (geteuid() == 0 ? [.unix(path: "/run/attnd/attnd.sock")] : []))
    var nowhere = other
    nowhere.addresses = []
    #expect(throws: SettingsError.self) { try nowhere.socket }
  }

  // MARK: Values

  @Test(
    "A value that can't be is refused with what may be",
    arguments: [
      ("threshold", "1.5"), ("threshold", "-0.1"), ("threshold", "nan"), ("threshold", "half"),
      ("channels", "0"), ("channels", "left"), ("socket-mode", "0888"), ("socket-mode", "7777"),
      ("socket-mode", "6"), ("socket-mode", "+60"), ("log-level", "loud"), ("log-format", "xml"),
      ("rate", "999"), ("rate", "384001"), ("rate", "16k"), ("encoding", "mp3"),
      ("pcm-channels", "0"),
      ("jobs", "0"), ("jobs", "99999999999999999999"), ("capture-before", "0"),
      ("capture-before", "60.1"), ("capture-before", "nan"),
      ("capture-after", "-1"), ("capture-after", "2s"), ("capture-most-clips", "0"),
      ("capture-most-clips", "100001"), ("capture-most-bytes", "999999"),
      ("capture-most-bytes", "1MBit"), ("capture-most-bytes", "GB"), ("capture-most-bytes", "-1GB"),
      ("capture-most-bytes", "1e9"), ("capture-most-bytes", "1001TB"),
      ("capture-most-bytes", "1.2.3GB"),
      ("socket", "/" + String(repeating: "s", count: 107)),
    ])
  func refused(name: String, value: String) throws {
    let entry = try #require(SettingsTable.entries.first { $0.name == name })
    let flag = message { _ = try Settings.resolve(flags: [name: value], environment: [:]) }
    #expect(flag?.hasPrefix("--\(name) is '\(value)', expected ") == true)
    let variable = message {
      _ = try Settings.resolve(environment: [entry.environmentName: value])
    }
    #expect(variable?.hasPrefix("environment: \(entry.environmentName) is '\(value)', ") == true)
    let file = try SettingsFile("# first\n\(name): \(value)\n", path: "attnd.yaml")
    let line = message { _ = try Settings.resolve(environment: [:], file: file) }
    #expect(line?.hasPrefix("config attnd.yaml: line 2: \(name) is '\(value)', expected ") == true)
  }

  @Test("The daemon may be reached in several places: a list in the file, words in the environment")
  func sockets() throws {
    let expected: [SocketAddress] = [.unix(path: "/a"), .tcp(host: "::1", port: 10_400)]
    let block = try SettingsFile("socket:\n  - /a\n  - tcp://[::1]:10400\n", path: "f")
    #expect(try Settings.resolve(environment: [:], file: block).sockets == expected)
    let flow = try SettingsFile("socket: [/a, 'tcp://[::1]:10400']", path: "f")
    #expect(try Settings.resolve(environment: [:], file: flow).sockets == expected)
    let words = try Settings.resolve(environment: ["ATTND_SOCKET": " /a  tcp://[::1]:10400 "])
    #expect(try words.sockets == expected)
    let one = try Settings.resolve(flags: ["socket": "/a b"], environment: [:])
    #expect(try one.sockets == [.unix(path: "/a b")])
    #expect(message { _ = try SettingsFile("socket: []", path: "f") } != nil)
    #expect(message { _ = try SettingsFile("device: [a, b]", path: "f") } != nil)
    #expect(message { _ = try SettingsFile("socket:\n  - a: b\n", path: "f") } != nil)
  }

  @Test("Switches are on or off, wherever they stand")
  func switches() throws {
    let strict = try Settings.resolve(environment: [:])
    #expect(!strict.access.nativeOverTCP && !strict.access.allowsRemote)
    #expect(!strict.access.controlsOverTCP && strict.access.controlGroup == nil)
    let file = try SettingsFile("native-tcp: yes\ncontrol-tcp: true\nallow-remote: on", path: "f")
    let open = try Settings.resolve(flags: ["control-tcp": "false"], environment: [:], file: file)
    #expect(open.access.nativeOverTCP && open.access.allowsRemote && !open.access.controlsOverTCP)
    #expect(
      message { _ = try Settings.resolve(flags: ["allow-remote": "1"], environment: [:]) } != nil)
  }

  @Test("Sound is the device's, unless there is to be none")
  func noDevice() throws {
    func source(_ flags: [String: String]) throws -> Settings.Source {
      try Settings.resolve(flags: flags, environment: [:]).source
    }
    func device(_ name: String) -> DeviceChoice { DeviceChoice(device: name) }
    #expect(try source([:]) == .devices([device("default")]))
    #expect(try source(["device": "none"]) == .none)
    #expect(try source(["socket": "stdio://"]) == .none)
    #expect(
      try source(["socket": "stdio://", "device": "default"]) == .devices([device("default")]))
    #expect(try source(["socket": "stdio://\n/a"]) == .devices([device("default")]))
  }

  @Test("Several devices are several streams, each with a name of its own")
  func streams() throws {
    func source(_ flags: [String: String]) throws -> Settings.Source {
      try Settings.resolve(flags: flags, environment: [:]).source
    }
    let kitchen = try #require(DeviceChoice("kitchen=plughw:CARD=Mic,DEV=0"))
    #expect(kitchen.name == "kitchen" && kitchen.device == "plughw:CARD=Mic,DEV=0")
    #expect(kitchen.channels == nil)
    let door = try #require(DeviceChoice("door=hw:2@mix"))
    #expect(door.device == "hw:2" && door.channels == .mix)
    let both = "kitchen=plughw:CARD=Mic,DEV=0\ndoor=hw:2@mix"
    #expect(try source(["stream": both]) == .devices([kitchen, door]))
    #expect(
      try source(["stream": both, "device": "hw:0"])
        == .devices([DeviceChoice(device: "hw:0"), kitchen, door]))
    let file = try SettingsFile("stream: ['door=hw:2@mix']", path: "f")
    #expect(try Settings.resolve(environment: [:], file: file).source == .devices([door]))
    for wrong in ["hw:CARD=Mic", "=a", "a=", "self=a", "A=a", "a=b@0", "a=b@x", "a=b\na=c", ""] {
      #expect(
        message { _ = try Settings.resolve(flags: ["stream": wrong], environment: [:]) } != nil
          || wrong.isEmpty, "\(wrong)")
    }
    #expect(message { _ = try source(["stream": both, "device": "none"]) } != nil)
    #expect(message { _ = try source(["stream": "mic=a", "device": "b"]) } != nil)
  }

  @Test("What was typed wrong ends with 64, what is configured wrong with 78")
  func exitCodes() throws {
    #expect(throws: SettingsError.self) {
      try Settings.resolve(flags: ["jobs": "0"], environment: [:])
    }
    func code(_ flags: [String: String], _ environment: [String: String]) -> Int32? {
      do throws(SettingsError) {
        _ = try Settings.resolve(flags: flags, environment: environment)
        return nil
      } catch {
        return error.exitStatus
      }
    }
    #expect(code(["jobs": "0"], [:]) == 64)
    #expect(code([:], ["ATTND_JOBS": "0"]) == 78)
    // What a flag overrides isn't looked at.
    #expect(code(["jobs": "1"], ["ATTND_JOBS": "0"]) == nil)
  }

  @Test("Variables that look like settings and are none are pointed out")
  func warnings() {
    #expect(
      Settings.warnings(about: [
        "ATTND_TRESHOLD": "1", "ATTND_COLOUR": "1", "ATTND_CONFIG": "x", "ATTND_SOCKET": "x",
        "HOME": "/",
      ]) == [
        "environment: unknown variable ATTND_COLOUR is ignored",
        "environment: unknown variable ATTND_TRESHOLD (ATTND_THRESHOLD?) is ignored",
      ])
  }

  // MARK: The file

  @Test("Names, values, quotes and comments are read")
  func lines() throws {
    let text = """
      # a comment
      ---
      device: plughw:CARD=Mic,DEV=0   # the one on the desk

      model: 'it''s here: #1'\t# quoted
      socket: "/run/a \\"b\\" \\\\c"
      threshold:   0.5\r
      channels: mix#1
      socket-mode: 0660
      """
    let file = try SettingsFile(text, path: "attnd.yaml")
    #expect(
      file.values == [
        "device": "plughw:CARD=Mic,DEV=0", "model": "it's here: #1",
        "socket": "/run/a \"b\" \\c", "threshold": "0.5", "channels": "mix#1",
        "socket-mode": "0660",
      ])
    #expect(file.lines["model"] == 5)
    for nothing in ["", "\n\n", "# jobs: 4", "---", "---\n...\n", "\u{FEFF}# with a mark\n"] {
      #expect(try SettingsFile(nothing, path: "attnd.yaml").lines.isEmpty, "'\(nothing)'")
    }
    let folded = try SettingsFile(
      "\u{FEFF}device: >-\r\n  plug:\r\n  default\r\njobs: !!str 4\r\n", path: "attnd.yaml")
    #expect(folded.values == ["device": "plug: default", "jobs": "4"])
    #expect(folded.lines == ["device": 1, "jobs": 4])
    #expect(try SettingsFile("{jobs: 4}", path: "attnd.yaml").values == ["jobs": "4"])
  }

  @Test(
    "A line that can't be is named with its number",
    arguments: [
      ("\n\ntreshold: 0.5", "line 3: unknown key 'treshold' (threshold?)"),
      ("colour: red", "line 1: unknown key 'colour'"),
      ("jobs: 1\njobs: 2", "line 2: jobs stands there twice"),
      ("jobs", "line 1: no mapping"),
      ("jobs:4", "line 1: no mapping"),
      ("- jobs: 4", "line 1: no mapping"),
      ("jobs:", "line 1: jobs has no plain value"),
      ("jobs: # 4", "line 1: jobs has no plain value"),
      ("device:\n  name: x", "line 1: device has no plain value"),
      ("jobs: 1\ndevice: [a, b]", "line 2: device has no plain value"),
      ("jobs: 1\ndevice: a: b", "line 2: "),
      ("device: 'a", "line 1: "),
      ("device: \"\\q\"", "line 1: "),
      ("\tjobs: 4", "line 1: "),
      ("device: &a x\nsocket: *b", "line 2: "),
      ("device: &a x\nsocket: *a", "line 2: aliases ('*name') are not read"),
      ("jobs: 1\n---\njobs: 2", "line 2: a second document begins"),
      ("jobs: 1\ndevice: a\u{7}b", "line 2: control characters are not allowed"),
      ("jobs: 1\ndevice: a\u{0}b", "line 2: control characters are not allowed"),
      ("? [jobs]\n: 4", "line 1: unknown key '?'"),
      ("device: {a: {b: 1}}", "line 1: device has no plain value"),
      (
        String(repeating: "[", count: 30_000), "line 1: it nests deeper than 8 levels"
      ),
    ])
  func malformed(text: String, complaint: String) {
    let message = message { _ = try SettingsFile(text, path: "attnd.yaml") }
    #expect(message?.hasPrefix("config attnd.yaml: " + complaint) == true, "\(message ?? "none")")
    #expect(message?.contains("\n") == false)
  }

  @Test("Config/attnd.yaml is what the table says, and uncommented it can be read")
  func shipped() throws {
    let shipped = String(
      decoding: try fileBytes(Golden.path("../../Config/attnd.yaml")), as: UTF8.self)
    #expect(shipped == SettingsTable.file)
    let names = SettingsTable.entries.map(\.name)
    let uncommented = shipped.split(separator: "\n").filter { line in
      names.contains { line.hasPrefix("# \($0): ") }
    }.map { $0.dropFirst(2) }
    #expect(uncommented.count == names.count)
    let file = try SettingsFile(uncommented.joined(separator: "\n"), path: "attnd.yaml")
    _ = try Settings.resolve(environment: [:], file: file)
    #expect(try SettingsFile(shipped, path: "attnd.yaml").lines.isEmpty)
  }

  // MARK: Where the file is

  /// A folder that goes away, with files in it.
  private func withFiles(
    _ files: [String: String], _ body: (_ folder: String) throws -> Void
  ) throws {
    let folder = try TemporaryFolder()
    for name in ["xdg", "xdg/attnd", "home", "home/.config", "home/.config/attnd"] {
      mkdir(folder(name), 0o700)
    }
    for (name, text) in files { _ = try folder.file(name, Array(text.utf8)) }
    try body(folder.path)
  }

  @Test("The file that is named is read, else the variable's, the user's, the system's, or none")
  func search() throws {
    let files = [
      "named.yaml": "jobs: 1", "variable.yaml": "jobs: 2", "xdg/attnd/attnd.yaml": "jobs: 3",
      "home/.config/attnd/attnd.yaml": "jobs: 4", "system.yaml": "jobs: 5",
    ]
    try withFiles(files) { (folder: String) throws in
      var environment = [
        "ATTND_CONFIG": "\(folder)/variable.yaml", "XDG_CONFIG_HOME": "\(folder)/xdg",
        "HOME": "\(folder)/home",
      ]
      func jobs(named: String? = nil, system: String = "system.yaml") throws -> String? {
        try SettingsFile.find(
          named: named, environment: environment, system: "\(folder)/\(system)")?
          .values["jobs"]
      }
      #expect(try jobs(named: "\(folder)/named.yaml") == "1")
      #expect(try jobs() == "2")
      environment["ATTND_CONFIG"] = ""
      #expect(try jobs() == "3")
      environment["XDG_CONFIG_HOME"] = "relative"
      #expect(try jobs() == "4")
      environment["HOME"] = "\(folder)/nobody"
      #expect(try jobs() == "5")
      #expect(try jobs(system: "none.yaml") == nil)

      let missing = "\(folder)/missing.yaml"
      #expect(
        message { _ = try jobs(named: missing) }
          == "config \(missing): No such file or directory")
      #expect(
        message { _ = try jobs(named: folder) } == "config \(folder): not a regular file")
    }
  }

  @Test("A file that is there but can't be read isn't passed over")
  func unreadable() throws {
    try withFiles(["big.yaml": String(repeating: "#", count: SettingsFile.largest + 1)]) { folder in
      let path = "\(folder)/big.yaml"
      #expect(
        message { _ = try SettingsFile.find(named: nil, environment: [:], system: path) }
          == "config \(path): has more than 65536 bytes, the most that is read")
    }
  }
}
