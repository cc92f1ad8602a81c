import NIOCore
import Synchronization

/// One stream on the event loop: what its publisher said, put into words for connections.
///
/// Belongs to the hub; a client's own stream also to its connection, which alone gets to hear it.
final class StreamFeed {
  /// What a record came to.
  enum News {
    /// A frame; its slot is the publisher's until the next call.
    case frame(FrameLayout.Header, slot: UnsafeRawPointer)
    case detection(EventRecord.Detection, epoch: Int)
    case state
    case discontinuity(Discontinuity)
    case ended
    /// Events that a `snapshot` waits for, or that say nothing to anybody else.
    case silent
  }

  private struct PendingWarning {
    var count = 0
    var lag = 0.0
    var lastSent: NIODeadline?
  }

  /// Number among the daemon's streams; a client's comes after them.
  let index: Int
  let publisher: FramePublisher
  let sampleRate: Int
  /// Whose audio it is, of a client's stream.
  weak var owner: Connection?
  private(set) var status: StreamStatus
  private(set) var store: FrameStore
  private var encoder: FrameEncoder
  private let names: [String]
  /// Number of the record that comes next, over both rings of the publisher.
  private var nextTicket = 1
  private var warnings: [WarningCode: PendingWarning] = [:]
  /// By keyword, the position up to which its detections are suppressed.
  private let inhibitions: InhibitionBoard
  private let keywords: Range<Int>
  /// What answers a `snapshot`: an event, or nothing when there is no frame.
  private var snapshots: [(id: RequestID?, answer: (ByteBuffer?) -> Void)] = []

  // What `status` tells.
  private(set) var newest: FrameLayout.Header?
  private(set) var lag: Double?
  private(set) var interruptions = 0
  /// Warnings that held at the last look, for the log.
  private var heldBefore: UInt32 = 0
  private var contract: LatencyContract
  private(set) var detections = 0
  private(set) var discontinuities = 0
  private(set) var lostSamples = 0
  private(set) var reconnects = 0

  /// At most one warning per code and stream in this time.
  private static let warningInterval = TimeAmount.seconds(10)

  init(
    index: Int, publisher: FramePublisher, keywords: [String], retainedFrames: Int, now: Double,
    latencyBudget: Double
  ) {
    self.index = index
    self.publisher = publisher
    contract = LatencyContract(budget: latencyBudget)
    names = keywords
    sampleRate = publisher.stream.rate
    store = FrameStore(capacity: retainedFrames, layout: publisher.layout)
    encoder = FrameEncoder(
      stream: publisher.stream, keywords: keywords, layout: publisher.layout)
    inhibitions = publisher.inhibitions
    self.keywords = keywords.indices
    let isClient = publisher.stream.kind == .client
    status = StreamStatus(
      stream: publisher.stream.name, state: isClient ? .waiting : .starting, reason: .start,
      text: isClient ? "waiting for audio" : "starting", epoch: 0, sample: 0, since: now,
      attempt: nil)
  }

  // MARK: Reading

  /// Reads the next record, of whichever ring it is in.
  ///
  /// - Parameters:
  ///   - now: Unix seconds.
  ///   - lost: Called first for frames that found the ring full, with their epoch.
  ///   - body: Given what the record says.
  /// - Returns: Whether there was one.
  func read(
    now: Double, lost: (LostFrames, Int) -> Void, _ body: (News) -> Void
  ) -> Bool {
    // Tickets are numbered without holes over both rings: the next one is at the head of one of them,
    // or not published yet.
    if let slot = publisher.frames.slotToRead() {
      let header = slot.load(as: FrameLayout.Header.self)
      if header.ticket == nextTicket {
        nextTicket += 1
        if header.lost.count > 0 { lost(header.lost, header.epoch) }
        body(take(header, slot, now: now))
        publisher.frames.release()
        return true
      }
    }
    guard let slot = publisher.events.slotToRead() else { return false }
    let record = slot.assumingMemoryBound(to: EventRecord.self)
    guard record.pointee.ticket == nextTicket else { return false }
    nextTicket += 1
    if record.pointee.lost.count > 0 { lost(record.pointee.lost, record.pointee.lostEpoch) }
    body(take(record.pointee, now: now))
    publisher.events.release()
    return true
  }

  private func take(
    _ header: FrameLayout.Header, _ slot: UnsafeRawPointer, now: Double
  ) -> News {
    if header.answersSnapshot {
      let waiting = snapshots
      snapshots = []
      for (id, answer) in waiting { answer(encoder.snapshot(slot, id: id)) }
    }
    guard !header.isRepeated else { return .silent }
    newest = header
    status.sample = header.sample
    lag = header.captured.isFinite ? max(0, now - header.captured) : nil
    store.append(slot)
    encoder.begin()
    return .frame(header, slot: slot)
  }

