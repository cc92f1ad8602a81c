import CALSA
import Glibc
import Synchronization

/// Tells the time and lets a source wait: the system, or a world that a test makes up.
package protocol Timekeeper: Sendable {
  /// Seconds of a clock that never steps, and goes on while the machine sleeps.
  var sinceBoot: Double { get }
  /// Seconds since 1970, as the system has them now.
  var unix: Double { get }
  /// Nanoseconds that a processor has worked for the calling thread: waiting isn't in it.
  var workNanoseconds: UInt64 { get }
  /// Waits.
  ///
  /// - Parameters:
  ///   - seconds: How long.
  ///   - interruption: Ends the wait at once, also when it was called before.
  func pause(seconds: Double, unless interruption: Interruption)
}

/// The system's clocks.
package struct SystemTime: Timekeeper {
  package init() {}

  package var sinceBoot: Double { Self.seconds(of: CLOCK_BOOTTIME) }

  package var unix: Double { Self.seconds(of: CLOCK_REALTIME) }

  package func pause(seconds: Double, unless interruption: Interruption) {
    interruption.wait(seconds: seconds)
  }

  package var workNanoseconds: UInt64 {
    let used = Self.time(of: CLOCK_THREAD_CPUTIME_ID)
    return UInt64(used.tv_sec) * 1_000_000_000 + UInt64(used.tv_nsec)
  }

  private static func seconds(of clock: clockid_t) -> Double {
    let time = time(of: clock)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static func time(of clock: clockid_t) -> timespec {
    var time = timespec()
    clock_gettime(clock, &time)
    return time
  }
}

/// Ends somebody's waiting, once and for ever; from any thread.
package final class Interruption: @unchecked Sendable {
  // Unchecked: a semaphore is any thread's.

  private let called = Atomic(false)
  private let semaphore: UnsafeMutablePointer<sem_t>

  package init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Whether it was called.
  package var isCalled: Bool { called.load(ordering: .acquiring) }

  /// Ends the wait, the present or the next.
  package func call() {
    called.store(true, ordering: .releasing)
    sem_post(semaphore)
  }

  /// Waits on the system's clock; one thread.
  func wait(seconds: Double) {
    guard !isCalled else { return }
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    let whole = min(max(seconds, 0), 1e6).rounded(.down)
    let nanoseconds = end.tv_nsec + Int((min(max(seconds, 0), 1e6) - whole) * 1e9)
    end.tv_sec += Int(whole) + nanoseconds / 1_000_000_000
    end.tv_nsec = nanoseconds % 1_000_000_000
    while sem_clockwait(semaphore, CLOCK_MONOTONIC, &end) != 0 && errno == EINTR {}
  }
}
