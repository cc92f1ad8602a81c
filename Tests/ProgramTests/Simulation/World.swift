import AttentionSocket
import AudioInput
import Glibc
import ModelFile
import NIOCore
import NIOEmbedded
import Simulated
import TestSupport
import attnd

/// A daemon in a made-up world, its readers and clients, its disk, its model, and whoever watches over it.
///
/// What happens follows from a seed, and is held at every step against what was promised.
final class World {
  /// Attention frames are late after so long.
  private static let budget = 0.1
  /// Frames that wait for the event loop at most, about.
  private static let ring = 200

  let seed: UInt64
  let daemon: SimulatedDaemon
  let crowd: Crowd
  /// What happened, and how often.
  private(set) var troubles: [String: Int] = [:]
  /// Turns so far.
  private(set) var turns = 0

  private let oracle: Oracle
  private var truth: Reader.Truth
  private var manager = ServiceManager()
  private var hops: HopJudge
  private var random: SplitMix64

  /// What went wrong; nothing happens after that.
  private var fault: Broken?
  private var log: [String] = []
  /// What the world itself asked of the allocator within a hop.
  private var aside = AllocationCount.none
  private var isAside = false

  /// Number of the model that the oracle hears with, and models made so far.
  private var model = 0
  private var modelsMade: UInt64 = 0
  /// Detections that weren't inhibited when they were heard, and how many of the oracle's those are of.
  private var clipsDue = 0
  private var clipsCounted = 0
  private var shown = 0
  private var newestKnown = -1

  /// While machine or process stood still.
  private var stopped = 0.0
  private var loopTime = 0.0
  private var loopBusyUntil = 0.0
  private var writerBusyUntil = 0.0
  private var nextSweep = 0.0

  init(seed: UInt64) throws {
    self.seed = seed
    random = SplitMix64(seed: seed)
    daemon = try SimulatedDaemon(seed: seed, reset: Self.resetRule(seed % 2 == 0))
    oracle = try Oracle(daemon.present.model, heard: daemon.heard, seed: seed)
    crowd = try Crowd(daemon, seed: seed &+ 1)
    hops = HopJudge(sampleRate: daemon.device.sampleRate)
    truth = Reader.Truth(
      keywords: SimulatedDaemon.keywords, frame: { [unowned oracle] in oracle.frames[$0] })
    loopTime = daemon.time.sinceBoot
    daemon.whenIdle { [unowned self] in turn($0) }
    daemon.setAside { [unowned self] in setAside($0) }
  }

  private static func resetRule(_ never: Bool) -> ModelFile.ResetRule {
    never ? .never : .silence(ModelFile.Silence(seconds: 0.5, decibels: -50))
  }

  /// Seconds of stream time, what was lost included.
  var seconds: Double { Double(oracle.position) / Double(daemon.device.sampleRate) }
  /// Seconds of sound that were heard.
  var heardSeconds: Double {
    Double(oracle.position - oracle.lost) / Double(daemon.device.sampleRate)
  }
  /// Detections that readers were told of.
  var detections: Int { truth.told.count }

  // MARK: Running

  /// Lets so many seconds of sound be heard, and ends in order.
  ///
  /// - Throws: `Broken`, with seed, turn and what happened before.
  func live(seconds: Double) throws {
    do {
      while heardSeconds < seconds {
        guard try advance() else { break }
      }
      if let fault { throw fault }
      try end()
    } catch {
      throw Broken(
        description: """
          seed \(seed), turn \(turns), sample \(oracle.position): \(error); before:
          \(log.suffix(20).joined(separator: "\n"))
          """)
    }
  }

  /// A hop of the daemon's, and the same by itself.
  private func advance() throws -> Bool {
    let stream = daemon.stream
    let (lost, before) = (oracle.lost, AllocationCount.now)
    aside = .none
    let goesOn = try stream.advance()
    let after = AllocationCount.now
    if let fault { throw fault }
    try oracle.catchUp()
    try hops.judge(
      stream.position,
      AllocationCount(
        allocations: after.allocations - before.allocations - aside.allocations, frees: 0,
        locks: after.locks - before.locks - aside.locks),
      mayAllocate: oracle.lost != lost || stream.model != model)
    try demand(
      stream.position == oracle.position,
      "the stream stands at \(stream.position), by itself at \(oracle.position)")
    if stream.model != model {
      model = stream.model
      daemon.hasTakenModel()
      try oracle.use(daemon.exchange.models[model])
    }
    for keyword in truth.keywords.indices {
      oracle.setThreshold(daemon.publisher.thresholds[keyword], of: keyword)
    }
    for found in oracle.detections.dropFirst(clipsCounted) where !isInhibited(found) {
      clipsDue += 1
    }
    clipsCounted = oracle.detections.count
    return goesOn
  }

