import AttentionSocket

/// A listener that hears nothing by itself: the test says what it takes, and what it publishes.
final class ScriptedListener: AudioListener {
  enum Call: Equatable {
    case begin(AudioFormat, epoch: Int)
    case bytes(Int)
    case end, show, close
  }

  let publisher: FramePublisher
  private(set) var calls: [Call] = []
  /// All audio, in order.
  private(set) var audio: [UInt8] = []
  /// Bytes that it takes before it is full.
  var room = Int.max
  var refusesBeginnings = false

  init(publisher: FramePublisher) { self.publisher = publisher }

  func begin(_ format: AudioFormat, epoch: Int) -> Bool {
    guard !refusesBeginnings else { return false }
    calls.append(.begin(format, epoch: epoch))
    publisher.state(.running, reason: .ok, text: "listening", epoch: epoch, sample: 0)
    return true
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    let taken = min(bytes.count, room)
    guard taken > 0 else { return 0 }
    room -= taken
    calls.append(.bytes(taken))
    audio += bytes.prefix(taken)
    return taken
  }

  func end() -> Bool {
    calls.append(.end)
    return true
  }

  func show() { calls.append(.show) }
  func publicationsRead() {}
  func close() { calls.append(.close) }

  /// Publishes what the thread of a listener would: a detection at a sample.
  func detect(_ keyword: Int = 1, at sample: Int) {
    publisher.detection(
      keyword: keyword, score: 0.97, threshold: 0.5, sample: sample,
      startSample: max(0, sample - 8_000), endSample: max(0, sample - 800))
  }
}

/// Makes scripted listeners, and remembers them.
final class ScriptedListening: AudioListening, @unchecked Sendable {
  struct NoThread: Error {}

  private(set) var listeners: [ScriptedListener] = []
  var fails = false

  func makeListener(publisher: FramePublisher) throws -> any AudioListener {
    guard !fails else { throw NoThread() }
    let listener = ScriptedListener(publisher: publisher)
    listeners.append(listener)
    return listener
  }
}
