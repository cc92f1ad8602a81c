import Synchronization

/// A microphone -> mono samples at the model's rate, in real time.
///
/// Owns the device, its thread, the ring between thread and reader, and the resampler. `read` runs
/// on the reader's thread. The card starts with the first read.
///
/// What is lost, in the card or because the reader was late by more than the ring holds, is a gap:
/// counted, part of every later position, and never filled with made-up samples. A gap begins a new
/// stretch for the resampler: nothing from before it is heard after it.
public final class CaptureSource: AudioSource, @unchecked Sendable {
  // Unchecked: one thread reads; what other threads may touch is atomic or immutable.

  /// Seconds by which the reader may fall behind before samples are dropped.
  private static let ringSeconds = 4

  /// Samples per second that `read` delivers.
  public let sampleRate: Int
  /// The device, for messages.
  public let name: String
  /// Samples per second of the card.
  public let deviceRate: Int

  private let ring: SampleRing
  private let thread: CaptureThread?
  private let resampler: Resampler
  private var started = false
  private var fault: AudioInputError?
  private var pendingLoss = 0
  private var lossReason = LossReason.overrun
  private let timekeeper: any Timekeeper
  private let isStepped: Bool
  /// The card's samples of this stretch that the block being read can't do without.
  private var needed = 0
  /// The card's samples before the present stretch, lost ones included.
  private var stretchStart: Int64 = 0
  private var captured = 0.0
  private var position = SamplePosition(0)
  private let lost = Atomic<Int>(0)

  /// Opens a device.
  ///
  /// - Parameters:
  ///   - device: An ALSA PCM, such as "default" or "hw:1,0".
  ///   - sampleRate: Samples per second that `read` is to deliver.
  ///   - channels: Which of its channels to listen to.
  /// - Throws: `AudioInputError`: what is wrong with the device, or what it offers instead.
  public convenience init(
    device: String, sampleRate: Int, channels: ChannelSelection = .mix
  ) throws(AudioInputError) {
    try self.init(
      card: ALSACard(name: device, modelRate: sampleRate, channels: channels),
      sampleRate: sampleRate, channels: channels)
  }

  /// Takes a card that is open.
  ///
  /// - Parameters:
  ///   - card: The card.
  ///   - sampleRate: Samples per second that `read` is to deliver.
  ///   - channels: Which of its channels to listen to.
  ///   - timekeeper: What time it is.
  ///   - idle: In a world of one thread: called when `read` would wait, with what the capture thread
  ///     would do next; there is none then.
  /// - Throws: `AudioInputError` when the card can't be used.
  package convenience init(
    card: any CaptureCard, sampleRate: Int, channels: ChannelSelection,
    timekeeper: any Timekeeper = SystemTime(), idle: ((_ capture: () -> Void) -> Void)? = nil
  ) throws(AudioInputError) {
    let device = try CaptureDevice(card: card, channels: channels, timekeeper: timekeeper)
    let blocks = Self.powerOfTwo(atLeast: Self.ringSeconds * card.rate / card.periodSize)
    let stepped = Stepped()
    let ring = SampleRing(
      blockSize: card.periodSize, blockCount: blocks,
      idle: idle.map { idle in { idle { _ = stepped.thread?.step() } } })
    let thread = CaptureThread(device: device, ring: ring)
    if idle != nil { stepped.thread = thread }
    try self.init(
      name: "device \(card.name)", ring: ring, thread: thread, deviceRate: card.rate,
      sampleRate: sampleRate, timekeeper: timekeeper, isStepped: idle != nil)
  }

  /// The thread that isn't one: its ring, which it holds, makes its steps.
  private final class Stepped {
    weak var thread: CaptureThread?
  }

  /// Reads a ring that somebody else fills: the source without the card.
  package convenience init(
    name: String, ring: SampleRing, deviceRate: Int, sampleRate: Int,
    timekeeper: any Timekeeper = SystemTime()
  ) throws(AudioInputError) {
    try self.init(
      name: name, ring: ring, thread: nil, deviceRate: deviceRate, sampleRate: sampleRate,
      timekeeper: timekeeper, isStepped: false)
  }

  private init(
    name: String, ring: SampleRing, thread: CaptureThread?, deviceRate: Int, sampleRate: Int,
    timekeeper: any Timekeeper, isStepped: Bool
  ) throws(AudioInputError) {
    self.name = name
    self.ring = ring
    self.thread = thread
    self.deviceRate = deviceRate
    self.sampleRate = sampleRate
    self.timekeeper = timekeeper
    self.isStepped = isStepped
    resampler = try Resampler(
      from: deviceRate, to: sampleRate, blockSize: ring.blockSize, name: name)
  }

