import AttentionSocket
import JSONText

/// What the daemon says to a broker: Hermes' topics, its own, and Home Assistant's discovery.
///
/// Docs/mqtt.md describes every topic and field.
package struct MQTTMessages: Sendable, Equatable {
  /// Home Assistant's default for the first level of discovery topics.
  package static let discoveryPrefix = "homeassistant"
  package static let toggleOnTopic = "hermes/hotword/toggleOn"
  package static let toggleOffTopic = "hermes/hotword/toggleOff"
  package static let errorTopic = "hermes/error/hotword"
  /// Where Home Assistant says that it has started.
  package static let homeAssistantTopic = discoveryPrefix + "/status"

  /// Twelve hexadecimal digits: what tells the daemon from those of other machines.
  package let machine: String
  /// The room, as Hermes has it.
  package let site: String
  private let version: String
  private let model: ModelDescription
  private let keywords: [KeywordDescription]

  package init(
    machine: String, site: String, version: String, model: ModelDescription,
    keywords: [KeywordDescription]
  ) {
    self.machine = machine
    self.site = site
    self.version = version
    self.model = model
    self.keywords = keywords
  }

  /// The client id, and what the device is called in Home Assistant's ids.
  package static func client(_ machine: String) -> String { "attnd-\(machine)" }

  private var device: String { "attnd_\(machine)" }
  private var topic: String { "attnd/\(machine)" }

  // MARK: Whether the daemon is there

  package static func availabilityTopic(_ machine: String) -> String {
    "attnd/\(machine)/availability"
  }

  package var online: MQTTMessage { availability("online") }

  /// Also the last will.
  package var offline: MQTTMessage { availability("offline") }

  private func availability(_ text: String) -> MQTTMessage {
    MQTTMessage(
      topic: Self.availabilityTopic(machine), payload: text.utf8, isRetained: true)
  }

  // MARK: Detections

  /// A detection for Hermes, and one for Home Assistant.
  package func messages(for detection: Detection) -> [MQTTMessage] {
    [
      MQTTMessage(
        topic: "hermes/hotword/\(detection.name)/detected", payload: hermes(detection)),
      MQTTMessage(topic: topic + "/detection", payload: event(detection)),
    ]
  }

  /// `HotwordDetected` of rhasspyhermes 0.6.2, all fields.
  private func hermes(_ detection: Detection) -> [UInt8] {
    document { json in
      json.field("modelId", detection.name)
      // The file that stands for the keyword now, as in the wake-word service.
      let digest = model.digest.drop { $0 != ":" }.dropFirst().prefix(12)
      json.field("modelVersion", "\(model.name) \(digest)")
      json.field("modelType", "universal")
      json.field("currentSensitivity", detection.threshold)
      json.field("siteId", site)
      for absent in ["sessionId", "sendAudioCaptured", "lang", "customEntities"] {
        json.name(absent)
        json.null()
      }
    }
  }

  /// An event of Home Assistant: `event_type`, and attributes.
  private func event(_ detection: Detection) -> [UInt8] {
    document { json in
      json.field("event_type", detection.name)
      json.field("score", detection.score)
      json.field("start", detection.start)
      json.field("end", detection.end)
      json.field("stream", detection.stream)
      json.field("seq", detection.seq)
    }
  }

  // MARK: Discovery

  private var discoveryTopic: String { "\(Self.discoveryPrefix)/device/\(device)/config" }

  /// Lets Home Assistant know the daemon as a device with one event entity.
  package var discovery: MQTTMessage {
    MQTTMessage(topic: discoveryTopic, payload: document(writeDevice), isRetained: true)
  }

  /// Removes the device from Home Assistant.
  package var withdrawal: MQTTMessage {
    MQTTMessage(topic: discoveryTopic, payload: [], isRetained: true)
  }

  private func writeDevice(to json: inout JSONWriter) {
    json.field("device") { json in
      json.field("identifiers", [device])
      json.field("name", site == "default" ? "attnd" : "attnd \(site)")
      json.field("manufacturer", "attnd")
      json.field("model", model.name)
      json.field("sw_version", version)
    }
    json.field("origin") { json in
      json.field("name", "attnd")
      json.field("sw_version", version)
    }
    json.name("availability")
    json.array { json in
      json.object { $0.field("topic", Self.availabilityTopic(machine)) }
    }
    json.field("components") { json in
      json.field("keyword") { json in
        json.field("platform", "event")
        json.field("unique_id", "\(device)_keyword")
        json.field("name", "Keyword")
        json.field("state_topic", topic + "/detection")
        json.field("event_types", keywords.map(\.name))
      }
    }
  }

  // MARK: Failures

  /// `HotwordError` of rhasspyhermes 0.6.2.
  package func error(_ text: String) -> MQTTMessage {
    MQTTMessage(
      topic: Self.errorTopic,
      payload: document { json in
        json.field("error", text)
        json.field("siteId", site)
        for absent in ["context", "sessionId"] {
          json.name(absent)
          json.null()
        }
      })
  }

  private func document(_ fields: (inout JSONWriter) -> Void) -> [UInt8] {
    var json = JSONWriter()
    json.object(fields)
    return json.bytes
  }
}
