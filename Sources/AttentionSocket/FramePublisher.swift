import Synchronization

/// The processing thread's end of the socket: what a stream has to say, handed to the event loop.
///
/// Frames and events go into two rings that were allocated at the start; nothing here allocates, locks or
/// waits. Frames that find their ring full are counted, and every subscriber is told (`dropped`). Events
/// that must arrive have a ring of their own; should that fill, because the event loop stands still, the
/// loss is counted and every connection of the stream is closed with a `bye`: never a silent loss.
///
/// The other way go wishes: what of a frame anybody wants to see, and thresholds.
///
/// One thread at a time may call the publishing methods; `warn` and the `wants` flags are open to all.
public final class FramePublisher: @unchecked Sendable {
  /// What clients are told of the stream.
  package let stream: StreamDescription
  let layout: FrameLayout
  let frames: FrameRing
  let events: FrameRing
  let framesWanted: Atomic<Bool>
  let weightsWanted = Atomic<Bool>(false)
  let spectrumWanted = Atomic<Bool>(false)
  let snapshotWanted = Atomic<Bool>(false)
  package let thresholds: ThresholdBoard
  let inhibitions: InhibitionBoard
  /// Samples of the stream that were heard.
  let position = Atomic<Int>(0)
  /// Of the newest frame, whether it was published or not; beginnings and levels as bit patterns.
  let newestIndex = Atomic<Int>(0)
  let newestLevel = Atomic<UInt32>(Float(-120).bitPattern)
  let newestBegan = Atomic<UInt64>(Double.nan.bitPattern)
  /// Share of the samples of the last second that clip, as a bit pattern; NaN where nobody looks.
  let clipping = Atomic<UInt64>(Double.nan.bitPattern)
  /// From the capture of a frame's newest sample to the frame's write to a socket.
  let latencies = DurationHistogram()
  /// The warnings that hold now, a bit for each code.
  let held = Atomic<UInt32>(0)
  /// Time that the processing of a step of a stream, or a hop of a client, took.
  let stepTimes = DurationHistogram()
  /// Whether anything was published that the event loop hasn't looked for.
  let hasNews = Atomic<Bool>(false)
  /// Events that found their ring full, not yet seen by the event loop.
  let lostEvents = Atomic<Int>(0)
  /// Detections of the machine's own voice.
  private let ownVoice = Atomic<Int>(0)
  private let warnings = WarningCounters()
  private let doorbell: Doorbell

  // The writing thread's own.
  private var ticket = 0
  private var epoch = 0
  private var lost = LostFrames()
  private var thresholdsSeen = 0

  /// Frames that the ring holds when they are small: 2.5 s at a hop of 10 ms.
  private static let frameCapacity = 256
  /// Bytes that the ring of frames may take, except that it always holds eight.
  private static let frameBytes = 8 << 20
  /// Events that must arrive; as many as a connection's lane holds.
  private static let eventCapacity = 1_024
  /// Of a client's stream both: its listener waits when they are full, and its audio with it.
  private static let clientCapacity = 32

  init(
    stream: StreamDescription, model: ModelDescription, keywords: [KeywordDescription],
    attentionHeads: AttentionHeads, doorbell: Doorbell
  ) {
    self.stream = stream
    self.doorbell = doorbell
    layout = FrameLayout(
      keywords: keywords.count, heads: model.heads, window: stream.window, bins: stream.bins,
      attentionHeads: attentionHeads)
    thresholds = ThresholdBoard(keywords.map(\.threshold))
    inhibitions = InhibitionBoard(keywords: keywords.count)
    let isClient = stream.kind == .client
    framesWanted = Atomic(!isClient)
    let most = isClient ? Self.clientCapacity : Self.frameCapacity
    frames = FrameRing(
      capacity: max(8, min(most, Self.frameBytes / layout.slotBytes)), slotBytes: layout.slotBytes)
    events = FrameRing(
      capacity: isClient ? max(Self.clientCapacity, 4 * keywords.count) : Self.eventCapacity,
      slotBytes: MemoryLayout<EventRecord>.stride)
  }

  /// Whether there is any use in publishing frames.
  ///
  /// Of a daemon's stream there always is; a client's frames matter only to itself.
  public var wantsFrames: Bool { framesWanted.load(ordering: .relaxed) }

  /// Whether a step's frame and as many detections as there are keywords find room, and one event more.
  public var hasRoom: Bool {
    frames.slotToWrite() != nil && events.freeSlots > layout.keywords
  }

