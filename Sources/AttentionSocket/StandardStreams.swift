import Glibc
import NIOCore
import NIOPosix

/// Standard input and output, as descriptors that an event loop can wait for.
///
/// A file can't be waited for: a thread carries its bytes through a pipe.
struct StandardStreams: Sendable {
  /// To be read from, and closed by whoever reads.
  let input: CInt
  /// To be written to, and closed by whoever writes.
  let output: CInt
  /// Closed by the carrying thread after the last byte; -1 where none carries.
  private let outputDone: CInt

  init() throws {
    let (input, _) = try Self.open(STDIN_FILENO, reads: true)
    self.input = input
    do {
      (output, outputDone) = try Self.open(STDOUT_FILENO, reads: false)
    } catch {
      close(input)
      throw error
    }
  }

  /// Blocks until what was written has arrived.
  func waitForOutput() {
    guard outputDone >= 0 else { return }
    var byte: UInt8 = 0
    while read(outputDone, &byte, 1) < 0 && errno == EINTR {}
    close(outputDone)
  }

  private static func open(
    _ descriptor: CInt, reads: Bool
  ) throws -> (descriptor: CInt, done: CInt) {
    let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard own >= 0 else { throw failure("dup") }
    var file = stat()
    guard fstat(own, &file) == 0, file.st_mode & S_IFMT == S_IFREG else { return (own, -1) }
    let data = try makePipe()
    let done = try makePipe()
    let (from, to) = reads ? (own, data.write) : (data.read, own)
    NIOThreadPool.singleton.submit { _ in
      carry(from, to)
      close(from)
      close(to)
      close(done.write)
    }
    if reads { close(done.read) }
    return reads ? (data.read, -1) : (data.write, done.read)
  }

  private static func makePipe() throws -> (read: CInt, write: CInt) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw failure("pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func failure(_ operation: String) -> IOError {
    IOError(errnoCode: errno, reason: operation)
  }

  private static func carry(_ from: CInt, _ to: CInt) {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let got = read(from, &block, block.count)
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { return }
      var sent = 0
      while sent < got {
        let now = block[sent..<got].withUnsafeBytes { write(to, $0.baseAddress, $0.count) }
        if now < 0 && errno == EINTR { continue }
        guard now > 0 else { return }
        sent += now
      }
    }
  }
}
