import FoundationEssentials
import Glibc

/// A shell command that runs by itself, to be waited for.
struct ShellProcess: Sendable {
  private let pid: pid_t

  /// Starts a command.
  ///
  /// - Parameters:
  ///   - command: For sh.
  ///   - input: Its standard input; handed over before it begins, so that nothing waits for it to read.
  ///   - environment: Beside the process's own.
  /// - Throws: `Failure` when it can't be started.
  init(_ command: String, input: [UInt8], environment: [String: String]) throws {
    let standardInput = try Self.pipe(holding: input)
    defer { close(standardInput) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, standardInput, STDIN_FILENO)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // attnd ignores SIGPIPE, and a command would inherit that: `yes | head` would never end.
    var defaults = sigset_t()
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))

    let arguments: [String] = ["sh", "-c", command]
    var argv = arguments.map { strdup($0) } + [nil]
    var envp = Self.variables(adding: environment).map { strdup($0) } + [nil]
    defer { for text in argv + envp { free(text) } }
    var pid = pid_t()
    let status = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &argv, &envp)
    guard status == 0 else {
      throw Failure(.systemError, "cannot be started: \(String(cString: strerror(status)))")
    }
    self.pid = pid
  }

  /// What went wrong, once it has ended; nil when it ended with status 0.
  ///
  /// To be read once: this is what takes the ended process from the system.
  var fault: String? {
    get async {
      let pid = pid
      let ending = try? ProcessingThread(name: "attnd-exec") { Self.wait(for: pid) }
      // Without a thread it is waited for here.
      let status = (try? await ending?.value) ?? Self.wait(for: pid)
      let signal = status & 0x7F
      if signal != 0 { return "ended by signal \(signal)" }
      let code = status >> 8 & 0xFF
      return code == 0 ? nil : "ended with status \(code)"
    }
  }

  private static func wait(for pid: pid_t) -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status
  }

  /// The reading end of a pipe that holds all of `bytes` and then ends.
  private static func pipe(holding bytes: [UInt8]) throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    guard Glibc.pipe(&ends) == 0 else {
      throw Failure(
        .systemError, "cannot be started: no pipe: \(String(cString: strerror(errno)))")
    }
    defer { close(ends[1]) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
    // A pipe holds 64 KiB, a hundred detections; the largest event that there can be has 1 MiB.
    let setPipeSize: Int32 = 1_031  // F_SETPIPE_SZ, which Glibc's module leaves out
    if bytes.count > 64 << 10 { _ = fcntl(ends[1], setPipeSize, Int32(clamping: bytes.count)) }
    guard write(ends[1], bytes, bytes.count) == bytes.count else {
      close(ends[0])
      throw Failure(.systemError, "cannot be started: no pipe holds its \(bytes.count) bytes")
    }
    return ends[0]
  }

  /// `NAME=value` for the process's own environment, and for more in place of what is there.
  private static func variables(adding more: [String: String]) -> [String] {
    ProcessInfo.processInfo.environment.merging(more) { $1 }.map { "\($0.key)=\($0.value)" }
  }
}