  /// Gives out the thresholds when any was changed since the last call.
  ///
  /// - Parameter body: Called with a keyword's index and its threshold.
  public func changedThresholds(_ body: (Int, Float) -> Void) {
    let version = thresholds.version
    guard version != thresholdsSeen else { return }
    thresholdsSeen = version
    for keyword in 0..<layout.keywords { body(keyword, thresholds[keyword]) }
  }

  /// Lets `changedThresholds` give all of them out again: whoever used them before isn't there any more.
  package func repeatThresholds() { thresholdsSeen = -1 }

  /// The threshold of a keyword that is in force.
  ///
  /// - Parameter keyword: Index of the keyword.
  /// - Returns: The model's, or what a client has set.
  public func threshold(of keyword: Int) -> Float { thresholds[keyword] }

  /// Detections of the machine's own voice so far.
  package var ownVoices: Int { ownVoice.load(ordering: .relaxed) }

  /// Counts a detection that nobody is told of, since it is the machine's own voice.
  public func heardOwnVoice() { ownVoice.wrappingAdd(1, ordering: .relaxed) }

  /// Whether nobody is told of a keyword's detections now; any thread may ask.
  ///
  /// - Parameters:
  ///   - keyword: Index of the keyword.
  ///   - sample: Position of the decision.
  /// - Returns: Whether a client's `inhibit` holds there.
  public func isInhibited(_ keyword: Int, at sample: Int) -> Bool {
    sample < inhibitions[keyword]
  }

  /// Notes how far a stream whose frames nobody wants has got.
  ///
  /// - Parameters:
  ///   - sample: Position just after the last sample that the newest frame has seen.
  ///   - index: Number of that frame.
  ///   - level: RMS of its hop in dBFS.
  ///   - began: When its newest sample came, in seconds since boot; NaN when nobody knows.
  public func hasHeard(
    _ sample: Int, index: Int = 0, level: Float = -120, began: Double = .nan
  ) {
    newestIndex.store(index, ordering: .relaxed)
    newestLevel.store(level.bitPattern, ordering: .relaxed)
    newestBegan.store(began.bitPattern, ordering: .relaxed)
    position.store(sample, ordering: .relaxed)
  }

  /// Notes how much of the last second's sound clips.
  ///
  /// - Parameter share: 0 to 1.
  public func clips(share: Double) { clipping.store(share.bitPattern, ordering: .relaxed) }

  /// Counts the time that the processing of a step, or a hop, took.
  ///
  /// - Parameter nanoseconds: Without what was spent on waiting for audio.
  public func stepTook(nanoseconds: UInt64) { stepTimes.add(nanoseconds) }

  /// Whether some subscriber asks for the attention's weights.
  public var wantsWeights: Bool { weightsWanted.load(ordering: .relaxed) }

  /// Whether some subscriber asks for the feature row.
  public var wantsSpectrum: Bool { spectrumWanted.load(ordering: .relaxed) }

  /// Publishes an attention frame; at equal sample before a detection.
  ///
  /// - Parameters:
  ///   - isRepeated: It has been published before, and is shown for a `snapshot` alone.
  ///   - fill: Writes the record. Called exactly once, unless the ring is full and only `index` is
  ///     of interest: then it gets a record whose arrays are as large, and go nowhere.
  public func attention(isRepeated: Bool = false, _ fill: (inout FrameRecord) -> Void) {
    let slot = frames.slotToWrite()
    let target = slot ?? frames.spare
    let answersSnapshot = snapshotWanted.exchange(false, ordering: .relaxed)
    let carriesWeights = (wantsWeights || answersSnapshot) && layout.carriesWeights
    let carriesSpectrum = wantsSpectrum || answersSnapshot
    var record = FrameRecord(
      posteriors: layout.posteriors(in: target),
      focuses: layout.focuses(in: target),
      weights: carriesWeights ? layout.weights(in: target) : .init(start: nil, count: 0),
      spectrum: carriesSpectrum ? layout.spectrum(in: target) : .init(start: nil, count: 0))
    fill(&record)
    precondition(
      record.span >= 1 && record.span <= layout.window && record.index >= 0 && record.sample >= 0,
      "A frame has a span inside the window, and a position.")
    guard slot != nil else {
      if answersSnapshot { snapshotWanted.store(true, ordering: .relaxed) }
      if !isRepeated { lost.add(index: record.index) }
      return
    }
    var header = FrameLayout.Header()
    header.ticket = nextTicket()
    header.lost = takeLost()
    header.epoch = epoch
    header.index = record.index
    header.sample = record.sample
    header.captured = record.captured
    header.began = record.began
    header.isBehind = record.isBehind
    header.level = record.level
    header.span = record.span
    header.hasWeights = carriesWeights
    header.hasSpectrum = carriesSpectrum
    header.answersSnapshot = answersSnapshot
    header.isRepeated = isRepeated
    target.storeBytes(of: header, as: FrameLayout.Header.self)
    frames.commit()
    if !isRepeated {
      hasHeard(
        record.sample, index: record.index, level: record.level, began: record.began)
    }
    ring()
  }

