import ArgumentParser
import FoundationEssentials
import Logging
import ModelFile

// The flags of settings. They are taken as text: SettingsTable checks them together with what
// stands elsewhere.

extension ArgumentHelp {
  /// The help of a setting's flag.
  init(_ entry: SettingEntry) {
    self.init(
      "\(entry.help) (default: \(entry.standard))", valueName: entry.valueName)
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

  /// The settings of a command that only needs the socket.
  func resolve(socket: SocketOptions) throws -> Settings {
    try resolve(socket.flags)
  }

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

  private var flags: [String: String?] {
    model.flags.merging([
      SettingsTable.threshold.entry.name: threshold,
      SettingsTable.logLevel.entry.name: logLevel,
    ]) { $1 }
  }

  /// The settings of a command that works on recordings.
  func resolve(jobs: String?) throws -> Settings {
    try model.configuration.resolve(flags.merging([SettingsTable.jobs.entry.name: jobs]) { $1 })
  }

  /// The settings of the daemon.
  func resolve(source: SourceOptions, socket: SocketOptions) throws -> Settings {
    let flags = flags.merging(source.flags) { $1 }.merging(socket.flags) { $1 }
    var settings = try model.configuration.resolve(flags)
    settings.source = try source.choice()
    return settings
  }
}

/// Where sound comes from.
struct SourceOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.device.entry))
  var device: String?

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
      SettingsTable.rate.entry.name: rate,
      SettingsTable.encoding.entry.name: encoding,
      SettingsTable.pcmChannels.entry.name: pcmChannels,
    ]
  }

  /// The one source that the flags name.
  fileprivate func choice() throws(SettingsError) -> Settings.Source {
    let given = [(device != nil, "--device"), (file != nil, "--file"), (stdin, "--stdin")]
      .filter(\.0).map(\.1)
    guard given.count <= 1 else {
      throw .usage("\(given.joined(separator: " and ")) exclude one another: sound has one source")
    }
    if let file { return .file(file) }
    return stdin ? .standardInput : .device
  }
}

/// Where the daemon is to be reached.
struct SocketOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.socket.entry))
  var socket: String?

  @Option(help: ArgumentHelp(SettingsTable.socketMode.entry))
  var socketMode: String?

  fileprivate var flags: [String: String?] {
    [
      SettingsTable.socket.entry.name: socket, SettingsTable.socketMode.entry.name: socketMode,
    ]
  }
}

extension Settings {
  /// A logger that writes what the settings ask for.
  func makeLogger() -> Logger { .attnd(level: logLevel) }

  /// The model that the settings name, or the one that the program carries.
  func loadModel() throws -> ModelFile {
    guard let model else { return try ModelFile.embedded() }
    return try ModelFile(path: model)
  }
}

extension Logger {
  /// The program's logger: lines on standard error, which a service's journal collects.
  static func attnd(level: Level) -> Logger {
    var logger = Logger(label: "attnd") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = level
    return logger
  }
}
