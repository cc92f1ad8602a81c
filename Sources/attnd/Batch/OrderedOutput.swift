import Glibc

/// Whoever gets the results of a batch; called by one thread at a time.
package protocol ResultReceiver: AnyObject, Sendable {
  /// Takes results, in the order of the files.
  func receive(_ lines: [UInt8]) throws

  /// A file's results are complete, in the order of the files.
  ///
  /// - Parameters:
  ///   - file: Its place in the list.
  ///   - failure: What ended it, if that was not its end.
  func fileEnds(_ file: Int, failure: String?)

  /// Another file has been worked on, in any order.
  func fileIsDone()
}

/// Hands out files to threads, and hands on their results in the order of the files.
///
/// What the file whose turn it is has found goes out at once. The others' results are held, up to a
/// limit for each and one for all; a file that has reached it must wait for its turn. So memory is
/// bounded however unequal the files are, and since files are handed out in order, the one whose
/// turn it is never waits.
package final class OrderedOutput: @unchecked Sendable {
  // Unchecked: every access lies between `lock` and `unlock`.

  /// How much is held, in bytes.
  package struct Limits: Sendable {
    /// Of one file: six minutes of --frames.
    package var ofFile = 8 << 20
    /// Of all together.
    package var ofAll = 64 << 20

    package init() {}
  }

  /// What a thread is to do next.
  package enum Next: Equatable {
    case file(Int)
    /// Too much is held for another file to begin.
    case later
    /// No file is left.
    case none
  }

  /// A thread is to stop: what the results were for has failed, see `finish`.
  package struct Stopped: Error {}

  private struct Held {
    var lines: [UInt8] = []
    var hasEnded = false
    var failure: String?

    /// Bytes, with what the entry itself costs.
    var size: Int { lines.count + 200 }
  }

  private let files: Int
  private let limits: Limits
  private let receiver: any ResultReceiver
  private let monitor = Monitor()
  private var next = 0
  private var turn = 0
  private var held: [Int: Held] = [:]
  private var heldBytes = 0
  private var failure: (any Error)?

  /// - Parameters:
  ///   - files: How many there are.
  ///   - limits: How much is held.
  ///   - receiver: Gets the results.
  package init(files: Int, limits: Limits = Limits(), receiver: any ResultReceiver) {
    self.files = files
    self.limits = limits
    self.receiver = receiver
  }

  /// Hands out the next file.
  ///
  /// - Parameter waiting: Whether to wait where otherwise the answer would be `later`: for a thread
  ///   that has nothing else to do.
  /// - Returns: A file's place in the list, or why there is none.
  package func next(waiting: Waiting) -> Next {
    monitor.locked {
      while failure == nil, next < files {
        if next == turn || heldBytes < limits.ofAll {
          defer { next += 1 }
          return .file(next)
        }
        guard waiting == .forTurn else { return .later }
        monitor.wait()
      }
      return .none
    }
  }

  /// Whether a thread may be kept.
  package enum Waiting {
    case never, forTurn
  }

  /// Takes lines of a file, if there is room for them.
  ///
  /// - Parameters:
  ///   - lines: Taken out when there is room, left otherwise.
  ///   - file: The file.
  /// - Returns: Whether they were taken, and the file may go on.
  /// - Throws: `Stopped`.
  package func offer(_ lines: inout [UInt8], of file: Int) throws -> Bool {
    try monitor.locked {
      guard failure == nil else { throw Stopped() }
      if file == turn {
        try send(lines)
      } else {
        let size = held[file]?.lines.count ?? 0
        guard size + lines.count <= limits.ofFile, heldBytes + lines.count <= limits.ofAll else {
          return false
        }
        hold(lines, of: file)
      }
      lines.removeAll(keepingCapacity: true)
      return true
    }
  }

  /// Takes a file's last lines; it has ended.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - lines: Its last lines.
  ///   - failure: What ended it, if that was not its end.
  /// - Throws: `Stopped`.
  package func end(_ file: Int, lines: [UInt8], failure: String?) throws {
    try monitor.locked {
      guard self.failure == nil else { throw Stopped() }
      receiver.fileIsDone()
      guard file == turn else {
        hold(lines, of: file)
        held[file]?.hasEnded = true
        held[file]?.failure = failure
        return
      }
      try send(lines)
      receiver.fileEnds(file, failure: failure)
      turn += 1
      try sendHeld()
      monitor.wakeAll()
    }
  }

  /// Counts the turns; see `waitForTurn`.
  package var turns: Int { monitor.locked { turn } }

  /// Waits for a turn to pass.
  ///
  /// - Parameter turns: What `turns` was when it was found that there is nothing to do.
  /// - Throws: `Stopped`.
  package func waitForTurn(after turns: Int) throws {
    try monitor.locked {
      while turn == turns, failure == nil { monitor.wait() }
      if failure != nil { throw Stopped() }
    }
  }

  /// Ends the work of all threads.
  ///
  /// - Parameter error: What a thread met with and the others cannot go on from.
  package func stop(_ error: any Error) {
    monitor.locked {
      failure = failure ?? error
      monitor.wakeAll()
    }
  }

  /// Says how it went, when all threads have ended.
  ///
  /// - Throws: What the receiver threw.
  package func finish() throws {
    try monitor.locked {
      if let failure { throw failure }
    }
  }

  private func hold(_ lines: [UInt8], of file: Int) {
    let before = held[file]?.size ?? 0
    held[file, default: Held()].lines += lines
    heldBytes += (held[file]?.size ?? 0) - before
  }

  /// Hands on what is held of the files whose turn has come.
  private func sendHeld() throws {
    while let entry = held.removeValue(forKey: turn) {
      heldBytes -= entry.size
      try send(entry.lines)
      guard entry.hasEnded else { return }
      receiver.fileEnds(turn, failure: entry.failure)
      turn += 1
    }
  }

  private func send(_ lines: [UInt8]) throws {
    guard !lines.isEmpty else { return }
    do {
      try receiver.receive(lines)
    } catch {
      failure = error
      monitor.wakeAll()
      throw Stopped()
    }
  }
}

/// A lock and a condition to wait for.
private final class Monitor {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(lock, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(lock)
    condition.deallocate()
    lock.deallocate()
  }

  /// Runs a body that no other runs beside.
  func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body()
  }

  /// Lets others go on until `wakeAll`; called within `locked`.
  func wait() { pthread_cond_wait(condition, lock) }

  /// Wakes all who wait; called within `locked`.
  func wakeAll() { pthread_cond_broadcast(condition) }
}
