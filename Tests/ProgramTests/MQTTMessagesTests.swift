import AttentionSocket
import Glibc
import JSONText
import TestSupport
import Testing
import attnd

@Suite("What is said to an MQTT broker")
struct MQTTMessagesTests {
  private let messages = MQTTMessages(
    machine: "b827eb6281eb", site: "kitchen", version: "1.2.3",
    model: ModelDescription(
      name: "six \"words\"", digest: "sha256:0123456789abcdef", score: "dot", heads: 1),
    keywords: [
      KeywordDescription(name: "computer", phrase: "computer", threshold: 0.5),
      KeywordDescription(name: "smart_mirror", phrase: "smart mirror", threshold: 0.5),
    ])

  /// A detection as a client of the daemon gets it.
  private func detection() throws -> Detection {
    var decoder = EventDecoder(limits: .fromServer)
    decoder.feed(
      EventEncoder.encode("detection") { json in
        json.field("seq", 17)
        json.field("stream", "mic")
        json.field("epoch", 0)
        json.field("name", "smart_mirror")
        json.field("score", Float(0.97))
        json.field("threshold", Float(0.5))
        json.field("sample", 193_000)
        json.field("time", 12.0625)
        json.field("start_sample", 183_600)
        json.field("start", 11.475)
        json.field("end_sample", 191_520)
        json.field("end", 11.97)
        json.field("timestamp", 12_062)
        json.name("captured")
        json.null()
      })
    guard let wire = try decoder.next(), case .detection(let detection) = try Event(wire) else {
      throw MQTTError.system(operation: "test", reason: "no detection")
    }
    return detection
  }

  private func text(_ message: MQTTMessage) -> String {
    String(decoding: message.payload, as: UTF8.self)
  }

  // MARK: To the letter

  @Test("A detection is Hermes' HotwordDetected with all of its fields")
  func hermes() throws {
    let message = messages.messages(for: try detection())[0]
    #expect(message.topic == "hermes/hotword/smart_mirror/detected")
    #expect(
      text(message) == #"{"modelId":"smart_mirror","modelVersion":"six \"words\" 0123456789ab","#
        + #""modelType":"universal","currentSensitivity":0.5,"siteId":"kitchen","sessionId":null,"#
        + #""sendAudioCaptured":null,"lang":null,"customEntities":null}"#)
    #expect(!message.isRetained)
  }

  @Test("A detection is an event of Home Assistant, which the broker must not keep")
  func event() throws {
    let all = messages.messages(for: try detection())
    #expect(all.count == 2)
    #expect(all[1].topic == "attnd/b827eb6281eb/detection")
    #expect(
      text(all[1]) == #"{"event_type":"smart_mirror","score":0.97,"start":11.475,"end":11.97,"#
        + #""stream":"mic","seq":17}"#)
    #expect(!all[1].isRetained)
  }

  @Test("Discovery has what Home Assistant demands, and the event's types are the keywords")
  func discovery() {
    let message = messages.discovery
    #expect(message.topic == "homeassistant/device/attnd_b827eb6281eb/config")
    #expect(message.isRetained)
    #expect(
      text(message) == #"{"device":{"identifiers":["attnd_b827eb6281eb"],"name":"attnd kitchen","#
        + #""manufacturer":"attnd","model":"six \"words\"","sw_version":"1.2.3"},"#
        + #""origin":{"name":"attnd","sw_version":"1.2.3"},"#
        + #""availability":[{"topic":"attnd/b827eb6281eb/availability"}],"#
        + #""components":{"keyword":{"platform":"event","#
        + #""unique_id":"attnd_b827eb6281eb_keyword","name":"Keyword","#
        + #""state_topic":"attnd/b827eb6281eb/detection","#
        + #""event_types":["computer","smart_mirror"]}}}"#)
    // An empty retained message removes the device.
    #expect(messages.withdrawal.topic == message.topic)
    #expect(messages.withdrawal.payload.isEmpty && messages.withdrawal.isRetained)
  }

