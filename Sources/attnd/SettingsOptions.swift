import ArgumentParser
import AttentionSocket
import FoundationEssentials
import Logging
import ModelFile

// The flags of settings. They are taken as text: SettingsTable checks them together with what
// stands elsewhere.

extension ArgumentHelp {
  /// The help of a setting's flag.
  init(_ entry: SettingEntry) {
    self.init(
      entry.isSwitch ? entry.help : "\(entry.help) (default: \(entry.standard))",
      valueName: entry.valueName)
  }
}

extension SettingsError {
  var exitCode: ExitCode { ExitCode(exitStatus) }
}

/// Where the configuration file is.
struct ConfigurationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The configuration file (default: the first of $ATTND_CONFIG, "
        + "$XDG_CONFIG_HOME/attnd/attnd.yaml, /etc/attnd/attnd.yaml).", valueName: "path"),
    completion: .file(extensions: ["yaml"]))
  var config: String?

  /// All settings, with these flags before what the environment and the file say.
  fileprivate func resolve(_ flags: [String: String?]) throws -> Settings {
    let environment = ProcessInfo.processInfo.environment
    for warning in Settings.warnings(about: environment) {
      StandardError.write("attnd: \(warning)\n")
    }
    return try Settings.resolve(
      flags: flags.compactMapValues(\.self), environment: environment,
      file: SettingsFile.find(named: config, environment: environment))
  }
}

/// Which model, and which channel of the sound.
struct ModelOptions: ParsableArguments {
  @OptionGroup var configuration: ConfigurationOptions

  @Option(help: ArgumentHelp(SettingsTable.model.entry), completion: .file())
  var model: String?

  @Option(help: ArgumentHelp(SettingsTable.channels.entry))
  var channels: String?

  fileprivate var flags: [String: String?] {
    [SettingsTable.model.entry.name: model, SettingsTable.channels.entry.name: channels]
  }

  /// The settings of a command that works on recordings.
  func resolve(jobs: String?) throws -> Settings {
    try configuration.resolve(flags.merging([SettingsTable.jobs.entry.name: jobs]) { $1 })
  }
}

/// What to listen for, and how.
struct ListeningOptions: ParsableArguments {
  @OptionGroup var model: ModelOptions

  @Option(help: ArgumentHelp(SettingsTable.threshold.entry))
  var threshold: String?

  @Option(help: ArgumentHelp(SettingsTable.logLevel.entry))
  var logLevel: String?

  @Option(help: ArgumentHelp(SettingsTable.logFormat.entry))
  var logFormat: String?

  private var flags: [String: String?] {
    model.flags.merging([
      SettingsTable.threshold.entry.name: threshold,
      SettingsTable.logLevel.entry.name: logLevel,
      SettingsTable.logFormat.entry.name: logFormat,
    ]) { $1 }
  }

  /// The settings of a command that works on recordings.
  func resolve(jobs: String?) throws -> Settings {
    try model.configuration.resolve(flags.merging([SettingsTable.jobs.entry.name: jobs]) { $1 })
  }

  /// The settings of the daemon.
  func resolve(
    source: SourceOptions, socket: SocketOptions, mqtt: MQTTOptions, clips: ClipOptions,
    jobs: String?
  ) throws -> Settings {
    let flags = flags.merging(source.flags) { $1 }.merging(socket.flags) { $1 }
      .merging(mqtt.flags) { $1 }
      .merging(clips.flags) { $1 }
      .merging([SettingsTable.jobs.entry.name: jobs]) { $1 }
    var settings = try model.configuration.resolve(flags)
    if let choice = try source.choice() { settings.source = choice }
    return settings
  }
}

