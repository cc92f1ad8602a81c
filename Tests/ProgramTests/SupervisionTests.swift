import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import attnd

/// A clock on which time passes when the test says so.
private final class ScriptedClock: Clock, Sendable {
  struct Instant: InstantProtocol {
    var offset: Duration
    func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    func duration(to other: Instant) -> Duration { other.offset - offset }
    static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
  }

  private struct State {
    var now = Instant(offset: .zero)
    var deadline: Instant?
    var sleeper: CheckedContinuation<Void, any Error>?
    var watcher: CheckedContinuation<Void, Never>?
    var isCancelled = false
  }

  private let state = Mutex(State())
  var now: Instant { state.withLock(\.now) }
  var minimumResolution: Duration { .zero }

  func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<Void, any Error>) in
        let watcher: CheckedContinuation<Void, Never>? = state.withLock { state in
          guard !state.isCancelled else {
            continuation.resume(throwing: CancellationError())
            return nil
          }
          state.deadline = deadline
          state.sleeper = continuation
          defer { state.watcher = nil }
          return state.watcher
        }
        watcher?.resume()
      }
    } onCancel: {
      let sleeper = state.withLock { state in
        state.isCancelled = true
        defer { state.sleeper = nil }
        return state.sleeper
      }
      sleeper?.resume(throwing: CancellationError())
    }
  }

  /// Waits until somebody sleeps.
  func asleep() async {
    await withCheckedContinuation { continuation in
      let isAsleep = state.withLock { state in
        if state.sleeper == nil { state.watcher = continuation }
        return state.sleeper != nil
      }
      if isAsleep { continuation.resume() }
    }
  }

  /// Lets time pass until the sleeper wakes, and waits until it sleeps again.
  func pass() async {
    await asleep()
    let sleeper = state.withLock { state in
      state.now = state.deadline ?? state.now
      defer { state.sleeper = nil }
      return state.sleeper
    }
    sleeper?.resume()
    await asleep()
  }
}

/// What was sent, and whether sending works.
private final class Sent: Sendable {
  private struct State {
    var messages: [ServiceMessage] = []
    var works = true
  }
  private let state = Mutex(State())
  func take(_ messages: [ServiceMessage]) -> Bool {
    state.withLock { state in
      if state.works { state.messages += messages }
      return state.works
    }
  }
  func works(_ flag: Bool) { state.withLock { $0.works = flag } }
  /// What came since the last time.
  func news() -> [ServiceMessage] {
    state.withLock { state in
      defer { state.messages = [] }
      return state.messages
    }
  }
}

@Suite("Supervision")
struct SupervisionTests {
  private static let watchdog = WatchdogTerms(patience: .seconds(4))

  // MARK: The rule

  /// Turns until the watchdog has been thought of `count` times, with what happens in between.
  private func fed(
    _ count: Int, streams: [any LivingStream], between: (Int) -> Void
  ) -> [Bool] {
    var supervision = Supervision(watchdog: Self.watchdog)
    _ = supervision.turn(streams)
    return (0..<count).map { turn in
      between(turn)
      // Two seconds, in turns of one.
      return (0..<2).map { _ in supervision.turn(streams).contains(.watchdog) }.contains(true)
    }
  }

  @Test("The watchdog is fed while stream time advances, and not while it stands still")
  func standingStill() {
    let pulse = StreamPulse(name: "mic")
    pulse.heard(160)
    let fed = fed(5, streams: [pulse]) { turn in
      if turn != 2, turn != 3 { pulse.heard(160 * (turn + 2)) }
    }
    #expect(fed == [true, true, false, false, true])
  }

  @Test("One stream that stands still is enough to starve it")
  func oneOfTwo() {
    let (first, second) = (StreamPulse(name: "desk"), StreamPulse(name: "kitchen"))
    first.heard(1)
    second.heard(1)
    let fed = fed(3, streams: [first, second]) { turn in
      first.heard(turn + 2)
      if turn != 1 { second.heard(turn + 2) }
    }
    #expect(fed == [true, false, true])
  }

  @Test("A stream without its device lives as long as it looks for it")
  func searching() {
    let pulse = StreamPulse(name: "mic")
    pulse.heard(160)
    let fed = fed(4, streams: [pulse]) { if $0 != 2 { pulse.looked() } }
    #expect(fed == [true, true, false, true])
  }

  @Test("A stream that has ended is no fault, and neither is a daemon without one")
  func endedOrNone() {
    let pulse = StreamPulse(name: "file")
    pulse.heard(160)
    pulse.end()
    #expect(fed(3, streams: [pulse]) { _ in } == [true, true, true])
    #expect(fed(3, streams: []) { _ in } == [true, true, true])
  }

