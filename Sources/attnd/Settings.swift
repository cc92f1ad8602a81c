import AudioInput
import Configuration
import Glibc
import KernelDispatch
import Logging
import ModelFile

/// The settings of a run, each checked: flags before environment before file before built-in.
///
/// SettingsTable says what each is. What is resolved here isn't checked again.
package struct Settings: Sendable {
  /// Where sound comes from.
  package enum Source: Sendable, Equatable {
    /// The capture device that the settings name.
    case device
    /// A recording.
    case file(String)
    /// Samples on standard input.
    case standardInput
  }

  /// The model file; nil for the model that the program carries.
  package var model: String?
  /// The threshold of every keyword; nil for the model's own.
  package var threshold: Float?
  /// Where sound comes from; only flags say so.
  package var source = Source.device
  /// The ALSA capture device.
  package var device: String
  /// Which of the source's channels to listen to.
  package var channels: ChannelSelection
  /// What comes in by --stdin.
  package var pcm: PCMFormat
  /// The Unix socket; nil where nobody named one and there is no folder for it.
  package var socketPath: String?
  /// Whether nobody named the socket, so that its folder is ours to make.
  package var isSocketStandard: Bool
  /// The socket's permissions.
  package var socketMode: UInt32
  /// What is logged.
  package var logLevel: Logger.Level
  /// Threads to work with.
  package var jobs: Int

  /// The Unix socket, for those who need one.
  package var socket: String {
    get throws(SettingsError) {
      guard let socketPath else {
        throw .usage(
          "without XDG_RUNTIME_DIR there is no place for the socket: name one by --socket")
      }
      return socketPath
    }
  }

  /// Finds each setting in the first place that has it, and checks it.
  ///
  /// - Parameters:
  ///   - flags: What was given as flags, by name.
  ///   - environment: The process's environment; empty variables count as absent.
  ///   - file: The configuration file, if there is one.
  /// - Returns: All settings.
  /// - Throws: `SettingsError` for the first value that can't be, with the place it stands in.
  package static func resolve(
    flags: [String: String] = [:], environment: [String: String], file: SettingsFile? = nil
  ) throws(SettingsError) -> Settings {
    let places = SettingPlaces(flags: flags, environment: environment, file: file)
    return Settings(
      model: try places.value(of: SettingsTable.model),
      threshold: try places.value(of: SettingsTable.threshold),
      device: try places.value(of: SettingsTable.device) ?? "default",
      channels: try places.value(of: SettingsTable.channels) ?? .mix,
      pcm: PCMFormat(
        encoding: try places.value(of: SettingsTable.encoding) ?? .s16le,
        rate: try places.value(of: SettingsTable.rate) ?? 16_000,
        channels: try places.value(of: SettingsTable.pcmChannels) ?? 1),
      socketPath: try places.value(of: SettingsTable.socket) ?? standardSocket(environment),
      isSocketStandard: try places.value(of: SettingsTable.socket) == nil,
      socketMode: try places.value(of: SettingsTable.socketMode) ?? 0o600,
      logLevel: try places.value(of: SettingsTable.logLevel) ?? .info,
      jobs: try places.value(of: SettingsTable.jobs)
        ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
  }

  /// A line for each variable of the environment that looks like a setting and is none.
  ///
  /// - Parameter environment: The process's environment.
  /// - Returns: The lines, in the order of the names.
  package static func warnings(about environment: [String: String]) -> [String] {
    let others = [
      "ATTND_CONFIG", "ATTND_DATA", "ATTND_GOLDEN", "ATTND_TEST_SEED", InstructionSet.variable,
    ]
    let prefix = "ATTND_"
    let known = SettingsTable.entries.map(\.environmentName) + others
    return environment.keys.filter { $0.hasPrefix(prefix) && !known.contains($0) }.sorted().map {
      // Without the prefix, which would make all of them look alike.
      let nearest =
        nearestName(
          to: String($0.dropFirst(prefix.count)),
          among: known.map { String($0.dropFirst(prefix.count)) }
        ).map { " (\(prefix)\($0)?)" } ?? ""
      return "environment: unknown variable \($0)\(nearest) is ignored"
    }
  }

  /// The user's run-time folder; without one, the service's, which is root's alone.
  private static func standardSocket(_ environment: [String: String]) -> String? {
    if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") {
      return folder + "/attnd.sock"
    }
    return geteuid() == 0 ? "/run/attnd/attnd.sock" : nil
  }
}

/// The places in which a setting is looked for, the first of them first.
private struct SettingPlaces {
  private let reader: ConfigReader
  private let flags: [String: String]
  private let environment: [String: String]
  private let file: SettingsFile?

  init(flags: [String: String], environment: [String: String], file: SettingsFile?) {
    let environment = environment.filter { $0.key.hasPrefix("ATTND_") && !$0.value.isEmpty }
    self.flags = flags
    self.environment = environment
    self.file = file
    // All three hold texts under `attnd.NAME`, which the environment's provider spells ATTND_NAME.
    func provider(_ name: String, _ values: [String: String]) -> InMemoryProvider {
      InMemoryProvider(
        name: name,
        values: Dictionary(
          uniqueKeysWithValues: values.map {
            (AbsoluteConfigKey(["attnd", $0.key]), ConfigValue(.string($0.value), isSecret: false))
          }))
    }
    reader = ConfigReader(providers: [
      provider("flags", flags),
      EnvironmentVariablesProvider(environmentVariables: environment),
      provider("file", file?.values ?? [:]),
    ]).scoped(to: ConfigKey(["attnd"]))
  }

  func value<Value>(of setting: Setting<Value>) throws(SettingsError) -> Value? {
    guard let text = reader.string(forKey: ConfigKey([setting.entry.name])) else { return nil }
    guard let value = setting.parse(text) else {
      throw .value(origin: origin(of: setting.entry), found: text, expected: setting.expected)
    }
    return value
  }

  private func origin(of entry: SettingEntry) -> SettingOrigin {
    if flags[entry.name] != nil { return .flag(entry.name) }
    if environment[entry.environmentName] != nil { return .environment(entry.environmentName) }
    return .file(file?.path ?? "", line: file?.lines[entry.name] ?? 0, key: entry.name)
  }
}
