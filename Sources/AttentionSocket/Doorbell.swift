import Glibc
import Synchronization

/// Wakes the event loop from a processing thread: one byte into a pipe, and only when none is on its way.
///
/// `ring` is one atomic exchange; every first one after `answer` adds a non-blocking write. It never
/// allocates, locks or waits.
final class Doorbell: Sendable {
  private let isRung = Atomic<Bool>(false)
  /// The pipe's writing end; -1 as long as nobody listens to the bell.
  private let descriptor = Atomic<CInt>(-1)

  init() {}

  deinit {
    let open = descriptor.load(ordering: .relaxed)
    if open >= 0 { close(open) }
  }

  /// Takes ownership of a non-blocking pipe's writing end, and rings for what came before.
  func connect(_ writingEnd: CInt) {
    descriptor.store(writingEnd, ordering: .releasing)
    write(to: writingEnd)
  }

  /// Any thread: there is something to read in the rings.
  func ring() {
    guard !isRung.exchange(true, ordering: .acquiringAndReleasing) else { return }
    let open = descriptor.load(ordering: .acquiring)
    if open >= 0 { write(to: open) }
  }

  /// Event loop: call before looking into the rings, so that nothing rung later is missed.
  func answer() { _ = isRung.exchange(false, ordering: .acquiringAndReleasing) }

  private func write(to descriptor: CInt) {
    // A full pipe wakes the loop just as well, and nothing else can be done about an error here.
    var byte: UInt8 = 0
    _ = Glibc.write(descriptor, &byte, 1)
  }
}