  private func isInhibited(_ found: Oracle.Detection) -> Bool {
    daemon.publisher.isInhibited(found.keyword, at: found.sample)
  }

  /// Does what a daemon wouldn't: what that asks of the allocator isn't the daemon's.
  private func setAside(_ body: () -> Void) {
    guard !isAside else { return body() }
    isAside = true
    defer { isAside = false }
    let before = AllocationCount.now
    body()
    let after = AllocationCount.now
    aside.allocations += after.allocations - before.allocations
    aside.locks += after.locks - before.locks
  }

  /// Where the stream would wait.
  ///
  /// - Parameter capture: What the capture thread does next.
  private func turn(_ capture: () -> Void) {
    setAside {
      // A stream that waits notices only that.
      guard fault == nil else { return daemon.device.cancel() }
      do {
        let periodsAway = try happen()
        for _ in 0...periodsAway {
          turns += 1
          try others()
          capture()
        }
      } catch {
        fault = Broken(description: "\(error)")
        daemon.device.cancel()
      }
    }
  }

  private var now: Double { daemon.time.sinceBoot }
  /// Seconds that the daemon has lived: neither asleep nor stopped.
  private var lived: Double { now - stopped }

  /// Everybody but the stream.
  private func others() throws {
    if chance(2) { daemon.threads.take() }
    if now >= loopBusyUntil { try runLoop() }
    if now >= writerBusyUntil { while daemon.recorder.writer.writeNext() {} }
    try manager.listen(at: lived, device: daemon.device, pulse: daemon.pulse)
  }

  private func runLoop() throws {
    truth.told += oracle.detections.filter { !isInhibited($0) }
    oracle.detections.removeAll()
    clipsCounted = 0
    while !daemon.hub.drain() {}
    daemon.loop.advanceTime(by: .nanoseconds(Int64((lived - loopTime) * 1e9)))
    loopTime = lived
    if lived >= nextSweep {
      daemon.hub.sweep()
      nextSweep = lived + 0.25
    }
    daemon.loop.run()
    try crowd.look(truth)
    try checkWitness()
    try crowd.act(newest: truth.told.count)
  }

  /// Who reads everything knows everything.
  private func checkWitness() throws {
    let witness = crowd.witness
    try demand(
      witness.lost == oracle.lost,
      "\(witness.lost) samples were told of as lost, \(oracle.lost) are")
    try demand(
      witness.detections == truth.told.count,
      "\(witness.detections) detections of \(truth.told.count) came")
    // Those that found the ring full are told of with the next one.
    if witness.framesKnown == oracle.newest + 1 { newestKnown = oracle.newest }
    try demand(
      newestKnown == oracle.newest || oracle.newest - newestKnown > Self.ring,
      "\(witness.framesKnown) frames of \(oracle.newest + 1) came or were told of as dropped")
    if let state = witness.state {
      try demand(
        state == daemon.state, "the stream is said to be \(state), it is \(daemon.state)")
    }
    // Where newer ones found the ring full there are none behind it.
    guard let frame = witness.newestFrame, frame != shown, newestKnown == oracle.newest else {
      return
    }
    shown = frame
    guard let captured = oracle.captured[frame], now - captured > Self.budget + 0.001 else {
      return
    }
    try demand(
      frame == oracle.newest,
      "frame \(frame) came after \(now - captured) s, and \(oracle.newest) was there")
  }

  // MARK: What happens

  private func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

  private func draw(_ range: ClosedRange<Double>) -> Double {
    Double.random(in: range, using: &random)
  }

  private func note(_ trouble: String, _ text: String = "") {
    troubles[trouble, default: 0] += 1
    log.append("turn \(turns), sample \(oracle.position): \(trouble) \(text)")
    if log.count > 40 { log.removeFirst(20) }
  }

  /// Machine or process stand still.
  private func stop(_ seconds: Double) {
    daemon.time.advance(seconds)
    stopped += seconds
  }