  deinit {
    thread?.requestStop()
    thread?.join()
  }

  /// Channels that the card delivers.
  public var deviceChannels: Int { thread?.device.card.channels ?? 1 }
  /// How the card delivers samples.
  public var deviceEncoding: SampleEncoding { thread?.device.card.encoding ?? .f32le }
  /// Samples in a period of the card: how long it collects before it wakes anybody.
  public var periodSize: Int { ring.blockSize }

  /// Times the card overran or was suspended; any thread may ask.
  public var interruptions: Int {
    thread?.device.interruptions.load(ordering: .relaxed) ?? 0
  }
  /// Samples, at the card's rate, dropped because the reader was late; any thread may ask.
  public var droppedSamples: Int { ring.droppedSamples }
  /// Samples, at the model's rate, missing so far for whatever reason; any thread may ask.
  public var lostSamples: Int { lost.load(ordering: .relaxed) }

  /// Waits for the next samples; see `AudioSource`.
  ///
  /// A gap ends a block early, so that nothing of what was heard before it is lost.
  ///
  /// - Throws: `deviceLost`, `deviceSilent` or `deviceFailed` behind the last sample.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    if !started {
      started = true
      if !isStepped { try thread?.start() }
    }
    var count = 0
    var start = position
    while count == 0 && buffer.count > 0 {
      needed = leastNeeded(resampler.delivered + buffer.count)
      count = try resampler.read(into: buffer, from: receive)
      guard count == 0, pendingLoss > 0 else { break }
      start = try beginStretch(notBefore: start)
    }
    if count == 0, buffer.count > 0, let fault { throw fault }
    let missing = Int(start.index - position.index)
    lost.wrappingAdd(missing, ordering: .relaxed)
    position = start.advanced(by: count)
    let captured = capturedNow()
    return AudioBlock(
      count: count, position: start, lostSamples: missing, lossReason: lossReason,
      captured: captured + (timekeeper.unix - timekeeper.sinceBoot), capturedSinceBoot: captured)
  }

  /// Ends the source: a waiting `read` returns soon, and the card stops.
  public func cancel() {
    thread?.requestStop()
    ring.cancel()
  }

  /// Fills a block with the card's samples; stops short at a gap and at the end.
  private func receive(into block: UnsafeMutableBufferPointer<Float>) -> Int {
    var filled = 0
    while filled < block.count {
      let missing = needed - resampler.taken - filled
      switch ring.next(needing: (missing + ring.blockSize - 1) / ring.blockSize) {
      case .ended:
        fault = ring.endReason
        return filled
      case .loss(let samples, let reason):
        pendingLoss = samples
        lossReason = reason
        ring.passLoss()
        return filled
      case .samples:
        let part = ring.take(into: UnsafeMutableBufferPointer(rebasing: block[filled...]))
        filled += part.count
        captured = part.captured - Double(part.behind) / Double(deviceRate)
      }
    }
    return filled
  }

  /// The card's samples without which a stretch's samples can't be: at equal rates exactly those, else
  /// the filters want more.
  private func leastNeeded(_ samples: Int) -> Int {
    guard deviceRate != sampleRate else { return samples }
    return Int(Double(samples) * Double(deviceRate) / Double(sampleRate))
  }

  /// Goes past a gap: positions go on where the card's own count, loss included, says.
  private func beginStretch(
    notBefore end: SamplePosition
  ) throws(AudioInputError) -> SamplePosition {
    stretchStart += Int64(resampler.taken) + Int64(pendingLoss)
    pendingLoss = 0
    try resampler.restart()
    let (seconds, rest) = stretchStart.quotientAndRemainder(dividingBy: Int64(deviceRate))
    let fraction = Double(rest) * Double(sampleRate) / Double(deviceRate)
    let target = seconds * Int64(sampleRate) + Int64(fraction.rounded())
    // Two roundings may differ by one; stream time never runs back.
    return max(SamplePosition(target), end)
  }

  /// When the last sample handed out was captured, in seconds since boot: those that the resampler still holds are newer.
  private func capturedNow() -> Double {
    let held =
      Double(resampler.taken) / Double(deviceRate)
      - Double(resampler.delivered) / Double(sampleRate)
    return captured - held
  }

  private static func powerOfTwo(atLeast count: Int) -> Int {
    var power = 1
    while power < count { power *= 2 }
    return power
  }
}
