import AttentionSocket
import ModelFile
import NIOEmbedded
import Simulated
import TestSupport
import attnd

/// Everybody who is connected to the daemon of a made-up world: who reads, who brings sound, and a witness
/// who reads everything all the time.
final class Crowd {
  let witness: Reader
  /// Words that clients were told of, all as they should be.
  private(set) var words = 0
  /// Frames that somebody was told of as dropped.
  private(set) var dropped = 0
  /// Connections that the daemon ended.
  private(set) var sentAway = 0
  private(set) var replies = 0

  private let daemon: SimulatedDaemon
  private var random: SplitMix64
  private var readers: [Reader] = []
  private var speakers: [Speaker] = []
  private var people = 0

  private static let babble = [
    "{\"type\":\"status\",\"data_length\":100}\n{\"id\":", "{}\n", "\n\n", "\u{1}\u{7F}",
    "{\"type\":\"subscribe\",\"data_length\":12}\n{\"every\":-1}x",
    "{\"type\":\"audio-chunk\",\"payload_length\":99999999999}\n",
  ]

  init(_ daemon: SimulatedDaemon, seed: UInt64) throws {
    self.daemon = daemon
    random = SplitMix64(seed: seed)
    witness = Reader("witness", try daemon.connect(.trusted))
    try witness.subscribe(
      SubscriptionRequest(
        events: SubscribableEvent.allCases,
        since: DetectionNumber(run: SimulatedDaemon.run, seq: 0)))
  }

  private func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

  /// Everybody takes what there is.
  func look(_ truth: Reader.Truth) throws {
    try witness.look(truth)
    try demand(!witness.hasHeardLast, "the witness was sent away")
    for reader in readers { try reader.look(truth) }
    for speaker in speakers { try speaker.look() }
    readers.removeAll { reader in
      guard !reader.isConnected else { return false }
      if reader.hasHeardLast { sentAway += 1 }
      leave(reader)
      return true
    }
    for speaker in speakers where speaker.isThrough && chance(200) {
      // All that there is has been heard, given time.
      for _ in 0..<2 {
        daemon.threads.take()
        while !daemon.hub.drain() {}
        daemon.loop.run()
      }
      try speaker.look()
      try speaker.check()
      words += speaker.words
      speaker.tear()
    }
    speakers.removeAll(where: \.isGone)
  }

  private func leave(_ reader: Reader) {
    dropped += reader.dropped
    replies += reader.replies
    reader.tear()
  }

  /// Somebody does something.
  ///
  /// - Parameter newest: Number of the newest detection.
  /// - Throws: What a channel says, or what the daemon should have said.
  func act(newest: Int) throws {
    if chance(20), let speaker = speakers.randomElement(using: &random) {
      if chance(100) { speaker.tear() } else { try speaker.speak(daemon.present) }
    }
    guard chance(40) else { return }
    if readers.count < 5, chance(3) { return try welcome(newest) }
    guard let reader = readers.randomElement(using: &random) else { return }
    switch Int.random(in: 0..<14, using: &random) {
    case 0, 1: reader.read(!reader.isReading)
    case 2: leave(reader)
    case 3: try reader.send("status", "{\"id\":1}")
    case 4: try reader.send("snapshot", "{\"id\":2,\"stream\":\"mic\"}")
    case 5: try replay(reader)
    case 6, 7:
      let threshold = Double(Int.random(in: 30...70, using: &random)) / 100
      let keyword = SimulatedDaemon.keywords[Int.random(in: 0...1, using: &random)]
      try reader.send(
        "set",
        "{\"id\":4,\"stream\":\"mic\",\"keyword\":\"\(keyword)\",\"threshold\":\(threshold)}")
    case 8:
      let length = chance(2) ? 0 : Int.random(in: 1...20, using: &random)
      try reader.send("inhibit", "{\"id\":5,\"stream\":\"mic\",\"seconds\":\(length)}")
    case 9: try subscribe(reader, newest)
    case 10: try reader.send("unsubscribe", "{\"id\":6}")
    case 11: try reader.send("describe")
    case 12:
      if let bytes = Self.babble.randomElement(using: &random) { try reader.babble(bytes) }
    default: try reader.send("ping", "{\"text\":\"are you there?\"}")
    }
  }

  /// The daemon has taken other thresholds, and may have taken another model.
  ///
  /// - Parameter before: What it listened with.
  func changed(from before: SimulatedDaemon.Listening) {
    let present = daemon.present
    // Who speaks keeps the model that it began with, and hears of its thresholds only.
    guard before.model.digest == present.model.digest else { return }
    for speaker in speakers { speaker.take(threshold: present.threshold) }
  }

  private func replay(_ reader: Reader) throws {
    guard case StreamLife.listening(samples: let end) = daemon.pulse.life else { return }
    let start = max(0, end - Int.random(in: 1...20_000, using: &random))
    try reader.send(
      "replay", "{\"id\":3,\"stream\":\"mic\",\"from_sample\":\(start),\"to_sample\":\(end)}")
  }

  private func welcome(_ newest: Int) throws {
    people += 1
    if chance(3), speakers.count < 4 {
      let subscriber = try daemon.connect(chance(2) ? .remote : .trusted)
      speakers.append(Speaker("speaker \(people)", subscriber, seed: random.next()))
    } else {
      let reader = Reader("reader \(people)", try daemon.connect(.trusted))
      readers.append(reader)
      try subscribe(reader, newest)
    }
  }

  private func subscribe(_ reader: Reader, _ newest: Int) throws {
    let forms = BulkForm.allCases
    var events = SubscribableEvent.allCases.filter { _ in !chance(3) }
    if events.isEmpty { events = [.detection] }
    let since = chance(2) ? max(0, newest - Int.random(in: 0...100, using: &random)) : nil
    try reader.subscribe(
      SubscriptionRequest(
        events: events, every: [1, 1, 2, 5, 100][Int.random(in: 0..<5, using: &random)],
        weights: forms[Int.random(in: 0..<3, using: &random)],
        spectrum: forms[Int.random(in: 0..<3, using: &random)],
        since: since.map { DetectionNumber(run: SimulatedDaemon.run, seq: $0) }))
  }

  /// The daemon has said goodbye: everybody who reads has heard it, and goes.
  func end(_ truth: Reader.Truth) throws {
    for speaker in speakers { speaker.tear() }
    for reader in [witness] + readers where !reader.isGone {
      try reader.look(truth)
      try demand(
        !reader.isReading || reader.hasHeardLast, "\(reader.name) heard no bye: \(reader.talk)")
      leave(reader)
    }
  }
}
