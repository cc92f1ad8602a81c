import AttentionSocket
import AudioInput
import Glibc
import Logging
import StreamingAttention
import Synchronization

/// A thread that hears many clients: hop by hop, all that have one stepped together.
///
/// The event loop calls it to clients that may have something to do; nobody else is looked at. A client
/// that is called for the first time joins, one that is found closed leaves.
package final class ClientThread: @unchecked Sendable {
  // Unchecked: slots of the queue of calls are handed over through its two counters; `batch`, `active`
  // and `due` are the thread's.

  /// The queue of calls: the event loop writes, the thread reads.
  ///
  /// Each client is in it once at most.
  private let calls: UnsafeMutablePointer<ClientStream?>
  private let callCapacity: Int
  private let called = Atomic(0)
  private let answered = Atomic(0)
  private let members = Atomic(0)
  private let stopped = Atomic(false)
  private let alarm = Alarm()
  private let timekeeper: any Timekeeper
  private let logger: Logger

  private var batch: AttentionBatch
  /// Clients that may have another hop.
  private var active: [ClientStream] = []
  /// Clients of which a step is due.
  private var due: [ClientStream] = []

  /// Takes the memory; nothing is heard before `start`.
  ///
  /// - Parameters:
  ///   - parameters: The weights.
  ///   - mostClients: Most clients at once.
  ///   - timekeeper: What time it is.
  ///   - logger: For what goes wrong.
  package init(
    parameters: Parameters, mostClients: Int, timekeeper: any Timekeeper = SystemTime(),
    logger: Logger
  ) {
    // A client that has gone leaves its place within one turn of the thread: one may come before.
    callCapacity = 2 * mostClients
    calls = .allocate(capacity: callCapacity)
    calls.initialize(repeating: nil, count: callCapacity)
    batch = AttentionBatch(parameters, capacity: callCapacity)
    active.reserveCapacity(callCapacity)
    due.reserveCapacity(callCapacity)
    self.timekeeper = timekeeper
    self.logger = logger
  }

  /// Starts the thread, which ends by `stop`.
  ///
  /// - Parameter number: Of the thread, for its name.
  /// - Throws: `Failure` when the system gives no thread.
  func start(number: Int) throws {
    _ = try ProcessingThread(name: "attnd-client-\(number)") { self.run() }
  }

  deinit {
    calls.deinitialize(count: callCapacity)
    calls.deallocate()
  }

  // MARK: Event loop

  /// Clients now.
  var clients: Int { members.load(ordering: .relaxed) }

  /// Counts a client that is about to be called for the first time.
  func expect() { members.wrappingAdd(1, ordering: .relaxed) }

  /// Says that a client may have something to do.
  func call(_ stream: ClientStream) {
    if stream.isCalled.exchange(true, ordering: .acquiringAndReleasing) { return }
    let index = called.load(ordering: .relaxed)
    precondition(
      index - answered.load(ordering: .acquiring) < callCapacity, "A client is called once")
    calls[index % callCapacity] = stream
    called.store(index + 1, ordering: .releasing)
    alarm.ring()
  }

  /// Ends the thread; any other.
  func stop() {
    stopped.store(true, ordering: .releasing)
    alarm.ring()
  }

  // MARK: The thread

  private func run() {
    while !stopped.load(ordering: .acquiring) {
      let rings = alarm.rings
      while turn() {}
      alarm.wait(unlessBeyond: rings)
    }
  }

  /// A hop of each client that has one; allocates nothing but where a client's audio begins and ends.
  ///
  /// - Returns: Whether there may be more to do.
  package func turn() -> Bool {
    answerCalls()
    let began = timekeeper.workNanoseconds
    let heard = active.count
    guard let first = active.first else { return false }
    var index = 0
    while index < active.count {
      if hear(active[index]) {
        index += 1
      } else {
        active[index].isActive = false
        active.swapAt(index, active.count - 1)
        active.removeLast()
      }
    }
    step(&batch)
    first.publisher.stepTook(nanoseconds: (timekeeper.workNanoseconds - began) / UInt64(heard))
    return true
  }

  /// - Returns: Whether there may be another hop.
  private func hear(_ stream: ClientStream) -> Bool {
    do {
      let isHeard = try stream.hear(&batch) { self.step(&$0) }
      if stream.hasStepped { due.append(stream) }
      return isHeard
    } catch {
      logger.error("a client's audio can't be heard to its end: \(error)")
      stream.giveUp()
      return true
    }
  }

  private func step(_ batch: inout AttentionBatch) {
    batch.step()
    for stream in due { stream.speak(batch) }
    due.removeAll(keepingCapacity: true)
  }

  private func answerCalls() {
    var index = answered.load(ordering: .relaxed)
    while index < called.load(ordering: .acquiring) {
      if let stream = calls[index % callCapacity].take() { answer(stream) }
      index += 1
      answered.store(index, ordering: .releasing)
    }
  }

  private func answer(_ stream: ClientStream) {
    // Before anything is looked at: what comes after that is a call of its own.
    _ = stream.isCalled.exchange(false, ordering: .acquiringAndReleasing)
    if stream.isClosed {
      guard stream.leave(&batch) else { return }
      members.wrappingSubtract(1, ordering: .relaxed)
      if stream.isActive { active.removeAll { $0 === stream } }
      return
    }
    stream.join(&batch)
    if !stream.isActive {
      stream.isActive = true
      active.append(stream)
    }
  }
}

/// Wakes a thread that has nothing to do; ringing costs a system call only when it sleeps.
private final class Alarm: Sendable {
  private let count = Atomic(0)
  private let sleeper = Sleeper()

  /// How often it was rung.
  var rings: Int { count.load(ordering: .sequentiallyConsistent) }

  /// Any thread.
  func ring() {
    count.wrappingAdd(1, ordering: .sequentiallyConsistent)
    sleeper.wake()
  }

  /// Sleeps until it is rung more often than `seen` times; one thread.
  func wait(unlessBeyond seen: Int) { sleeper.sleep(unless: { rings != seen }) }
}