  @Test("The event's type is one that discovery names, and its topic is the one that it names")
  func agreement() throws {
    let device = try JSON(
      parsing: messages.discovery.payload, repeatedNames: .refused, numbers: .any)
    let part = try #require(device.fields?["components"]?.fields?["keyword"]?.fields)
    let event = messages.messages(for: try detection())[1]
    #expect(part["state_topic"] == .string(event.topic))
    let type = try #require(
      JSON(parsing: event.payload, repeatedNames: .refused, numbers: .any).fields?["event_type"])
    guard case .array(let types)? = part["event_types"] else {
      Issue.record("no event_types")
      return
    }
    #expect(types.contains(type))
  }

  @Test("Availability is kept by the broker, for those who come later")
  func availability() {
    for (message, word) in [(messages.online, "online"), (messages.offline, "offline")] {
      #expect(message.topic == "attnd/b827eb6281eb/availability")
      #expect(text(message) == word)
      #expect(message.isRetained)
    }
  }

  @Test("A failure is Hermes' HotwordError")
  func failure() {
    let message = messages.error("stream mic is \"lost\"\n")
    #expect(message.topic == "hermes/error/hotword")
    #expect(
      text(message) == #"{"error":"stream mic is \"lost\"\n","siteId":"kitchen","context":null,"#
        + #""sessionId":null}"#)
    #expect(!message.isRetained)
  }

  // MARK: The wake word's switch

  private func read(_ payload: String) throws -> HotwordToggle? {
    try HotwordToggle.read(Array(payload.utf8), for: "kitchen")
  }

  @Test("A toggle names a site and a reason, both with defaults")
  func toggles() throws {
    #expect(
      try read(#"{"siteId":"kitchen","reason":"playAudio"}"#)
        == HotwordToggle(site: "kitchen", reason: .playAudio))
    #expect(
      try read(#"{"reason":null,"siteId":"kitchen","more":[1]}"#)
        == HotwordToggle(site: "kitchen", reason: .unknown))
    #expect(try read(#"{"siteId":"cellar","reason":"nonsense"}"#) == nil)
    #expect(try read("{}") == nil, "default is not our site")
    #expect(
      try HotwordToggle.read(Array("{}".utf8), for: "default")
        == HotwordToggle(site: "default", reason: .unknown))
  }

  @Test(
    "A payload that is no toggle is refused with a reason",
    arguments: [
      "", "null", "[]", "{", "{\"siteId\":1}", #"{"siteId":"kitchen","reason":"x"}"#,
      #"{"siteId":"kitchen","reason":1}"#, String(repeating: "[", count: 4_000), "\u{0}",
      #"{"siteId":"kitchen"} "# + "x",
    ])
  func refused(payload: String) {
    #expect(throws: HotwordToggle.Fault.self) { try read(payload) }
  }

  @Test("Bytes at random are refused or another site's, never more", .seed(41))
  func noise() {
    var random = SplitMix64()
    for _ in 0..<2_000 {
      let bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      #expect((try? HotwordToggle.read(bytes, for: "kitchen")) == nil)
    }
  }

  @Test("Off as long as a reason holds; the empty reason ends all of them")
  func reasons() {
    var hotword = HotwordSwitch()
    #expect(!hotword.isOff)
    hotword.turnOn(.playAudio)
    #expect(!hotword.isOff, "on, without having been off")
    hotword.turnOff(.playAudio)
    hotword.turnOff(.playAudio)
    hotword.turnOff(.ttsSay)
    hotword.turnOn(.playAudio)
    #expect(hotword.isOff, "ttsSay still holds")
    hotword.turnOn(.dialogueSession)
    #expect(hotword.isOff, "it never held")
    hotword.turnOn(.ttsSay)
    #expect(!hotword.isOff)

    hotword.turnOff(.dialogueSession)
    hotword.turnOff(.ttsSay)
    hotword.turnOn(.unknown)
    #expect(!hotword.isOff, "the empty reason overrides all")

    hotword.turnOff(.unknown)
    hotword.turnOn(.playAudio)
    #expect(hotword.isOff, "what was off without a reason goes on without one")
    hotword.turnOn(.unknown)
    #expect(!hotword.isOff)
  }
}

