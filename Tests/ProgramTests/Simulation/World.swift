import AttentionSocket
import AudioInput
import Dispatch
import Glibc
import Logging
import ModelFile
import NIOCore
import NIOEmbedded
import Simulated
import Synchronization
import TestSupport
import attnd

/// A daemon in a made-up world: its stream from the card to the sockets of its readers, its server, what
/// clients bring, its clips, its model, and whoever watches over it, on one thread and on a clock that
/// goes on when somebody waits. What happens follows from a seed.
///
/// The stream's thread drives everything: where it would wait for sound, the world has its turn. Outside
/// are what only the system has (threads, sockets, signals, ALSA itself) and MQTT's library; scripts with
/// real ones test those.
final class World {
  struct Broken: Error, CustomStringConvertible {
    let description: String
  }

  private static let keywords = ["alexa", "view_glass"]
  private static let run = "0123456789abcdef"
  private static let budget = 0.1
  private static let patience = 10.0
  private static let retained = 300

  let seed: UInt64
  /// Turns so far.
  private(set) var step = 0
  private(set) var troubles: [String: Int] = [:]
  private(set) var frames = 0
  private(set) var told = 0
  private(set) var words = 0

  private var random: SplitMix64
  private let time = SimulatedTime()
  private let loop = EmbeddedEventLoop()
  private let microphone: Microphone
  private let device: DeviceSource
  private let heard: HeardSource
  private let oracle: Oracle
  private let stream: ListeningStream
  private let publisher: FramePublisher
  private let pulse = StreamPulse(name: "mic")
  private let hub: Hub
  private let exchange: PipelineExchange
  private let clients: ClientListening
  private let threads = Threads()
  private let reload: ModelReload
  private let recorder: ClipRecorder
  private let disk = MemoryFolder()
  private let conditions = Conditions()
  private var supervision = Supervision(watchdog: WatchdogTerms(patience: .seconds(patience)))

  private let folder: TemporaryFolder
  private let settings: Given
  private var present: Speaker.Present
  private var modelsMade: UInt64 = 1
  /// Number of the model that the oracle hears with.
  private var model = 0

  private var readers: [Reader] = []
  private var speakers: [Speaker] = []
  private var people = 0
  private let witness: Reader
  private var truth: Reader.Truth
  /// Detections that nobody was told of at the moment they were heard.
  private var clipsDue = 0

  /// What went wrong; nothing happens after that.
  private var fault: Broken?
  private var log: [String] = []
  /// What the test itself asks of the allocator within a hop.
  private var aside = AllocationCount.now
  private var isAside = false
  private var quietSince = 0
  private var greed: (position: Int, count: AllocationCount)?

  /// While the machine or the process stood still.
  private var stopped = 0.0
  private var loopTime = 0.0
  private var loopBusyUntil = 0.0
  private var writerBusyUntil = 0.0
  private var nextSweep = 0.0
  private var nextSupervision = 0.0
  private var fed = 0.0
  private var liveliness = 0
  private var livelyAt = 0.0
  private var stillness = 0.0
  private var livelinessFed = -1

  /// The daemon's settings, and how they change.
  private final class Given: Sendable {
    private let texts = Mutex<[String: String]>([:])

    subscript(name: String) -> String? {
      get { texts.withLock { $0[name] } }
      set { texts.withLock { $0[name] = newValue } }
    }

    func resolve() throws -> Settings {
      try Settings.resolve(flags: texts.withLock(\.self), environment: [:])
    }
  }

  /// Threads that take turns.
  private final class Threads: Sendable {
    private let all = Mutex<[ClientThread]>([])
    func add(_ thread: ClientThread) { all.withLock { $0.append(thread) } }
    func turn() { for thread in all.withLock(\.self) { while thread.turn() {} } }
  }

  /// What the stream was said to be last.
  private final class Conditions: @unchecked Sendable {
    // Unchecked: a world has one thread.
    var state: StreamState = .starting
    var aside: (() -> Void) -> Void = { $0() }
    var hasListened = false
  }

