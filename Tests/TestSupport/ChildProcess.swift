import Glibc

/// A program that a test runs: its output is collected, its end is waited for.
package final class ChildProcess {
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

  package let pid: pid_t
  private let outputFile: String
  private let errorFile: String
  /// Where bytes for the program's standard input go; -1 when closed.
  private var inputEnd: Int32

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
    inputEnd = ends[1]

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
  }

  deinit {
    if inputEnd >= 0 { close(inputEnd) }
    unlink(outputFile)
    unlink(errorFile)
  }

  /// Writes to the program's standard input; false when it reads no more.
  @discardableResult
  package func write(_ bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(inputEnd, $0.baseAddress.map { $0 + offset }, bytes.count - offset)
      }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  /// Ends the program's standard input.
  package func closeInput() {
    close(inputEnd)
    inputEnd = -1
  }

  /// Sends a signal.
  package func signal(_ number: Int32) { kill(pid, number) }

  /// What the program has written to standard error so far.
  package var errorsSoFar: String { text(errorFile) }

  /// Waits for the end.
  package func wait() -> Outcome {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    return Outcome(status: code, output: text(outputFile), errors: text(errorFile))
  }

  private func text(_ path: String) -> String {
    String(decoding: (try? fileBytes(path)) ?? [], as: UTF8.self)
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