/// Where sound comes from.
struct SourceOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.device.entry))
  var device: String?

  @Option(help: ArgumentHelp(SettingsTable.stream.entry))
  var stream: [String] = []

  @Option(help: ArgumentHelp(SettingsTable.reference.entry))
  var reference: String?

  @Flag(help: ArgumentHelp(SettingsTable.requireDevice.entry))
  var requireDevice = false

  @Option(
    help: ArgumentHelp("A recording to listen to in place of a device.", valueName: "path"),
    completion: .file())
  var file: String?

  @Flag(help: "Listen to samples on standard input, as --rate, --encoding, --pcm-channels say.")
  var stdin = false

  @Option(help: ArgumentHelp(SettingsTable.rate.entry))
  var rate: String?

  @Option(help: ArgumentHelp(SettingsTable.encoding.entry))
  var encoding: String?

  @Option(help: ArgumentHelp(SettingsTable.pcmChannels.entry))
  var pcmChannels: String?

  fileprivate var flags: [String: String?] {
    [
      SettingsTable.device.entry.name: device,
      SettingsTable.stream.entry.name: stream.isEmpty ? nil : stream.joined(separator: "\n"),
      SettingsTable.reference.entry.name: reference,
      SettingsTable.requireDevice.entry.name: requireDevice ? "true" : nil,
      SettingsTable.rate.entry.name: rate,
      SettingsTable.encoding.entry.name: encoding,
      SettingsTable.pcmChannels.entry.name: pcmChannels,
    ]
  }

  /// The one source that the flags name; nil when that is for the device's setting to say.
  fileprivate func choice() throws(SettingsError) -> Settings.Source? {
    let given = [
      (device != nil || !stream.isEmpty, device != nil ? "--device" : "--stream"),
      (file != nil, "--file"), (stdin, "--stdin"),
    ].filter(\.0).map(\.1)
    guard given.count <= 1 else {
      throw .usage("\(given.joined(separator: " and ")) exclude one another: sound has one source")
    }
    if let file { return .file(file) }
    return stdin ? .standardInput : nil
  }
}

/// Where the daemon is to be reached.
struct SocketOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.socket.entry))
  var socket: [String] = []

  @Option(help: ArgumentHelp(SettingsTable.socketMode.entry))
  var socketMode: String?

  @Flag(help: ArgumentHelp(SettingsTable.allowRemote.entry))
  var allowRemote = false

  @Flag(
    name: .customLong(SettingsTable.nativeTCP.entry.name),
    help: ArgumentHelp(SettingsTable.nativeTCP.entry))
  var nativeTCP = false

  @Flag(
    name: .customLong(SettingsTable.controlTCP.entry.name),
    help: ArgumentHelp(SettingsTable.controlTCP.entry))
  var controlTCP = false

  @Option(help: ArgumentHelp(SettingsTable.controlGroup.entry))
  var controlGroup: String?

  @Option(help: ArgumentHelp(SettingsTable.connections.entry))
  var connections: String?

  @Option(help: ArgumentHelp(SettingsTable.latencyBudget.entry))
  var latencyBudget: String?

  fileprivate var flags: [String: String?] {
    [
      SettingsTable.socket.entry.name: socket.isEmpty ? nil : socket.joined(separator: "\n"),
      SettingsTable.socketMode.entry.name: socketMode,
      SettingsTable.allowRemote.entry.name: allowRemote ? "true" : nil,
      SettingsTable.nativeTCP.entry.name: nativeTCP ? "true" : nil,
      SettingsTable.controlTCP.entry.name: controlTCP ? "true" : nil,
      SettingsTable.controlGroup.entry.name: controlGroup,
      SettingsTable.connections.entry.name: connections,
      SettingsTable.latencyBudget.entry.name: latencyBudget,
    ]
  }
}

/// Which daemon to talk to.
struct DaemonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The daemon's socket: its path, or tcp://HOST:PORT "
        + "(default: \(SettingsTable.socket.entry.standard)).", valueName: "address"))
  var socket: String?

  @OptionGroup var configuration: ConfigurationOptions

  /// Where it is to be found: the first of its places that a client can connect to.
  func address() throws -> SocketAddress {
    let settings = try configuration.resolve([SettingsTable.socket.entry.name: socket])
    guard let address = try settings.sockets.first(where: { $0 != .standardStreams }) else {
      throw SettingsError.usage(
        "at stdio:// only whoever starts the daemon can talk to it; name another by --socket")
    }
    return address
  }
}

extension Settings {
  /// A logger that writes what the settings ask for.
  func makeLogger() -> Logger { .attnd(level: logLevel, format: logFormat) }

  /// The model that the settings name, or the one that the program carries.
  func loadModel() throws -> ModelFile { try Self.loadModel(at: model) }

  /// The model that the settings name, and the file that it was read from, byte for byte.
  func loadModelWithBytes() throws -> (model: ModelFile, bytes: [UInt8]) {
    guard let path = model else {
      let bytes = ModelFile.embeddedBytes
      return (try ModelFile(bytes: bytes, name: ModelFile.embeddedName), bytes)
    }
    let bytes = try ModelFile.bytes(path: path)
    return (try ModelFile(bytes: bytes, name: path), bytes)
  }

  /// The model of a file, or the one that the program carries.
  static func loadModel(at path: String?) throws -> ModelFile {
    guard let path else { return try ModelFile.embedded() }
    return try ModelFile(path: path)
  }
}