  @Test("Ready is said once, when every stream has sound or waits for its device")
  func ready() {
    let (first, second) = (StreamPulse(name: "desk"), StreamPulse(name: "kitchen"))
    var supervision = Supervision(watchdog: nil)
    #expect(
      supervision.turn([first, second]) == [.status("desk: starting, kitchen: starting")])
    #expect(!supervision.isReady && supervision.pause <= .milliseconds(50))
    first.heard(160)
    #expect(
      supervision.turn([first, second]) == [.status("desk: listening, kitchen: starting")])
    second.looked()
    #expect(
      supervision.turn([first, second])
        == [.ready, .status("desk: listening, kitchen: waiting for device")])
    #expect(supervision.isReady && supervision.pause == .seconds(1))
    #expect(supervision.turn([first, second]).isEmpty, "nothing is new")
    second.heard(160)
    #expect(
      supervision.turn([first, second]) == [.status("desk: listening, kitchen: listening")])
  }

  @Test(
    "The watchdog is fed twice in its patience, whatever that is",
    arguments: [1, 999, 20_000, 1_999_999, 2_000_000, 3_000_001, 30_000_000, 86_400_000_000])
  func patience(microseconds: Int64) {
    let pulse = StreamPulse(name: "mic")
    var supervision = Supervision(
      watchdog: WatchdogTerms(patience: .microseconds(microseconds)))
    pulse.heard(1)
    _ = supervision.turn([pulse])
    let pause = supervision.pause
    #expect(pause > .zero && pause <= .seconds(1))
    var time = Duration.zero
    var heard = 1
    repeat {
      time += pause
      heard += 1
      pulse.heard(heard)
    } while !supervision.turn([pulse]).contains(.watchdog)
    #expect(time <= .microseconds(microseconds) / 2)
    #expect(time >= .microseconds(microseconds) / 2 - .microseconds(1))
  }

  @Test("The watchdog's terms are those of this process, and whole microseconds")
  func terms() {
    func terms(_ environment: [String: String]) -> Duration? {
      WatchdogTerms(environment: environment, process: 7)?.patience
    }
    #expect(terms(["WATCHDOG_USEC": "30000000"]) == .seconds(30))
    #expect(terms(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"]) == .seconds(30))
    #expect(terms(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"]) == nil)
    for text in ["", "0", "-1", "x", "1.5", "9223372036854775807", "99999999999999999999"] {
      #expect(terms(["WATCHDOG_USEC": text]) == nil, "\(text)")
    }
    #expect(terms([:]) == nil)
  }

  // MARK: The service

  @Test("The service reports turn by turn, says again what didn't go out, and says when it stops")
  func service() async throws {
    let (clock, sent, pulse) = (ScriptedClock(), Sent(), StreamPulse(name: "mic"))
    let group = ServiceGroup(
      services: [
        SupervisionService(
          streams: [pulse], watchdog: Self.watchdog, clock: clock, answers: {},
          send: { sent.take($0) }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      ], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    async let running: Void = group.run()
    await clock.asleep()
    #expect(sent.news() == [.status("mic: starting")])
    pulse.heard(160)
    sent.works(false)
    await clock.pass()
    #expect(sent.news().isEmpty)
    sent.works(true)
    await clock.pass()
    #expect(sent.news() == [.ready, .status("mic: listening")])
    pulse.heard(320)
    await clock.pass()
    #expect(sent.news().isEmpty)
    await clock.pass()
    #expect(sent.news() == [.watchdog])
    #expect(clock.now.offset == .milliseconds(2_100))
    await clock.pass()
    await clock.pass()
    #expect(sent.news() == [.status("mic: stands still")])
    await group.triggerGracefulShutdown()
    try await running
    #expect(sent.news() == [.stopping])
  }

  @Test("While the event loop answers nobody, nothing is said")
  func busyLoop() async throws {
    let (clock, sent, pulse) = (ScriptedClock(), Sent(), StreamPulse(name: "mic"))
    pulse.heard(1)
    let gate = AsyncStream<Void>.makeStream()
    let asked = AsyncStream<Void>.makeStream()
    let turns = Mutex(0)
    let group = ServiceGroup(
      services: [
        SupervisionService(
          streams: [pulse], watchdog: Self.watchdog, clock: clock,
          answers: {
            let turn = turns.withLock { turns in
              turns += 1
              return turns
            }
            guard turn == 3 else { return }
            asked.continuation.finish()
            for await _ in gate.stream {}
          },
          send: { sent.take($0) }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      ], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    async let running: Void = group.run()
    await clock.asleep()
    #expect(sent.news() == [.ready, .status("mic: listening")])
    pulse.heard(2)
    await clock.pass()
    async let passing: Void = clock.pass()
    for await _ in asked.stream {}
    #expect(sent.news().isEmpty)
    gate.continuation.finish()
    await passing
    #expect(sent.news() == [.watchdog])
    await group.triggerGracefulShutdown()
    try await running
  }
}