@Suite("Where a broker is, and who we are there")
struct MQTTAddressTests {
  @Test(
    "A broker is a host with or without a port and TLS",
    arguments: [
      ("mqtt://host", "mqtt://host:1883"), ("mqtts://host", "mqtts://host:8883"),
      ("mqtt://10.0.0.1:1", "mqtt://10.0.0.1:1"), ("mqtts://h:65535/", "mqtts://h:65535"),
      ("mqtt://[::1]", "mqtt://[::1]:1883"), ("mqtt://[fe80::1]:99", "mqtt://[fe80::1]:99"),
    ])
  func brokers(text: String, same: String) throws {
    let broker = try #require(MQTTBroker(text))
    #expect(broker.description == same)
    #expect(MQTTBroker(same) == broker)
  }

  @Test(
    "What is no broker is refused, a password in it too",
    arguments: [
      "", "host", "host:1883", "http://host", "mqtt:host", "mqtt://", "mqtt://:1883",
      "mqtt://host:0", "mqtt://host:65536", "mqtt://host:", "mqtt://host:+1", "mqtt://::1",
      "mqtt://user:secret@host", "mqtt://user@host", "mqtt://host/topic", "mqtt://ho st",
      "mqtt://[::1", "mqtt://host?x", "mqtt://host#x", "MQTT://host",
    ])
  func strange(text: String) {
    #expect(MQTTBroker(text) == nil)
  }

  @Test("A password in the address isn't repeated to the terminal")
  func secret() {
    #expect {
      try Settings.resolve(flags: ["mqtt": "mqtt://user:secret@host"], environment: [:])
    } throws: { "\($0)".contains("...@host") && !"\($0)".contains("secret") }
  }

  @Test(
    "Settings that contradict one another are refused",
    arguments: [
      (["mqtt": "mqtt://h", "mqtt-password-file": "/p"], "mqtt-user"),
      (["mqtt": "mqtt://h", "mqtt-ca-file": "/c"], "mqtts://"),
    ])
  func contradictions(flags: [String: String], word: String) {
    #expect {
      try Settings.resolve(flags: flags, environment: [:])
    } throws: { "\($0)".contains(word) }
    // Without a broker nobody looks at them.
    #expect(throws: Never.self) {
      try Settings.resolve(flags: flags.filter { $0.key != "mqtt" }, environment: [:])
    }
  }

  @Test("A machine is its first network card, else the digest of its own name for itself")
  func machine() throws {
    let folder = try TemporaryFolder()
    func interface(_ name: String, _ files: [String: String], isHardware: Bool) throws {
      mkdir(folder("net"), 0o700)
      mkdir(folder("net/\(name)"), 0o700)
      if isHardware { mkdir(folder("net/\(name)/device"), 0o700) }
      for (file, text) in files {
        _ = try folder.file("net/\(name)/\(file)", Array((text + "\n").utf8))
      }
    }
    func identity() -> String {
      MachineIdentity.find(interfaces: folder("net"), machineFile: folder("machine-id"))
    }
    _ = try folder.file("machine-id", Array("0123456789abcdef0123456789abcdef\n".utf8))
    let fallback = identity()
    #expect(fallback.count == 12 && fallback.allSatisfy(\.isHexDigit))
    #expect(identity() == fallback)
    #expect(!"0123456789abcdef0123456789abcdef".contains(fallback), "it stays on the machine")

    try interface(
      "docker0", ["type": "1", "ifindex": "1", "address": "02:42:ac:11:00:02"], isHardware: false)
    try interface(
      "lo", ["type": "772", "ifindex": "1", "address": "00:00:00:00:00:00"], isHardware: true)
    try interface(
      "ib0", ["type": "32", "ifindex": "2", "address": "80:00:02:08:fe:80"], isHardware: true)
    try interface("odd", ["type": "1", "ifindex": "2", "address": "junk"], isHardware: true)
    #expect(identity() == fallback, "none of them is a card that stays")
    try interface(
      "wlan0", ["type": "1", "ifindex": "10", "address": "B8:27:EB:62:81:EC"], isHardware: true)
    #expect(identity() == "b827eb6281ec")
    try interface(
      "eth0", ["type": "1", "ifindex": "9", "address": "b8:27:eb:62:81:eb"], isHardware: true)
    #expect(identity() == "b827eb6281eb", "9 comes before 10")

    let other = MachineIdentity.find(interfaces: folder("none"), machineFile: folder("none"))
    #expect(other.count == 12 && other.allSatisfy(\.isHexDigit), "the host's name is left")
  }
}

