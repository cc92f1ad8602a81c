import ArgumentParser

/// Which broker to tell, and as whom.
struct MQTTOptions: ParsableArguments {
  @Option(help: ArgumentHelp(SettingsTable.mqtt.entry))
  var mqtt: String?

  @Option(help: ArgumentHelp(SettingsTable.mqttUser.entry))
  var mqttUser: String?

  @Option(help: ArgumentHelp(SettingsTable.mqttPasswordFile.entry), completion: .file())
  var mqttPasswordFile: String?

  @Option(
    name: .customLong(SettingsTable.mqttCAFile.entry.name),
    help: ArgumentHelp(SettingsTable.mqttCAFile.entry), completion: .file())
  var mqttCAFile: String?

  @Option(help: ArgumentHelp(SettingsTable.mqttSite.entry))
  var mqttSite: String?

  @Option(help: ArgumentHelp(SettingsTable.mqttDiscovery.entry))
  var mqttDiscovery: String?

  var flags: [String: String?] {
    [
      SettingsTable.mqtt.entry.name: mqtt,
      SettingsTable.mqttUser.entry.name: mqttUser,
      SettingsTable.mqttPasswordFile.entry.name: mqttPasswordFile,
      SettingsTable.mqttCAFile.entry.name: mqttCAFile,
      SettingsTable.mqttSite.entry.name: mqttSite,
      SettingsTable.mqttDiscovery.entry.name: mqttDiscovery,
    ]
  }
}