  /// Now and then something happens.
  ///
  /// - Returns: For how many periods the stream's thread is away.
  private func happen() throws -> Int {
    guard chance(600) else { return 0 }
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<6: happenToCard()
    case 6:
      let length = draw(0.4...5)
      note("the process is stopped", "for \(length) s")
      stop(length)
    case 7:
      let length = draw(600...30_000)
      note("the machine sleeps", "for \(length) s")
      stop(length)
    case 8:
      let step = draw(-3_600...3_600)
      note("the clock is set", "by \(step) s")
      daemon.time.step(step)
    case 9, 10:
      let periods = Int.random(in: 1...60, using: &random)
      note("the stream is late", "by \(periods) periods")
      return periods
    case 11:
      let periods = Int.random(in: 100...4_000, using: &random)
      note("the stream stands still", "for \(periods) periods")
      return periods
    case 12:
      let length = draw(0...2)
      note("the event loop is busy", "for \(length) s")
      loopBusyUntil = now + length
    case 13..<16: happenToDisk()
    case 16:
      let mood = chance(2) ? .lively : Microphone.Mood.allCases.randomElement(using: &random)
      daemon.microphone.mood = mood ?? .lively
      note("other sound", "\(daemon.microphone.mood)")
    default: try readAnew()
    }
    return 0
  }

  private func happenToCard() {
    let card = daemon.microphone.card
    switch Int.random(in: 0..<5, using: &random) {
    case 0:
      let length = draw(0...10)
      note("the card sleeps", "for \(length) s")
      card?.trouble = .asleep(until: now + length)
    case 1:
      let length = draw(0...60)
      note("the card is unplugged", "for \(length) s")
      card?.trouble = .gone
      daemon.microphone.presentFrom = now + length
    case 2:
      note("the card is deaf")
      card?.trouble = .deaf
    case 3:
      note("the card fails")
      card?.trouble = .failing
    default:
      let most = chance(2) ? .max : Int.random(in: 1...200, using: &random)
      note("short reads", "of \(most)")
      card?.mostAtOnce = most
    }
  }

  private func happenToDisk() {
    let disk = daemon.disk
    switch Int.random(in: 0..<4, using: &random) {
    case 0:
      disk.room = Int.random(in: 0...50_000, using: &random)
      note("the disk is full", "at \(disk.room) bytes")
    case 1:
      disk.fault = EIO
      note("the disk fails")
    case 2:
      let length = draw(0...20)
      writerBusyUntil = now + length
      note("the disk is slow", "for \(length) s")
    default:
      (disk.room, disk.fault) = (.max, nil)
      note("the disk is well")
    }
  }

  private func readAnew() throws {
    let (folder, name) = (daemon.folder, SimulatedDaemon.modelName)
    modelsMade += 1
    let made = modelsMade
    switch Int.random(in: 0..<6, using: &random) {
    case 0:
      _ = try folder.file(name, Array(SmallModel.bytes(seed: seed).prefix(700)))
      note("reload", "of half a model")
    case 1:
      _ = try folder.file(name, Array("text".utf8))
      note("reload", "of no model")
    case 2:
      _ = try folder.file(
        name, SmallModel.bytes(seed: seed) { $0.keywords[0].phrase = "somebody else" })
      note("reload", "of a model with other words")
    case 3:
      let threshold = Double(Int.random(in: 35...65, using: &random)) / 100
      daemon.settings["threshold"] = chance(3) ? nil : "\(threshold)"
      _ = try folder.file(name, SmallModel.bytes(seed: seed))
      note("reload", "with thresholds of \(threshold)")
    default:
      let rule = Self.resetRule(chance(2))
      _ = try folder.file(name, SmallModel.bytes(seed: seed &+ made) { $0.reset = rule })
      note("reload", "of model \(made)")
    }
    do {
      let before = daemon.present
      try daemon.readAnew()
      crowd.changed(from: before)
    } catch {
      note("reload is refused", "\(error)")
    }
  }

  // MARK: The end

  /// Stops in order: what was heard is delivered, and nothing is left.
  private func end() throws {
    note("the end")
    daemon.device.cancel()
    daemon.recorder.finish()
    daemon.recorder.writer.run()
    daemon.threads.take()
    try runLoop()
    let kept = daemon.disk.history.count { $0.hasPrefix("rename") && $0.hasSuffix(".json") }
    try demand(
      kept + daemon.clipsMissed == clipsDue,
      "\(clipsDue) detections, \(kept) clips and \(daemon.clipsMissed) warnings")
    var isEmpty = false
    daemon.hub.close(Bye(reason: .shutdown, text: "the world ends")) { isEmpty = true }
    try crowd.end(truth)
    daemon.loop.advanceTime(by: .seconds(10))
    daemon.hub.sweep()
    daemon.loop.run()
    try demand(
      isEmpty && daemon.hub.counters.statistics.connections == 0, "a connection is still known")
  }
}
