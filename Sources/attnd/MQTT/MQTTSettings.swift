import ModelFile

/// How the daemon tells a broker what it hears.
package struct MQTTSettings: Sendable, Equatable {
  /// Where the broker is.
  package var broker: MQTTBroker
  /// Who to be there; nil for nobody in particular.
  package var user: String?
  /// The file that holds the user's password.
  package var passwordFile: String?
  /// The certificates that the broker's has to be signed with; nil for the system's.
  package var caFile: String?
  /// The room, as Hermes has it.
  package var site: String
  /// Whether Home Assistant is to know the daemon as a device.
  package var isDiscoverable: Bool

  /// Finds the settings of MQTT; nil when no broker is named.
  ///
  /// - Parameter places: Where settings are looked for.
  /// - Throws: `SettingsError` for a value that can't be, and for values that don't go together.
  init?(_ places: SettingPlaces) throws(SettingsError) {
    guard let broker = try Self.broker(places) else { return nil }
    self.broker = broker
    user = try places.value(of: SettingsTable.mqttUser)
    passwordFile = try places.value(of: SettingsTable.mqttPasswordFile)
    caFile = try places.value(of: SettingsTable.mqttCAFile)
    site = try places.value(of: SettingsTable.mqttSite) ?? "default"
    isDiscoverable = try places.value(of: SettingsTable.mqttDiscovery) ?? true
    if passwordFile != nil, user == nil {
      throw .usage("mqtt-password-file: whose password? MQTT has none without mqtt-user")
    }
    if caFile != nil, !broker.isEncrypted {
      throw .usage("mqtt-ca-file: mqtt is \(broker), without TLS; name the broker by mqtts://")
    }
  }

  /// The broker; a password that somebody wrote into its address isn't said again.
  private static func broker(_ places: SettingPlaces) throws(SettingsError) -> MQTTBroker? {
    do {
      return try places.value(of: SettingsTable.mqtt)
    } catch .value(let origin, let found, let expected) {
      guard let at = found.lastIndex(of: "@") else {
        throw .value(origin: origin, found: found, expected: expected)
      }
      throw .value(origin: origin, found: "..." + found[at...], expected: expected)
    }
  }

  /// The password; nil for none.
  ///
  /// - Returns: What the file holds, without the end of its line.
  /// - Throws: `MQTTError.password`.
  func password() throws(MQTTError) -> String? {
    guard let passwordFile else { return nil }
    let bytes: [UInt8]
    do {
      // MQTT 3.1.1 takes a password of 65,535 bytes.
      bytes = try readRegularFile(passwordFile, limit: 65_537)
    } catch {
      throw .password(file: passwordFile, reason: error.description)
    }
    guard var text = String(validating: bytes, as: UTF8.self), !text.contains("\0") else {
      throw .password(file: passwordFile, reason: "isn't text in UTF-8")
    }
    // "\r\n" is one character.
    if text.last?.isNewline == true { text.removeLast() }
    guard !text.isEmpty else { throw .password(file: passwordFile, reason: "is empty") }
    return text
  }
}

extension SettingsTable {
  package static let mqtt = Setting(
    entry: SettingEntry(
      name: "mqtt", valueName: "broker",
      help: "The MQTT broker that detections are told to, as Docs/mqtt.md describes it: "
        + "mqtt://HOST[:PORT], or mqtts:// for TLS.",
      standard: "none", example: "mqtts://homeassistant.local"),
    expected: MQTTBroker.expected, parse: { MQTTBroker($0) })

  package static let mqttUser = Setting(
    entry: SettingEntry(
      name: "mqtt-user", valueName: "name", help: "Who to be at the broker.",
      standard: "nobody in particular", example: "attnd"),
    expected: "a name", parse: text)

  package static let mqttPasswordFile = Setting(
    entry: SettingEntry(
      name: "mqtt-password-file", valueName: "path",
      help: "A file with the password for the broker and nothing else.",
      standard: "none", example: "/etc/attnd/mqtt-password"),
    expected: "a path", parse: text)

  package static let mqttCAFile = Setting(
    entry: SettingEntry(
      name: "mqtt-ca-file", valueName: "path",
      help: "Certificates (PEM) that the broker's must be signed with, for mqtts://.",
      standard: "those of the system", example: "/etc/attnd/broker-ca.pem"),
    expected: "a path", parse: text)

  package static let mqttSite = Setting(
    entry: SettingEntry(
      name: "mqtt-site", valueName: "name",
      help: "The room that this daemon listens to: Hermes' siteId.",
      standard: "default", example: "kitchen"),
    expected: "a name of 1 to 64 characters", parse: { (1...64).contains($0.count) ? $0 : nil })

  package static let mqttDiscovery = Setting(
    entry: SettingEntry(
      name: "mqtt-discovery", valueName: "choice",
      help: "Whether Home Assistant gets to know the daemon as a device (true or false).",
      standard: "true", example: "false"),
    expected: "true or false", parse: flag)

  /// Those of MQTT, in the order in which people meet them.
  static let mqttEntries: [SettingEntry] = [
    mqtt.entry, mqttUser.entry, mqttPasswordFile.entry, mqttCAFile.entry, mqttSite.entry,
    mqttDiscovery.entry,
  ]
}
