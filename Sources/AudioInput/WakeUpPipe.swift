// pollfd: ALSA's header includes poll.h too, and then its module is where Swift finds it.
import CALSA
import Glibc
import Synchronization

/// A pipe to oneself: what ends a wait in `poll` from another thread.
final class WakeUpPipe: Sendable {
  private let readEnd: Int32
  private let writeEnd: Int32
  private let signalled = Atomic(false)

  init(name: String) throws(AudioInputError) {
    var ends: (Int32, Int32) = (-1, -1)
    let status = withUnsafeMutablePointer(to: &ends) {
      $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
    }
    guard status == 0 else { throw .inputOutput(name: name, code: errno) }
    (readEnd, writeEnd) = ends
    for end in [readEnd, writeEnd] {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  var isSignalled: Bool { signalled.load(ordering: .acquiring) }

  func signal() {
    // Once is enough, and never fills the pipe.
    guard !signalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var byte: UInt8 = 0
    _ = write(writeEnd, &byte, 1)
  }

  /// Waits until a descriptor has something to read or has ended; false when signalled.
  func wait(for descriptor: Int32) -> Bool {
    var polled = (
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
    )
    while !isSignalled {
      let ready = withUnsafeMutablePointer(to: &polled) {
        $0.withMemoryRebound(to: pollfd.self, capacity: 2) { poll($0, 2, -1) }
      }
      if ready > 0 && polled.0.revents != 0 { return !isSignalled }
      // A failing poll leaves it to read to say why.
      if ready < 0 && errno != EINTR { return true }
    }
    return false
  }
}