  private func take(_ record: EventRecord, now: Double) -> News {
    switch record.body {
    case .detection(let detection):
      status.sample = max(status.sample, detection.sample)
      return .detection(detection, epoch: record.epoch)
    case .state(let state):
      if status.state == .recovering, state.state == .running { reconnects += 1 }
      if record.epoch != status.epoch { carryInhibitions() }
      status = StreamStatus(
        stream: status.stream, state: state.state, reason: state.reason,
        text: record.text.string, epoch: record.epoch, sample: state.sample, since: now,
        attempt: state.attempt > 0 ? state.attempt : nil)
      describeInhibitions()
      return .state
    case .discontinuity(let hole):
      discontinuities += 1
      if hole.reason == .overrun || hole.reason == .suspend { interruptions += 1 }
      lostSamples += hole.lostSamples
      return .discontinuity(
        Discontinuity(
          stream: status.stream, epoch: record.epoch, sample: hole.sample,
          lostSamples: hole.lostSamples, isExact: hole.isExact, reason: hole.reason,
          isReset: hole.isReset))
    case .ended:
      status.state = .waiting
      status.reason = .endOfFile
      status.text = "waiting for audio"
      status.since = now
      return .ended
    case .noFrame:
      let waiting = snapshots
      snapshots = []
      for (_, answer) in waiting { answer(nil) }
      return .silent
    }
  }

  /// The frame in `slot` as a subscription wants it.
  func encoding(of slot: UnsafeRawPointer, for subscription: Subscription) -> ByteBuffer {
    encoder.encoding(of: slot, weights: subscription.weights, spectrum: subscription.spectrum)
  }

  /// A detection, as it is told.
  func detection(
    _ found: EventRecord.Detection, epoch: Int, number: Int, name: String, timestamp: Int?
  ) -> Detection {
    let rate = Double(sampleRate)
    let time = Double(found.sample) / rate
    return Detection(
      seq: number, stream: status.stream, epoch: epoch, name: name, score: found.score,
      threshold: found.threshold, sample: found.sample, time: time,
      startSample: found.startSample, start: Double(found.startSample) / rate,
      endSample: found.endSample, end: Double(found.endSample) / rate,
      captured: found.captured.isFinite ? found.captured : nil,
      timestamp: timestamp ?? Int((1_000 * time).rounded(.down)), replayed: false)
  }

  /// The number of a detection that is told.
  func countDetection() -> Int {
    detections += 1
    return detections
  }

  // MARK: What connections ask

  /// Asks for the newest frame with all its values.
  ///
  /// - Parameters:
  ///   - id: Of the request.
  ///   - answer: Called with the reply; with nil when there is no frame.
  func requestSnapshot(id: RequestID?, answer: @escaping (ByteBuffer?) -> Void) {
    snapshots.append((id, answer))
    publisher.snapshotWanted.store(true, ordering: .relaxed)
  }

  /// Answers those who wait for a frame that does not come.
  func refuseSnapshots() {
    publisher.snapshotWanted.store(false, ordering: .relaxed)
    let waiting = snapshots
    snapshots = []
    for (_, answer) in waiting { answer(nil) }
  }

  func replayed(_ number: Int, id: RequestID) -> ByteBuffer {
    store.withSlot(number) { encoder.replayed($0, id: id) }
  }

  /// Whether no frame at `sample` or later is missing before the oldest that is kept.
  func reaches(back sample: Int, epoch: Int) -> Bool {
    guard store.oldest < store.count else { return false }
    let oldest = store.header(store.oldest)
    return oldest.epoch < epoch
      || (oldest.epoch == epoch
        && (oldest.index == 0 || oldest.sample - publisher.stream.hop < sample))
  }

  /// Whether no frame before `sample` is still to come.
  func reaches(forward sample: Int, epoch: Int) -> Bool {
    guard let newest else { return false }
    return newest.epoch > epoch
      || (newest.epoch == epoch && newest.sample + publisher.stream.hop >= sample)
  }

  // MARK: Inhibition

  /// Where the stream is.
  var position: Int { max(status.sample, publisher.position.load(ordering: .relaxed)) }

  /// Suppresses detections for so much stream time from now; 0 ends it.
  ///
  /// - Returns: Until when, in seconds of stream time.
  func inhibit(seconds: Double, keywords: [Int]) -> Double {
    let until = position + Int((seconds * Double(sampleRate)).rounded())
    for keyword in keywords {
      inhibitions[keyword] = seconds > 0 ? until : 0
    }
    describeInhibitions()
    return Double(until) / Double(sampleRate)
  }

  func isInhibited(_ keyword: Int, at sample: Int) -> Bool { sample < inhibitions[keyword] }