  private func ring() {
    hasNews.store(true, ordering: .releasing)
    doorbell.ring()
  }

  /// Wakes the event loop, so that a listener with room again is given more audio.
  public func ringForRoom() { ring() }

  /// Publishes a detection; it must arrive.
  ///
  /// - Parameters:
  ///   - keyword: Index among the keywords.
  ///   - score: The smoothed posterior, 0 to 1.
  ///   - threshold: The one in force, 0 to 1.
  ///   - sample: Position of the decision.
  ///   - startSample: Where the word began, at most `endSample`.
  ///   - endSample: Where the word ended, at most `sample`.
  ///   - captured: Unix seconds at which `endSample` was captured; NaN when nobody knows.
  public func detection(
    keyword: Int, score: Float, threshold: Float, sample: Int, startSample: Int, endSample: Int,
    captured: Double = .nan
  ) {
    precondition(keyword >= 0 && keyword < layout.keywords, "The model knows the keyword.")
    precondition(
      startSample >= 0 && startSample <= endSample && endSample <= sample,
      "A word starts, ends, and is then decided.")
    publish(
      .detection(
        EventRecord.Detection(
          keyword: keyword, score: score, threshold: threshold, sample: sample,
          startSample: startSample, endSample: endSample, captured: captured)))
  }

  /// Publishes the stream's state; it must arrive, and frames from here on belong to `epoch`.
  ///
  /// - Parameters:
  ///   - state: What the stream is doing.
  ///   - reason: Why.
  ///   - text: For people; the first 200 bytes are kept.
  ///   - epoch: Grows by one when positions restart at 0.
  ///   - sample: Samples of the stream before this.
  ///   - attempt: Number of the attempt to recover; 0 for none.
  public func state(
    _ state: StreamState, reason: StateReason, text: String, epoch: Int, sample: Int,
    attempt: Int = 0
  ) {
    precondition(epoch >= self.epoch && sample >= 0, "Epochs only grow.")
    publish(
      .state(EventRecord.State(state: state, reason: reason, sample: sample, attempt: attempt)),
      epoch: epoch, text: text)
  }

  /// Publishes a hole in the audio; it must arrive.
  ///
  /// - Parameters:
  ///   - sample: Position of the first lost sample.
  ///   - lostSamples: How many were lost.
  ///   - isExact: Whether they were counted; else they are estimated from the clock.
  ///   - reason: Why.
  ///   - isReset: Whether the model's state was reset.
  public func discontinuity(
    sample: Int, lostSamples: Int, isExact: Bool, reason: DiscontinuityReason, isReset: Bool
  ) {
    precondition(sample >= 0 && lostSamples >= 0, "Positions don't go back.")
    publish(
      .discontinuity(
        EventRecord.Discontinuity(
          sample: sample, lostSamples: lostSamples, isExact: isExact, reason: reason,
          isReset: isReset)))
  }

  /// Publishes that a client's audio was heard to its end; it must arrive.
  public func ended() { publish(.ended) }

  /// Publishes that there is no frame yet to answer a `snapshot` with.
  public func noFrame() {
    guard snapshotWanted.exchange(false, ordering: .relaxed) else { return }
    publish(.noFrame)
  }

  /// Counts a warning; subscribers get at most one per code in ten seconds, with the count.
  ///
  /// - Parameters:
  ///   - code: What it is about.
  ///   - lag: With `late`: seconds behind the capture.
  public func warn(_ code: WarningCode, lag: Double = 0) {
    warnings.count(code, lag: lag)
    ring()
  }

  /// Says that what a warning is about has begun or is over; the warning counts where it begins.
  ///
  /// The log hears of both.
  ///
  /// - Parameters:
  ///   - code: What it is about.
  ///   - holds: Whether it holds from now on.
  ///   - lag: With `late`: seconds behind the capture.
  public func setWarning(_ code: WarningCode, holds: Bool, lag: Double = 0) {
    let bit = code.bit
    if holds {
      let before = held.bitwiseOr(bit, ordering: .relaxed).oldValue
      if before & bit == 0 { warn(code, lag: lag) }
    } else {
      let before = held.bitwiseAnd(~bit, ordering: .relaxed).oldValue
      if before & bit != 0 { ring() }
    }
  }