  init(seed: UInt64) throws {
    self.seed = seed
    random = SplitMix64(seed: seed)
    let time = time
    let logger = Logger(label: "world") { _ in SwiftLogNoOpLogHandler() }
    folder = try TemporaryFolder()
    let rule: ModelFile.ResetRule =
      seed % 2 == 0 ? .never : .silence(ModelFile.Silence(seconds: 0.5, decibels: -50))
    let settings = Given()
    self.settings = settings
    settings["model"] = try folder.file(
      "model.safetensors", SmallModel.bytes(seed: seed) { $0.reset = rule })
    let given = try settings.resolve()
    let first = try ModelFile(path: settings["model"] ?? "")
    present = .init(model: first, threshold: nil)

    let microphone = Microphone(sampleRate: first.sampleRate, time: time, seed: seed ^ 0xA5A5)
    self.microphone = microphone
    let conditions = conditions
    let relay = Relay()
    nonisolated(unsafe) let card = microphone
    device = DeviceSource(
      name: "microphone", sampleRate: first.sampleRate, timekeeper: time,
      open: { () throws(AudioInputError) in
        var opened: Result<any AudioSource, AudioInputError> = .failure(
          .deviceMissing(device: "microphone", reason: "not asked"))
        conditions.aside {
          do throws(AudioInputError) { opened = .success(try card.open()) } catch {
            opened = .failure(error)
          }
        }
        return try opened.get()
      },
      observer: { condition, position in conditions.aside { relay.tell(condition, position) } })
    heard = HeardSource(device)
    oracle = try Oracle(first, heard: heard, seed: seed ^ 0x5A5A)

    let turns = threads
    let exchange = PipelineExchange(first)
    self.exchange = exchange
    let clients = ClientListening(
      model: first, threshold: nil, threads: 2, clients: 16, timekeeper: time,
      start: { thread, _ in turns.add(thread) }, logger: logger)
    self.clients = clients
    reload = ModelReload(
      ModelReload.Listening(given, model: first),
      streams: [.init(name: "mic", kind: .device, exchange: exchange)], clients: clients,
      settings: { try settings.resolve() }, timekeeper: time, logger: logger)
    let description = AttentionServer.Description(
      model: first, threshold: nil, streams: [(name: "mic", kind: .device)], hearsClients: true)
    var limits = ServerLimits()
    (limits.history, limits.retainedFrames, limits.connections) = (64, Self.retained, 16)
    hub = Hub(
      eventLoop: loop,
      identity: Hello(
        program: description.program, version: description.version, run: Self.run,
        model: description.model, keywords: description.keywords,
        streams: description.streams, hearsClients: true, limits: limits),
      attentionHeads: description.attentionHeads,
      clients: description.clientStream.map { ClientAudioService(stream: $0, listening: clients) },
      limits: limits,
      clock: ServerClock(unix: { time.unix }, sinceBoot: { time.sinceBoot }), logger: logger)
    let publisher = hub.publishers[0]
    self.publisher = publisher
    let reports = DeviceReports(stream: "mic", publisher: publisher, pulse: pulse, logger: logger)
    relay.tell = { condition, position in
      reports.tell(condition, device: "microphone", at: position)
      switch condition {
      case .listening:
        conditions.state = .running
        conditions.hasListened = true
      case .searching: conditions.state = conditions.hasListened ? .recovering : .waiting
      }
    }
    let warned = Counter()
    self.counter = warned
    recorder = ClipRecorder(
      heard, stream: "mic", models: exchange.models,
      settings: ClipSettings(folder: "", before: 0.5, after: 0.3),
      store: ClipStore(folder: disk, mostClips: 20, mostBytes: 200_000), patience: .none,
      clock: { time.unix }, isSuppressed: { publisher.isInhibited($0, at: $1) },
      warn: {
        warned.count += 1
        publisher.warn(.noSpace)
      }, logger: logger)
    stream = try ListeningStream(
      source: device, model: first, threshold: nil, publisher: publisher, pulse: pulse,
      exchange: exchange, recorder: recorder, timekeeper: time)
    let oracle = oracle
    truth = Reader.Truth(
      keywords: Self.keywords, run: Self.run, frame: { [unowned oracle] in oracle.frames[$0] })
    witness = Reader("witness", try Self.connect(hub, loop, .trusted))
    loopTime = time.sinceBoot
    fed = time.sinceBoot
    livelyAt = time.sinceBoot

    microphone.whileIdle = { [unowned self] in self.turn($0) }
    time.whileWaiting = { [unowned self] in self.turn {} }
    let setAside: (() -> Void) -> Void = { [unowned self] in self.setAside($0) }
    conditions.aside = setAside
    heard.aside = setAside
    readers.append(witness)
    try witness.subscribe(
      SubscriptionRequest(
        events: SubscribableEvent.allCases, since: DetectionNumber(run: Self.run, seq: 0)))
  }

