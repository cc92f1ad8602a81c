import AttentionSocket
import ModelFile
import NIOCore
import NIOEmbedded
import Simulated
import StreamingAttention
import TestSupport
import attnd

/// A client of a made-up world that brings its own sound.
final class Speaker {
  /// What an epoch of its sound must come to.
  private struct Epoch {
    /// Whether thresholds changed before all of it was heard: who knows where.
    var isUncertain = false
    var wanted: [Word] = []
    var got: [Word] = []
    var hasEnded = false
  }

  private struct Word: Equatable {
    var name: String
    var sample: Int
    var start: Int
    var end: Int
  }

  let name: String
  let subscriber: EmbeddedSubscriber
  private(set) var isGone = false
  private(set) var words = 0
  private var random: SplitMix64
  private var epochs: [Epoch] = []
  /// What is still to be sent of the present epoch.
  private var rest: ArraySlice<Int16> = []
  /// What it is heard with, since it first spoke.
  private var present: SimulatedDaemon.Listening?
  private var negatives = 0

  init(_ name: String, _ subscriber: EmbeddedSubscriber, seed: UInt64) {
    self.name = name
    self.subscriber = subscriber
    random = SplitMix64(seed: seed)
  }

  private func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    try demand(condition, "\(name): \(text())")
  }

  /// Says something more.
  ///
  /// - Parameter present: What new clients are heard with.
  /// - Throws: What the channel says.
  func speak(_ present: SimulatedDaemon.Listening) throws {
    guard !isGone, subscriber.channel.isActive else { return }
    if !rest.isEmpty {
      let chunk = rest.prefix(Int.random(in: 1...4_000, using: &random))
      rest = rest.dropFirst(chunk.count)
      try send(chunk)
      if rest.isEmpty {
        try subscriber.send("audio-stop")
        epochs[epochs.count - 1].hasEnded = true
      }
    } else if epochs.count < 4 {
      let present = self.present ?? present
      self.present = present
      let sound = noise(Int.random(in: 0...24_000, using: &random), using: &random)
        .map { Int16($0 * 32_767) }
      let format = "{\"rate\":\(present.model.sampleRate),\"width\":2,\"channels\":1}"
      try subscriber.send("audio-start", format)
      epochs.append(Epoch(wanted: try Self.words(in: sound, by: present)))
      rest = sound[...]
      if sound.isEmpty {
        try subscriber.send("audio-stop")
        epochs[epochs.count - 1].hasEnded = true
      }
    }
  }

  private func send(_ chunk: ArraySlice<Int16>) throws {
    let json = "{\"rate\":\(present?.model.sampleRate ?? 0),\"width\":2,\"channels\":1}"
    let header =
      "{\"type\":\"audio-chunk\",\"data_length\":\(json.utf8.count),"
      + "\"payload_length\":\(2 * chunk.count)}\n"
    var bytes = ByteBuffer(string: header + json)
    for sample in chunk { bytes.writeInteger(sample, endianness: .little) }
    try subscriber.channel.writeInbound(bytes)
  }

  /// What `attnd batch` finds.
  private static func words(in sound: [Int16], by present: SimulatedDaemon.Listening) throws
    -> [Word]
  {
    let model = present.model
    let source = ArraySource(sound.map { Float($0) / 32_768 }, sampleRate: model.sampleRate)
    var pipeline = try Pipeline(model, threshold: present.threshold)
    var words: [Word] = []
    while try pipeline.advance(
      reading: source,
      detection: {
        words.append(
          Word(
            name: model.keywords[$0.keyword].name, sample: $0.position, start: $0.start,
            end: $0.end))
      })
    {}
    return words
  }

  /// Other thresholds hold from now on, with the same model.
  func take(threshold: Float?) {
    guard present != nil else { return }
    present?.threshold = threshold
    for index in epochs.indices { epochs[index].isUncertain = true }
  }

  /// Takes what has come.
  func look() throws {
    for event in try subscriber.wireEvents() {
      let fields = Fields(event.fields)
      switch event.type {
      case "detection":
        let epoch = try fields.integer("epoch")
        try expect(epochs.indices.contains(epoch), "a word of epoch \(epoch)")
        words += 1
        epochs[epoch].got.append(
          Word(
            name: try fields.string("name"), sample: try fields.integer("sample"),
            start: try fields.integer("start_sample"), end: try fields.integer("end_sample")))
      case "not-detected": negatives += 1
      case "error", "bye": try expect(false, "\(event.type): \(event.fields)")
      default: break
      }
    }
  }

  /// Whether it has nothing more to say, and everything must have been heard.
  var isThrough: Bool { epochs.count == 4 && rest.isEmpty && (epochs.last?.hasEnded ?? false) }

  /// Holds what it was told against what is true; called when the daemon has had its time.
  func check() throws {
    for (number, epoch) in epochs.enumerated() where epoch.hasEnded && !epoch.isUncertain {
      try expect(
        epoch.got == epoch.wanted,
        "epoch \(number) came to \(epoch.got), by itself it is \(epoch.wanted)")
    }
    let empty = epochs.count { $0.hasEnded && ($0.isUncertain ? $0.got : $0.wanted).isEmpty }
    try expect(negatives == empty, "\(negatives) 'not-detected' for \(empty) epochs without a word")
  }

  /// Goes away, in the middle of whatever there is.
  func tear() {
    isGone = true
    _ = try? subscriber.channel.finish(acceptAlreadyClosed: true)
  }
}
