import AttentionSocket
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
    /// Capture devices, each a stream; one at least.
    case devices([DeviceChoice])
    /// A recording.
    case file(String)
    /// Samples on standard input.
    case standardInput
    /// None: only clients bring sound.
    case none
  }

  /// The model file; nil for the model that the program carries.
  package var model: String?
  /// The threshold of every keyword; nil for the model's own.
  package var threshold: Float?
  /// Where sound comes from.
  package var source: Source
  /// The device that gives what the machine itself plays; nil for none.
  package var reference: String?
  /// Whether devices must be there at the start.
  package var requiresDevice: Bool
  /// Which of the source's channels to listen to.
  package var channels: ChannelSelection
  /// What comes in by --stdin.
  package var pcm: PCMFormat
  /// Where the daemon is to be reached; empty where nobody said so and there is no folder for it.
  package var addresses: [SocketAddress]
  /// Whether nobody named the socket, so that its folder is ours to make.
  package var isSocketStandard: Bool
  /// The permissions of Unix sockets.
  package var socketMode: UInt32
  /// Who may do what.
  package var access: Access
  /// Most connections at once.
  package var connections: Int
  /// How long after its capture a frame may leave, in milliseconds.
  package var latencyBudget: Int
  /// Which MQTT broker to tell; nil for none.
  package var mqtt: MQTTSettings?
  /// How the sound around a detection is kept; nil when it isn't.
  package var clips: ClipSettings?
  /// What is logged.
  package var logLevel: Logger.Level
  /// What lines of the log look like.
  package var logFormat: LogFormat
  /// Threads to work with.
  package var jobs: Int
  /// What was said of each, by name, where anything was.
  package var texts: [String: String]

  /// Who may do what over which kind of connection.
  package struct Access: Sendable, Equatable {
    /// Whether all addresses of the machine may be named at once.
    package var allowsRemote = false
    /// Whether other machines may use attnd's own events.
    package var nativeOverTCP = false
    /// Whether processes of this machine may control the daemon over TCP.
    package var controlsOverTCP = false
    /// The group whose members may control the daemon; nil for none.
    package var controlGroup: String?
  }

  /// Where the daemon is to be reached, for those who need to know; one place at least.
  package var sockets: [SocketAddress] {
    get throws(SettingsError) {
      guard !addresses.isEmpty else {
        throw .usage(
          "without XDG_RUNTIME_DIR there is no place for the socket: name one by --socket")
      }
      return addresses
    }
  }

  /// Where a client finds the daemon: the first place.
  package var socket: SocketAddress {
    get throws(SettingsError) { try sockets[0] }
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
    let named = try places.value(of: SettingsTable.socket)
    let streams = try places.value(of: SettingsTable.stream) ?? []
    let reference = try places.value(of: SettingsTable.reference)
    guard reference == nil || !streams.contains(where: { $0.name == DeviceChoice.referenceName })
    else {
      throw .usage(
        "--reference is the stream '\(DeviceChoice.referenceName)': give that of --stream another "
          + "name")
    }
    return Settings(
      model: try places.value(of: SettingsTable.model),
      threshold: try places.value(of: SettingsTable.threshold),
      source: try source(
        device: places.value(of: SettingsTable.device),
        streams: streams,
        talksOverStandardStreams: named == [.standardStreams]),
      reference: reference,
      requiresDevice: try places.value(of: SettingsTable.requireDevice) ?? false,
      channels: try places.value(of: SettingsTable.channels) ?? .mix,
      pcm: PCMFormat(
        encoding: try places.value(of: SettingsTable.encoding) ?? .s16le,
        rate: try places.value(of: SettingsTable.rate) ?? 16_000,
        channels: try places.value(of: SettingsTable.pcmChannels) ?? 1),
      addresses: named ?? standardSocket(environment).map { [.unix(path: $0)] } ?? [],
      isSocketStandard: named == nil,
      socketMode: try places.value(of: SettingsTable.socketMode) ?? 0o600,
      access: Access(
        allowsRemote: try places.value(of: SettingsTable.allowRemote) ?? false,
        nativeOverTCP: try places.value(of: SettingsTable.nativeTCP) ?? false,
        controlsOverTCP: try places.value(of: SettingsTable.controlTCP) ?? false,
        controlGroup: try places.value(of: SettingsTable.controlGroup)),
      connections: try places.value(of: SettingsTable.connections) ?? 64,
      latencyBudget: try places.value(of: SettingsTable.latencyBudget) ?? 100,
      mqtt: try MQTTSettings(places),
      clips: try ClipSettings(places),
      logLevel: try places.value(of: SettingsTable.logLevel) ?? .info,
      logFormat: try places.value(of: SettingsTable.logFormat) ?? .found(environment: environment),
      jobs: try places.value(of: SettingsTable.jobs)
        ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
      texts: places.texts)
  }

  private static func source(
    device: String?, streams: [DeviceChoice], talksOverStandardStreams: Bool
  ) throws(SettingsError) -> Source {
    if device == "none" {
      guard streams.isEmpty else {
        throw .usage("--device none and --stream exclude one another")
      }
      return .none
    }
    guard device != nil || streams.isEmpty else { return .devices(streams) }
    if device == nil && talksOverStandardStreams { return .none }
    guard !streams.contains(where: { $0.name == DeviceChoice.usualName }) else {
      throw .usage(
        "--device is the stream '\(DeviceChoice.usualName)': give that of --stream another name")
    }
    return .devices([DeviceChoice(device: device ?? "default")] + streams)
  }

  /// A line for each variable of the environment that looks like a setting and is none.
  ///
  /// - Parameter environment: The process's environment.
  /// - Returns: The lines, in the order of the names.
  package static func warnings(about environment: [String: String]) -> [String] {
    let others =
      [
        "ATTND_CONFIG", "ATTND_DATA", "ATTND_GOLDEN", "ATTND_PROTOCOL", "ATTND_TEST_LONG",
        "ATTND_TEST_SEED", InstructionSet.variable,
      ] + DetectionCommands.variables
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
struct SettingPlaces {
  private let reader: ConfigReader
  private let flags: [String: String]
  private let environment: [String: String]
  private let file: SettingsFile?

  init(flags: [String: String], environment: [String: String], file: SettingsFile?) {
    var environment = environment.filter { $0.key.hasPrefix("ATTND_") && !$0.value.isEmpty }
    for entry in SettingsTable.entries where entry.hasSeveral {
      environment[entry.environmentName] = environment[entry.environmentName].map {
        $0.split { $0.isWhitespace }.joined(separator: "\n")
      }
    }
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

  /// What the first place with a setting says of it, by name.
  var texts: [String: String] {
    var texts: [String: String] = [:]
    for entry in SettingsTable.entries {
      texts[entry.name] = reader.string(forKey: ConfigKey([entry.name]))
    }
    return texts
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