  /// What a device's observer calls, made before there is somebody to be told.
  private final class Relay: @unchecked Sendable {
    // Unchecked: a world has one thread.
    var tell: (DeviceSource.Condition, SamplePosition) -> Void = { _, _ in }
  }

  private final class Counter: @unchecked Sendable {
    // Unchecked: a world has one thread.
    var count = 0
  }
  private let counter: Counter

  /// Stream time so far, in seconds.
  var seconds: Double { Double(stream.position) / Double(device.sampleRate) }
  /// Seconds of sound that were heard.
  var heardSeconds: Double {
    Double(stream.position - oracle.lost) / Double(device.sampleRate)
  }

  private static func connect(
    _ hub: Hub, _ loop: EmbeddedEventLoop, _ peer: Peer
  ) throws -> EmbeddedSubscriber {
    let channel = EmbeddedChannel(handlers: [], loop: loop)
    try channel.pipeline.syncOperations.addHandler(Connection(hub: hub, peer: peer))
    try channel.connect(to: NIOCore.SocketAddress(unixDomainSocketPath: "/world")).wait()
    return EmbeddedSubscriber(channel)
  }

  // MARK: Running

  /// Lets so many seconds of sound be heard, and ends in order.
  ///
  /// - Throws: `Broken`, with seed, turn and what happened before.
  func live(seconds: Double) throws {
    do {
      while heardSeconds < seconds {
        guard try advance() else { break }
        if let fault { throw fault }
      }
      if let fault { throw fault }
      try end()
    } catch {
      throw Broken(
        description: """
          seed \(seed), turn \(step), sample \(stream.position): \(error)
          \(log.suffix(20).joined(separator: "\n"))
          """)
    }
  }

  /// A hop, and the same by itself.
  private func advance() throws -> Bool {
    let before = AllocationCount.now
    aside = .none
    let lost = oracle.lost
    let goesOn = try stream.advance()
    let after = AllocationCount.now
    try oracle.catchUp()
    try judge(
      AllocationCount(
        allocations: after.allocations - before.allocations - aside.allocations,
        frees: 0, locks: after.locks - before.locks - aside.locks),
      mayAllocate: oracle.lost != lost || stream.model != model)
    try expect(
      stream.position == oracle.position,
      "the stream stands at \(stream.position), by itself at \(oracle.position)")
    if stream.model != model {
      model = stream.model
      conditions.state = .running
      try oracle.use(exchange.models[model])
    }
    for keyword in Self.keywords.indices {
      oracle.setThreshold(publisher.thresholds[keyword], of: keyword)
    }
    noteClips()
    return goesOn
  }

  /// No hop asks the allocator for anything, but in the second around a hole: the resampler's queues grow
  /// anew there.
  ///
  /// - Parameters:
  ///   - count: What the hop asked for.
  ///   - mayAllocate: Whether it met a hole or a new model.
  private func judge(_ count: AllocationCount, mayAllocate: Bool) throws {
    guard AllocationCount.isAvailable else { return }
    if mayAllocate {
      quietSince = stream.position
      greed = nil
    } else if count != .none, greed == nil, stream.position - quietSince > device.sampleRate {
      greed = (stream.position, count)
    }
    if let greed, stream.position - greed.position > device.sampleRate {
      throw Broken(description: "the hop up to \(greed.position) came to \(greed.count)")
    }
  }

  /// Clips are kept of what isn't inhibited when it is heard.
  private var clipsSeen = 0
  private func noteClips() {
    for found in oracle.detections.dropFirst(clipsSeen)
    where !publisher.isInhibited(found.keyword, at: found.sample) {
      clipsDue += 1
    }
    clipsSeen = oracle.detections.count
  }

