import Glibc
import Synchronization

/// Where one thread sleeps until another has done something; no lock, and no call of the system while
/// nobody sleeps.
///
/// The sleeper says that it sleeps, and up to which number the other may count without waking it; then
/// it looks once more at what it waits for. The other does its work and then looks whether somebody
/// sleeps. All of it in one total order (sequentially consistent), so that one of them sees the other.
final class Sleeper: @unchecked Sendable {
  // Unchecked: a semaphore is any thread's.

  /// The number from which on the sleeper is to be woken; `awake` when nobody sleeps.
  private let wanted = Atomic(awake)
  private let semaphore: UnsafeMutablePointer<sem_t>

  private static let awake = -1

  init() {
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Sleeps, on the one thread that does.
  ///
  /// - Parameters:
  ///   - number: `wake(at:)` with a smaller one lets it sleep on; 0 or more.
  ///   - isOver: Whether there is nothing to wait for; asked after the sleep was announced.
  func sleep(until number: Int = .max, unless isOver: () -> Bool) {
    wanted.store(number, ordering: .sequentiallyConsistent)
    // Who turns the number back is owed nothing; otherwise a post has come or is about to.
    if isOver(), wanted.exchange(Self.awake, ordering: .sequentiallyConsistent) != Self.awake {
      return
    }
    while sem_wait(semaphore) != 0 && errno == EINTR {}
  }

  /// Wakes the sleeper if it waits for this number or a smaller one.
  func wake(at number: Int) {
    let wanted = wanted.load(ordering: .sequentiallyConsistent)
    if wanted != Self.awake && number >= wanted { wake() }
  }

  /// Wakes the sleeper, if there is one.
  func wake() {
    if wanted.exchange(Self.awake, ordering: .sequentiallyConsistent) != Self.awake {
      sem_post(semaphore)
    }
  }
}