  /// Whether what a warning is about holds now; any thread may ask.
  ///
  /// - Parameter code: What it is about.
  /// - Returns: Whether it has begun and isn't over.
  package func holds(_ code: WarningCode) -> Bool {
    held.load(ordering: .relaxed) & code.bit != 0
  }

  /// Event loop: warnings of a code since the last call, and the largest lag among them.
  func takeWarnings(_ code: WarningCode) -> (count: Int, lag: Double) { warnings.take(code) }

  private func publish(_ body: EventRecord.Body, epoch: Int? = nil, text: String = "") {
    defer { ring() }
    guard let slot = events.slotToWrite() else {
      lostEvents.wrappingAdd(1, ordering: .relaxed)
      return
    }
    // Lost frames are of the epoch before a state that begins a new one.
    let record = slot.assumingMemoryBound(to: EventRecord.self)
    record.pointee.ticket = nextTicket()
    record.pointee.lost = takeLost()
    record.pointee.lostEpoch = self.epoch
    if let epoch { self.epoch = epoch }
    record.pointee.epoch = self.epoch
    record.pointee.body = body
    record.pointee.text.set(text)
    events.commit()
  }

  /// Tickets number what was published, so that the reader can merge the two rings in order.
  private func nextTicket() -> Int {
    ticket += 1
    return ticket
  }

  private func takeLost() -> LostFrames {
    defer { lost.count = 0 }
    return lost
  }
}

/// What must arrive, in its slot: no references, so that storing one is a plain copy.
struct EventRecord {
  struct Detection {
    var keyword: Int
    var score: Float
    var threshold: Float
    var sample: Int
    var startSample: Int
    var endSample: Int
    var captured: Double
  }

  struct State {
    var state: StreamState
    var reason: StateReason
    var sample: Int
    var attempt: Int
  }

  struct Discontinuity {
    var sample: Int
    var lostSamples: Int
    var isExact: Bool
    var reason: DiscontinuityReason
    var isReset: Bool
  }

  enum Body {
    case detection(Detection)
    case state(State)
    case discontinuity(Discontinuity)
    /// A client's audio was heard to its end.
    case ended
    /// Nothing to answer a `snapshot` with.
    case noFrame
  }

  var ticket: Int
  var lost: LostFrames
  var lostEpoch: Int
  var epoch: Int
  var body: Body
  var text: ShortText
}

/// A text of at most 200 bytes without memory of its own.
struct ShortText {
  private var bytes: InlineArray<200, UInt8> = .init(repeating: 0)
  private var count = 0

  /// Keeps as many whole characters as fit.
  mutating func set(_ text: String) {
    count = 0
    for scalar in text.unicodeScalars {
      let encoded = UTF8.encode(scalar)
      guard let encoded, count + encoded.count <= 200 else { return }
      for byte in encoded {
        bytes[count] = byte
        count += 1
      }
    }
  }

  var string: String {
    var text: [UInt8] = []
    for index in 0..<count { text.append(bytes[index]) }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Warnings since they were last taken, per code: counted, never queued.
private final class WarningCounters: Sendable {
  private struct Counter: ~Copyable, Sendable {
    let count = Atomic<Int>(0)
    /// Bit pattern of the largest lag; those of positive doubles are in the doubles' order.
    let lag = Atomic<UInt64>(0)
  }

  private let late = Counter()
  private let clipping = Counter()
  private let silence = Counter()
  private let dcOffset = Counter()
  private let narrowBand = Counter()
  private let clockDrift = Counter()
  private let noSpace = Counter()
  private let falseReference = Counter()
  private let other = Counter()

  private func with<R>(_ code: WarningCode, _ body: (borrowing Counter) -> R) -> R {
    switch code {
    case .late: body(late)
    case .clipping: body(clipping)
    case .silence: body(silence)
    case .dcOffset: body(dcOffset)
    case .narrowBand: body(narrowBand)
    case .clockDrift: body(clockDrift)
    case .noSpace: body(noSpace)
    case .falseReference: body(falseReference)
    case .other: body(other)
    }
  }

  func count(_ code: WarningCode, lag: Double) {
    with(code) { counter in
      if lag > 0 { counter.lag.max(lag.bitPattern, ordering: .relaxed) }
      counter.count.wrappingAdd(1, ordering: .releasing)
    }
  }

  func take(_ code: WarningCode) -> (count: Int, lag: Double) {
    with(code) { counter in
      let count = counter.count.exchange(0, ordering: .acquiring)
      guard count > 0 else { return (0, 0) }
      return (count, Double(bitPattern: counter.lag.exchange(0, ordering: .relaxed)))
    }
  }
}
