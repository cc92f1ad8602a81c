import AttentionSocket
import NIOEmbedded
import Simulated

/// A subscriber of a made-up world, that knows what it must be told.
final class Reader {
  /// What is true, as far as readers are told of it.
  struct Truth {
    let keywords: [String]
    let frame: (Int) -> Oracle.Frame?
    /// Detections that were not inhibited, in order: the first has the number 1.
    var told: [Oracle.Detection] = []
  }

  let name: String
  let subscriber: EmbeddedSubscriber
  /// Whether it takes what comes.
  private(set) var isReading = true
  /// Whether it has gone away by itself.
  private(set) var isGone = false
  /// Whether the daemon has said its last word.
  private(set) var hasHeardLast = false
  /// Of the newest frame, and whether it came since the last look.
  private(set) var newestFrame: Int?
  private(set) var state: StreamState?
  private(set) var lost = 0
  private(set) var frames = 0
  /// Frames that came or were told of as dropped, where all are asked for.
  var framesKnown: Int { frames + dropped }
  private(set) var detections = 0
  private(set) var dropped = 0
  private(set) var replies = 0
  /// What was said and heard last.
  private(set) var talk: [String] = []
  /// The newest frame's index at which another one is due.
  private var nextFrame: Int?
  private var every = 1
  /// The number that the next detection has; nil where that can't be known.
  private var nextDetection: Int?
  private var toReplay = 0
  /// Of requests that weren't answered: the detection that is known.
  private var sinces: [Int?] = []
  private var lastSample = 0

  init(_ name: String, _ subscriber: EmbeddedSubscriber) {
    self.name = name
    self.subscriber = subscriber
  }

  var isConnected: Bool { subscriber.channel.isActive && !hasHeardLast }

  func read(_ isReading: Bool) {
    guard subscriber.channel.isActive else { return }
    self.isReading = isReading
    note(isReading ? "> reads" : "> doesn't read")
    subscriber.read(isReading)
  }

  func send(_ type: String, _ json: String = "{}") throws {
    guard isConnected else { return }
    note("> \(type)")
    try subscriber.send(type, json)
  }

  func subscribe(_ request: SubscriptionRequest) throws {
    guard isConnected else { return }
    note("> subscribe")
    sinces.append(request.since?.seq)
    try subscriber.channel.writeInbound(request.encoded(id: nil))
  }

  /// Says what is no event, or half of one.
  func babble(_ bytes: String) throws {
    guard isConnected else { return }
    note("> babble")
    try subscriber.send(bytes: bytes)
  }

  private func note(_ words: String) { talk = talk.suffix(7) + [words] }

  /// Goes away, in the middle of whatever there is.
  func tear() {
    isGone = true
    _ = try? subscriber.channel.finish(acceptAlreadyClosed: true)
  }

  private func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    try demand(condition, "\(name): \(text())")
  }

  /// Takes what has come, and holds it against the truth.
  func look(_ truth: Truth) throws {
    guard isReading else { return }
    for wire in try subscriber.wireEvents() {
      let event = try Event(wire)
      note(wire.type)
      try expect(!hasHeardLast, "\(event) after the last word")
      switch event {
      case .attention(let frame) where wire.fields["replay"] != nil:
        replies += 1
        try hold(frame, against: truth)
      case .subscribed(let reply): take(reply)
      case .attention(let frame): try take(frame, truth)
      case .dropped(let hole): try take(hole)
      case .detection(let found): try take(found, truth)
      case .discontinuity(let hole): lost += hole.lostSamples
      case .state(let status): state = status.state
      case .bye: hasHeardLast = true
      case .error(let reply): hasHeardLast = reply.isFatal
      case .other: replies += 1
      default: break
      }
    }
  }

  private func take(_ reply: SubscribeReply) {
    every = reply.every
    nextFrame = nil
    toReplay = reply.replayed
    let since = sinces.isEmpty ? nil : sinces.removeFirst()
    nextDetection = reply.events.contains(.detection) ? since.map { $0 + reply.missed + 1 } : nil
  }

  private func take(_ frame: AttentionFrame, _ truth: Truth) throws {
    try expect(frame.index % every == 0, "frame \(frame.index) of every \(every)")
    try expect(
      nextFrame == nil || nextFrame == frame.index,
      "frame \(frame.index) where \(nextFrame ?? 0) was due, and no 'dropped' between")
    try expect(
      frame.sample > lastSample, "frame \(frame.index) at \(frame.sample) after \(lastSample)")
    nextFrame = frame.index + every
    newestFrame = frame.index
    lastSample = frame.sample
    frames += 1
    try hold(frame, against: truth)
  }

  /// A frame is the same whoever asks for it, and when.
  private func hold(_ frame: AttentionFrame, against truth: Truth) throws {
    guard let wanted = truth.frame(frame.index) else { return }
    let got = Oracle.Frame(
      sample: frame.sample,
      posteriors: truth.keywords.map { frame.posteriors[$0]?.bitPattern ?? 0 },
      level: frame.level.bitPattern)
    try expect(
      got.sample == wanted.sample && got.posteriors == wanted.posteriors,
      "frame \(frame.index) is \(got), by itself it is \(wanted)")
  }

  private func take(_ hole: DroppedFrames) throws {
    dropped += hole.count
    try expect(hole.total == dropped, "\(hole) says \(hole.total) in all, it is \(dropped)")
    try expect(hole.count > 0 && hole.fromIndex <= hole.toIndex, "\(hole)")
    try expect(
      nextFrame == nil || nextFrame == hole.fromIndex,
      "\(hole) where frame \(nextFrame ?? 0) was due")
    nextFrame = hole.toIndex + every
  }

  private func take(_ found: Detection, _ truth: Truth) throws {
    try expect(
      nextDetection == nil || nextDetection == found.seq,
      "detection \(found.seq) where \(nextDetection ?? 0) was due")
    nextDetection = found.seq + 1
    detections += 1
    try expect(found.replayed == (toReplay > 0), "detection \(found.seq) is replayed, or isn't")
    toReplay = max(0, toReplay - 1)
    try expect(
      truth.told.indices.contains(found.seq - 1),
      "detection \(found.seq) of \(truth.told.count)")
    let wanted = truth.told[found.seq - 1]
    let got = Oracle.Detection(
      keyword: truth.keywords.firstIndex(of: found.name) ?? -1, score: found.score,
      threshold: found.threshold, sample: found.sample, start: found.startSample,
      end: found.endSample)
    try expect(got == wanted, "detection \(found.seq) is \(got), by itself it is \(wanted)")
  }
}