  private func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Broken(description: text()) }
  }

  /// Does what a daemon wouldn't: what it asks of the allocator isn't the daemon's.
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
      guard fault == nil else { return device.cancel() }
      do {
        step += 1
        let away = happen()
        try others()
        capture()
        // The stream's thread has no processor: everybody else goes on.
        for _ in 0..<away {
          step += 1
          try others()
          capture()
        }
      } catch {
        fault = Broken(description: "\(error)")
        device.cancel()
      }
    }
  }

  private var now: Double { time.sinceBoot }
  /// Seconds that the daemon has lived: neither asleep nor stopped.
  private var awake: Double { now - stopped }

  /// Everybody but the stream.
  private func others() throws {
    if chance(2) { threads.turn() }
    if now >= loopBusyUntil { try runLoop() }
    if now >= writerBusyUntil { while recorder.writer.writeNext() {} }
    if awake >= nextSupervision { try supervise() }
  }

  private func note(_ text: String) {
    log.append("turn \(step), sample \(oracle.position), \(fixed(now)) s: \(text)")
    if log.count > 40 { log.removeFirst(20) }
  }

  private func fixed(_ seconds: Double) -> String { String((seconds * 1_000).rounded() / 1_000) }

  /// One in so many.
  private func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) == 0 }

  private func seconds(_ range: ClosedRange<Double>) -> Double {
    Double.random(in: range, using: &random)
  }

  // MARK: The event loop

  private func runLoop() throws {
    for found in oracle.detections where !publisher.isInhibited(found.keyword, at: found.sample) {
      truth.told.append(found)
    }
    oracle.detections.removeAll()
    clipsSeen = 0
    while !hub.drain() {}
    let elapsed = awake - loopTime
    if elapsed > 0 {
      loop.advanceTime(by: .nanoseconds(Int64(elapsed * 1e9)))
      loopTime = awake
    }
    if awake >= nextSweep {
      hub.sweep()
      nextSweep = awake + 0.25
    }
    loop.run()
    try look()
  }

  /// Readers and speakers take what there is; some do something.
  private func look() throws {
    for reader in readers { try reader.look(truth) }
    for speaker in speakers where !speaker.isGone { try speaker.look() }
    try checkWitness()
    if chance(40) { try actOfReader() }
    if chance(20), let speaker = speakers.randomElement(using: &random) {
      try speaker.speak(present)
    }
    for (index, speaker) in speakers.enumerated().reversed() {
      if speaker.isThrough, !speaker.isGone, chance(200) {
        // All there is has been heard, as far as it was given time.
        threads.turn()
        while !hub.drain() {}
        loop.run()
        threads.turn()
        while !hub.drain() {}
        try speaker.look()
        try speaker.check()
        words += speaker.words
        speaker.tear()
      }
      if speaker.isGone { speakers.remove(at: index) }
    }
    for (index, reader) in readers.enumerated().reversed()
    where !reader.isConnected && reader !== witness {
      reader.tear()
      readers.remove(at: index)
    }
  }

  private var seenByWitness = 0
  private func checkWitness() throws {
    try expect(!witness.hasHeardLast, "the witness was sent away")
    try expect(
      witness.lost == oracle.lost,
      "\(witness.lost) samples were told of as lost, \(oracle.lost) are")
    try expect(
      witness.detections == truth.told.count,
      "\(witness.detections) detections of \(truth.told.count) came")
    if let state = witness.state {
      try expect(
        state == conditions.state, "the stream is said to be \(state), it is \(conditions.state)")
    }
    guard let frame = witness.newestFrame, frame != seenByWitness else { return }
    seenByWitness = frame
    if let captured = oracle.captured[frame], now - captured > Self.budget + 0.001 {
      try expect(
        frame == oracle.newest,
        "frame \(frame) came after \(fixed(now - captured)) s, and \(oracle.newest) was there")
    }
  }

  private func actOfReader() throws {
    if readers.count < 6, chance(3) { return try welcome() }
    let others = readers.dropFirst()
    guard let reader = others.randomElement(using: &random) else { return }
    switch Int.random(in: 0..<14, using: &random) {
    case 0, 1: reader.read(!reader.isReading)
    case 2: reader.tear()
    case 3: try reader.send("status", "{\"id\":1}")
    case 4: try reader.send("snapshot", "{\"id\":2,\"stream\":\"mic\"}")
    case 5:
      let to = oracle.position
      let from = max(0, to - Int.random(in: 1...20_000, using: &random))
      try reader.send(
        "replay", "{\"id\":3,\"stream\":\"mic\",\"from_sample\":\(from),\"to_sample\":\(to)}")
    case 6, 7:
      let threshold = Double(Int.random(in: 30...70, using: &random)) / 100
      let keyword = Self.keywords[Int.random(in: 0...1, using: &random)]
      try reader.send(
        "set",
        "{\"id\":4,\"stream\":\"mic\",\"keyword\":\"\(keyword)\",\"threshold\":\(threshold)}")
    case 8:
      let length = chance(2) ? 0 : Int.random(in: 1...20, using: &random)
      try reader.send("inhibit", "{\"id\":5,\"stream\":\"mic\",\"seconds\":\(length)}")
      note("inhibited for \(length) s")
    case 9: try subscribe(reader)
    case 10: try reader.send("unsubscribe", "{\"id\":6}")
    case 11: try reader.send("describe")
    case 12: try babble(reader)
    default: try reader.send("ping", "{\"text\":\"\(step)\"}")
    }
  }

  private func welcome() throws {
    people += 1
    if chance(3), speakers.count < 4 {
      let peer = chance(2) ? Peer.remote : Peer.trusted
      speakers.append(
        Speaker(
          "speaker \(people)", try Self.connect(hub, loop, peer), seed: random.next()))
      return
    }
    let reader = Reader("reader \(people)", try Self.connect(hub, loop, .trusted))
    readers.append(reader)
    try subscribe(reader)
  }

  private func subscribe(_ reader: Reader) throws {
    let forms = BulkForm.allCases
    var events = SubscribableEvent.allCases.filter { _ in !chance(3) }
    if events.isEmpty { events = [.detection] }
    let newest = truth.told.count
    let since = chance(2) ? max(0, newest - Int.random(in: 0...100, using: &random)) : nil
    try reader.subscribe(
      SubscriptionRequest(
        events: events, every: [1, 1, 2, 5, 100][Int.random(in: 0..<5, using: &random)],
        weights: forms[Int.random(in: 0..<3, using: &random)],
        spectrum: forms[Int.random(in: 0..<3, using: &random)],
        since: since.map { DetectionNumber(run: Self.run, seq: $0) }))
  }

  /// What is no event, or only half of one.
  private func babble(_ reader: Reader) throws {
    guard reader.isConnected else { return }
    let pieces = [
      "{\"type\":\"status\",\"data_length\":100}\n{\"id\":", "{}\n", "\n\n", "\u{1}\u{7F}",
      "{\"type\":\"subscribe\",\"data_length\":12}\n{\"every\":-1}x",
      "{\"type\":\"audio-chunk\",\"payload_length\":99999999999}\n",
    ]
    try reader.subscriber.send(bytes: pieces[Int.random(in: 0..<pieces.count, using: &random)])
  }

  // MARK: The service manager

  private func supervise() throws {
    let lively = device.liveliness
    if lively != liveliness {
      liveliness = lively
      livelyAt = awake
    } else {
      stillness = max(stillness, awake - livelyAt)
    }
    let messages = supervision.turn([pulse])
    let pause = supervision.pause
    nextSupervision =
      awake + Double(pause.components.seconds) + Double(pause.components.attoseconds) * 1e-18
    if messages.contains(.watchdog) {
      try expect(
        lively != livelinessFed, "the watchdog was fed although the stream stands still")
      livelinessFed = lively
      fed = awake
      stillness = 0
    } else if messages.contains(.ready) {
      livelinessFed = lively
      fed = awake
    }
    try expect(
      !supervision.isReady || awake - fed < Self.patience || stillness >= Self.patience / 2 - 1.5,
      "the watchdog wasn't fed for \(fixed(awake - fed)) s of life")
  }

  // MARK: What happens

  /// Now and then something happens.
  ///
  /// - Returns: For how many periods the stream's thread is away.
  private func happen() -> Int {
    guard chance(600) else { return 0 }
    func trouble(_ name: String, _ amount: Double? = nil) {
      troubles[name, default: 0] += 1
      note(name + (amount.map { " \(fixed($0))" } ?? ""))
    }
    func stop(_ seconds: Double) {
      time.advance(seconds)
      stopped += seconds
    }
    let card = microphone.card
    switch Int.random(in: 0..<20, using: &random) {
    case 0:
      let length = seconds(0.4...5)
      trouble("the process is stopped", length)
      stop(length)
    case 1:
      let length = seconds(0...10)
      trouble("the card sleeps", length)
      card?.trouble = .asleep(until: now + length)
    case 2:
      let length = seconds(0...60)
      trouble("unplugged", length)
      card?.trouble = .gone
      microphone.presentFrom = now + length
    case 3:
      trouble("the card is deaf")
      card?.trouble = .deaf
    case 4:
      trouble("the card fails")
      card?.trouble = .failing
    case 5:
      let most = Int.random(in: 1...200, using: &random)
      trouble("short reads", Double(most))
      card?.mostAtOnce = chance(2) ? .max : most
    case 6:
      let step = seconds(-3_600...3_600)
      trouble("the clock is set", step)
      time.step(step)
    case 7:
      let length = seconds(600...30_000)
      trouble("the machine sleeps", length)
      stop(length)
    case 8, 9:
      let periods = Int.random(in: 1...60, using: &random)
      trouble("the stream is late", Double(periods))
      return periods
    case 10:
      let periods = Int.random(in: 100...4_000, using: &random)
      trouble("the stream stands still", Double(periods))
      return periods
    case 11:
      let length = seconds(0...2)
      trouble("the event loop is busy", length)
      loopBusyUntil = now + length
    case 12:
      let length = seconds(0...20)
      trouble("the clip writer is busy", length)
      writerBusyUntil = now + length
    case 13:
      trouble("the disk is full")
      disk.room = Int.random(in: 0...50_000, using: &random)
    case 14:
      trouble("the disk fails")
      disk.fault = EIO
    case 15:
      trouble("the disk is well")
      (disk.room, disk.fault) = (.max, nil)
    case 16:
      microphone.mood = Microphone.Mood.allCases[Int.random(in: 0..<4, using: &random)]
      if chance(2) { microphone.mood = .lively }
      trouble("the sound is \(microphone.mood)")
    default: reloadSomething(trouble)
    }
    return 0
  }

  private func reloadSomething(_ trouble: (String, Double?) -> Void) {
    do {
      let path = "model.safetensors"
      switch Int.random(in: 0..<6, using: &random) {
      case 0:
        trouble("reload of a model cut off", nil)
        _ = try folder.file(path, Array(SmallModel.bytes(seed: seed).prefix(700)))
      case 1:
        trouble("reload of no model", nil)
        _ = try folder.file(path, Array("text".utf8))
      case 2:
        trouble("reload of another form", nil)
        _ = try folder.file(
          path, SmallModel.bytes(seed: seed) { $0.keywords[0].phrase = "somebody else" })
      case 3:
        let threshold = Double(Int.random(in: 35...65, using: &random)) / 100
        trouble("reload of a threshold", threshold)
        settings["threshold"] = chance(3) ? nil : "\(threshold)"
        _ = try folder.file(path, SmallModel.bytes(seed: seed))
      default:
        modelsMade += 1
        trouble("reload of a model", Double(modelsMade))
        let rule: ModelFile.ResetRule =
          chance(2) ? .never : .silence(ModelFile.Silence(seconds: 0.5, decibels: -50))
        _ = try folder.file(path, SmallModel.bytes(seed: seed &+ modelsMade) { $0.reset = rule })
      }
      switch reloaded() {
      case .success(let new?):
        hub.take(new)
        present = .init(
          model: try ModelFile(path: settings["model"] ?? ""),
          threshold: try settings.resolve().threshold)
      case .success(nil): break
      case .failure(let error): note("refused: \(error)")
      }
    } catch {
      fault = Broken(description: "reload: \(error)")
    }
  }

  /// Reads anew, while the world stands still.
  private func reloaded() -> Result<Reloaded?, any Error> {
    let done = DispatchSemaphore(value: 0)
    let outcome = Mutex<Result<Reloaded?, any Error>>(.success(nil))
    Task { [reload] in
      do {
        let new = try await reload.reload(.all)
        outcome.withLock { $0 = .success(new) }
      } catch {
        outcome.withLock { $0 = .failure(error) }
      }
      done.signal()
    }
    done.wait()
    return outcome.withLock(\.self)
  }

  // MARK: The end

  /// Stops in order: what was heard is delivered, and nothing is left.
  private func end() throws {
    note("the end")
    device.cancel()
    (loopBusyUntil, writerBusyUntil) = (0, 0)
    recorder.finish()
    recorder.writer.run()
    threads.turn()
    try runLoop()
    let kept = disk.history.count { $0.hasPrefix("rename") && $0.hasSuffix(".json") }
    try expect(
      kept + counter.count == clipsDue,
      "\(clipsDue) detections, \(kept) clips and \(counter.count) warnings")
    for speaker in speakers { speaker.tear() }
    var isEmpty = false
    hub.close(Bye(reason: .shutdown, text: "the world ends")) { isEmpty = true }
    for reader in readers {
      try reader.look(truth)
      try expect(!reader.isReading || reader.hasHeardLast, "\(reader.name) heard no bye")
    }
    (frames, told) = (witness.frames, truth.told.count)
    for reader in readers { reader.tear() }
    loop.advanceTime(by: .seconds(10))
    hub.sweep()
    loop.run()
    try expect(
      isEmpty && hub.counters.statistics.connections == 0, "a connection is still known")
    publisher.ended()
  }
}
