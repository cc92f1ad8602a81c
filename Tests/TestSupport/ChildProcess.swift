import Glibc
import Synchronization

/// A program that a test runs: its output is collected, its end is waited for.
///
/// A thread of its own reaps the program as soon as it ends, whether or not anybody waits: the exit
/// tests of Swift Testing look at every child that has ended, and would see it for ever.
package final class ChildProcess: Sendable {
  /// What came of a program that has ended.
  package struct Outcome: Sendable {
    /// The exit code, or 128 and the signal's number.
    package let status: Int32
    package let output: String
    package let errors: String

    /// Lines of the standard output.
    package var lines: [String] { output.split(separator: "\n").map(String.init) }
    /// Lines of the standard error.
    package var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
  }

  private let pid: pid_t
  private let outputFile: String
  private let errorFile: String
  /// Where bytes for the program's standard input go; -1 when closed.
  private let inputEnd: Mutex<Int32>
  private let ending: Ending

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - path: The program.
  ///   - arguments: Its arguments, its name not among them.
  ///   - environment: In place of the test's own, except PATH.
  ///   - hasInput: Whether standard input is a pipe from the test; else it is empty.
  /// - Throws: `GoldenError` when it cannot be started.
  package init(
    _ path: String, _ arguments: [String], environment: [String: String] = [:],
    hasInput: Bool = false
  ) throws(GoldenError) {
    let scratch = temporaryPath("child")
    outputFile = scratch + ".out"
    errorFile = scratch + ".err"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var ends: [Int32] = [-1, -1]
    if hasInput {
      guard pipe(&ends) == 0 else { throw GoldenError(path, "no pipe") }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    } else {
      posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    let creation = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 1, outputFile, creation, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorFile, creation, 0o600)
    inputEnd = Mutex(ends[1])

    var environment = environment
    environment["PATH"] = environment["PATH"] ?? getenv("PATH").map { String(cString: $0) }
    var argv = ([path] + arguments).map { strdup($0) } + [nil]
    var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      for pointer in argv + envp { free(pointer) }
    }
    var pid = pid_t()
    let status = posix_spawn(&pid, path, &actions, nil, &argv, &envp)
    if hasInput { close(ends[0]) }
    guard status == 0 else { throw GoldenError(path, String(cString: strerror(status))) }
    self.pid = pid
    ending = Ending()
    try ending.reap(pid)
  }

  deinit {
    closeInput()
    ending.kill(pid, SIGKILL)
    unlink(outputFile)
    unlink(errorFile)
  }

  /// Writes to the program's standard input; false when it reads no more.
  @discardableResult
  package func write(_ bytes: [UInt8]) -> Bool {
    inputEnd.withLock { end in
      var offset = 0
      while offset < bytes.count {
        let count = bytes.withUnsafeBytes {
          Glibc.write(end, $0.baseAddress.map { $0 + offset }, bytes.count - offset)
        }
        guard count > 0 else { return false }
        offset += count
      }
      return true
    }
  }

  /// Ends the program's standard input.
  package func closeInput() {
    inputEnd.withLock { end in
      if end >= 0 { close(end) }
      end = -1
    }
  }

  /// Sends a signal, if the program still runs.
  package func signal(_ number: Int32) { ending.kill(pid, number) }

  /// What the program has written to standard error so far.
  package var errorsSoFar: String { text(errorFile) }

  /// Waits for the end, without keeping a thread of other tests.
  package func wait() async -> Outcome {
    let status = await ending.status
    let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    return Outcome(status: code, output: text(outputFile), errors: text(errorFile))
  }

  private func text(_ path: String) -> String {
    String(decoding: (try? fileBytes(path)) ?? [], as: UTF8.self)
  }
}

/// The end of a process: how it ended, and who waits for it.
private final class Ending: Sendable {
  private struct State {
    var status: Int32?
    var waiting: [CheckedContinuation<Int32, Never>] = []
  }

  private final class Reaper: Sendable {
    let pid: pid_t
    let ending: Ending

    init(_ pid: pid_t, _ ending: Ending) {
      self.pid = pid
      self.ending = ending
    }
  }

  private let state = Mutex(State())

  /// Begins to wait, on a thread of its own.
  func reap(_ pid: pid_t) throws(GoldenError) {
    let reaper = Unmanaged.passRetained(Reaper(pid, self))
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let reaper = Unmanaged<Reaper>.fromOpaque(argument).takeRetainedValue()
        // Not reaped before the status is known to be final, so that no signal meets another
        // process that was given the same number.
        var information = siginfo_t()
        while waitid(P_PID, id_t(reaper.pid), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {
        }
        reaper.ending.finish(reaper.pid)
        return nil
      }, reaper.toOpaque())
    guard status == 0 else {
      reaper.release()
      throw GoldenError("thread", String(cString: strerror(status)))
    }
    pthread_detach(thread)
  }

  private func finish(_ pid: pid_t) {
    let (status, waiting) = state.withLock { state in
      var status: Int32 = 0
      while waitpid(pid, &status, 0) < 0, errno == EINTR {}
      state.status = status
      defer { state.waiting = [] }
      return (status, state.waiting)
    }
    for continuation in waiting { continuation.resume(returning: status) }
  }

  /// Sends a signal to a process that has not been reaped.
  func kill(_ pid: pid_t, _ number: Int32) {
    state.withLock { state in
      if state.status == nil { _ = Glibc.kill(pid, number) }
    }
  }

  /// What waitpid said.
  var status: Int32 {
    get async {
      await withCheckedContinuation { continuation in
        let known: Int32? = state.withLock { state in
          if state.status == nil { state.waiting.append(continuation) }
          return state.status
        }
        if let known { continuation.resume(returning: known) }
      }
    }
  }
}

/// The folder of the programs that were built beside this test bundle.
package var buildFolder: String {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
  let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
  let bytes = buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:))
  let path = String(decoding: bytes, as: UTF8.self)
  return path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
    separator: "/")
}

/// A path below TMPDIR that nobody else uses.
package func temporaryPath(_ name: String) -> String {
  let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  return "\(folder)/attnd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))-\(name)"
}

/// A folder of a test's own, removed with what is in it.
package final class TemporaryFolder {
  package let path: String

  package init() throws(GoldenError) {
    path = temporaryPath("folder")
    guard mkdir(path, 0o700) == 0 else { throw GoldenError(path, "cannot be made") }
  }

  /// The path of something in the folder.
  package func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file into the folder and gives its path.
  package func file(_ name: String, _ bytes: [UInt8]) throws(GoldenError) -> String {
    let path = "\(path)/\(name)"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw GoldenError(path, "cannot be written") }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(descriptor, $0.baseAddress.map { $0 + offset }, bytes.count - offset)
      }
      guard count > 0 else { throw GoldenError(path, "cannot be written") }
      offset += count
    }
    return path
  }

  deinit { removeTree(path) }
}

/// Removes a folder with what is in it, or a file.
private func removeTree(_ path: String) {
  guard let folder = opendir(path) else {
    unlink(path)
    return
  }
  while let entry = readdir(folder) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { removeTree("\(path)/\(name)") }
  }
  closedir(folder)
  rmdir(path)
}