  /// Whether an inhibition that is told of has run out; asked once a frame.
  func inhibitionsEnd() -> Bool {
    guard let until = status.inhibitedUntil,
      Double(status.sample) / Double(sampleRate) >= until
    else { return false }
    describeInhibitions()
    return true
  }

  /// Positions begin at 0: what is left of an inhibition goes on.
  private func carryInhibitions() {
    for keyword in keywords {
      inhibitions[keyword] = max(0, inhibitions[keyword] - status.sample)
    }
  }

  private func describeInhibitions() {
    let active = keywords.filter { inhibitions[$0] > status.sample }
    let last = active.map { inhibitions[$0] }.max()
    status.inhibitedUntil = last.map { Double($0) / Double(sampleRate) }
    status.inhibited = active.map { names[$0] }
  }

  // MARK: Latency

  /// Whether a frame is too late to be shown.
  ///
  /// Late by more than the budget, and not the newest there is: more sound waited when it was read, or more
  /// frames wait here. So a device that is slow by itself is never without frames, and one whose hearing
  /// has fallen behind is not slowed by showing it.
  ///
  /// - Parameters:
  ///   - header: Of the frame.
  ///   - now: Seconds since boot.
  /// - Returns: Whether it is to be told of as dropped.
  func sheds(_ header: FrameLayout.Header, now: Double) -> Bool {
    guard header.captured.isFinite, header.began.isFinite else { return false }
    let lag = now - header.began
    switch contract.judge(lag: lag, now: now) {
    case .begins(let lag): publisher.setWarning(.late, holds: true, lag: lag)
    case .ends: publisher.setWarning(.late, holds: false)
    case nil: break
    }
    return contract.isMissed(lag: lag) && (header.isBehind || publisher.frames.filledSlots > 1)
  }

  /// Counts a frame that nobody wants to see: it could have been written now.
  func couldBeWritten(_ header: FrameLayout.Header, now: Double) {
    if header.began.isFinite { publisher.latencies.add(seconds: now - header.began) }
  }

  /// Counts a frame that was written.
  func wasWritten(began: Double, now: Double) {
    if began.isFinite { publisher.latencies.add(seconds: now - began) }
  }

  // MARK: Warnings

  /// The warnings that hold now.
  var heldWarnings: [WarningCode] {
    let held = publisher.held.load(ordering: .relaxed)
    return WarningCode.allCases.filter { held & $0.bit != 0 }
  }

  /// Tells of warnings that have begun to hold, or are over, since the last call.
  func collectHeld(_ body: (WarningCode, _ holds: Bool) -> Void) {
    let held = publisher.held.load(ordering: .relaxed)
    let changed = held ^ heldBefore
    guard changed != 0 else { return }
    heldBefore = held
    for code in WarningCode.allCases where changed & code.bit != 0 {
      body(code, held & code.bit != 0)
    }
  }

  /// Takes the counts of warnings and gives out those that are due.
  func collectWarnings(now: NIODeadline, _ body: (Warning) -> Void) {
    for code in WarningCode.allCases {
      let new = publisher.takeWarnings(code)
      if new.count > 0 {
        var pending = warnings[code] ?? PendingWarning()
        pending.count += new.count
        pending.lag = max(pending.lag, new.lag)
        warnings[code] = pending
      }
      guard let pending = warnings[code], pending.count > 0 else { continue }
      if let last = pending.lastSent, now - last < Self.warningInterval { continue }
      warnings[code] = PendingWarning(lastSent: now)
      body(
        Warning(
          code: code, text: code.text, stream: status.stream, count: pending.count,
          lag: pending.lag > 0 ? pending.lag : nil))
    }
  }
}

extension WarningCode {
  /// Its place among the warnings that hold.
  var bit: UInt32 {
    switch self {
    case .late: 1
    case .clipping: 2
    case .silence: 4
    case .dcOffset: 8
    case .narrowBand: 16
    case .clockDrift: 32
    case .noSpace: 64
    case .other: 128
    case .falseReference: 256
    }
  }

  /// For people.
  package var text: String {
    switch self {
    case .late: "frames leave later than the latency budget allows"
    case .clipping: "the input clips; turn its gain down"
    case .silence: "the input has been digital silence for 10 s; is the microphone muted?"
    case .dcOffset:
      "the input's mean is far from zero; the microphone or its cable is faulty, or wants a high-pass"
    case .narrowBand:
      "the input has nothing above 4 kHz; is it a telephone's or a headset's call mode?"
    case .clockDrift: "the card's clock and the system's drift apart"
    case .noSpace: "a detection's sound can't be kept: no room or no folder; the log says which"
    case .falseReference:
      "the reference gives what the microphone hears, so it isn't used; is it the loudspeaker's monitor?"
    case .other: "something is wrong"
    }
  }
}
