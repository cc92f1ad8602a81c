import Glibc

/// A pipe to oneself: rung from any thread, it ends the one wait in `poll` that listens to it.
final class WakeUpBell: Sendable {
  /// What a wait came to.
  enum Outcome {
    /// The other descriptor has something to read, or has ended.
    case readable
    /// A ring, room to write, or the time is over.
    case other
  }

  private let readEnd: Int32
  private let writeEnd: Int32

  /// - Throws: `MQTTError.system` when there is no descriptor left.
  init() throws(MQTTError) {
    var ends: (Int32, Int32) = (-1, -1)
    let status = withUnsafeMutablePointer(to: &ends) {
      $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
    }
    guard status == 0 else {
      throw .system(operation: "pipe", reason: String(cString: strerror(errno)))
    }
    (readEnd, writeEnd) = ends
    for end in [readEnd, writeEnd] {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Rings, from any thread; a full pipe rings just as well.
  func ring() {
    var byte: UInt8 = 0
    _ = write(writeEnd, &byte, 1)
  }

  /// Waits for a ring, for a descriptor, or for the time to pass; takes all rings so far.
  ///
  /// - Parameters:
  ///   - descriptor: Another thing to wait for; negative for none.
  ///   - toWrite: Whether the descriptor is waited for to be written to as well.
  ///   - milliseconds: How long to wait; negative for as long as it takes.
  /// - Returns: Whether the descriptor is to be read.
  func wait(
    orFor descriptor: Int32 = -1, toWrite: Bool = false, milliseconds: Int
  ) -> Outcome {
    var polled = (
      pollfd(
        fd: descriptor, events: Int16(toWrite ? POLLIN | POLLOUT : POLLIN), revents: 0),
      pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
    )
    _ = withUnsafeMutablePointer(to: &polled) {
      $0.withMemoryRebound(to: pollfd.self, capacity: 2) {
        poll($0, 2, Int32(clamping: milliseconds))
      }
    }
    var bytes: UInt64 = 0
    while polled.1.revents != 0, read(readEnd, &bytes, 8) > 0 {}
    return polled.0.revents & Int16(POLLIN | POLLERR | POLLHUP | POLLNVAL) != 0
      ? .readable : .other
  }
}