@Suite("Detections that wait for a broker")
struct MQTTOutboxTests {
  private func parcel(_ number: Int) -> [MQTTMessage] {
    ["a", "b"].map { MQTTMessage(topic: $0, payload: "\(number)".utf8) }
  }

  /// What is sent when everything is, in its order; acknowledged as it goes.
  private func drain(_ outbox: inout MQTTOutbox) -> [String] {
    var sent: [String] = []
    while let messages = outbox.next() {
      for (ticket, message) in messages {
        sent.append(message.topic + String(decoding: message.payload, as: UTF8.self))
        outbox.acknowledge(ticket)
      }
    }
    return sent
  }

  @Test("Detections leave in their order, and are gone once both of their messages are there")
  func order() {
    var outbox = MQTTOutbox()
    for number in 1...20 { outbox.append(parcel(number)) }
    #expect(outbox.count == 20)
    #expect(drain(&outbox) == (1...20).flatMap { ["a\($0)", "b\($0)"] })
    #expect(outbox.isEmpty && outbox.dropped == 0)
  }

  @Test("A hundred wait; of one more, the oldest goes and is counted")
  func bound() {
    var outbox = MQTTOutbox()
    for number in 1...MQTTOutbox.capacity { outbox.append(parcel(number)) }
    #expect(outbox.count == 100 && outbox.dropped == 0)
    for number in 101...350 { outbox.append(parcel(number)) }
    #expect(outbox.count == 100 && outbox.dropped == 250)
    #expect(drain(&outbox).first == "a251")
  }

  @Test("No more are under way than libmosquitto sends at once")
  func underWay() {
    var outbox = MQTTOutbox()
    for number in 1...30 { outbox.append(parcel(number)) }
    var tickets: [[MQTTOutbox.Ticket]] = []
    while let messages = outbox.next() { tickets.append(messages.map(\.ticket)) }
    #expect(tickets.count == MQTTOutbox.mostUnderWay)
    #expect(2 * MQTTOutbox.mostUnderWay <= 20)
    // Half an answer makes no room.
    outbox.acknowledge(tickets[3][0])
    #expect(outbox.next() == nil)
    outbox.acknowledge(tickets[3][0])
    #expect(outbox.next() == nil, "the same answer twice")
    outbox.acknowledge(tickets[3][1])
    #expect(outbox.next()?.count == 2)
    #expect(outbox.count == 29)
  }

  @Test("A lost connection sends again what wasn't acknowledged, first and only that")
  func lost() throws {
    var outbox = MQTTOutbox()
    for number in 1...3 { outbox.append(parcel(number)) }
    let (one, two) = (outbox.next(), outbox.next())
    let (first, second) = (try #require(one), try #require(two))
    outbox.acknowledge(first[0].ticket)
    outbox.acknowledge(second[0].ticket)
    outbox.acknowledge(second[1].ticket)
    outbox.connectionLost()
    #expect(drain(&outbox) == ["b1", "a3", "b3"])
  }

  @Test("What is under way isn't dropped: it may already be there")
  func overflowUnderWay() throws {
    var outbox = MQTTOutbox()
    for number in 1...100 { outbox.append(parcel(number)) }
    let one = outbox.next()
    let first = try #require(one)
    for number in 101...150 { outbox.append(parcel(number)) }
    #expect(outbox.count == 100 && outbox.dropped == 50)
    for (ticket, _) in first { outbox.acknowledge(ticket) }
    #expect(drain(&outbox).first == "a52")
  }
}
