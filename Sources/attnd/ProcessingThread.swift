import Glibc
import Synchronization

/// A thread of the operating system for work that must not share one.
///
/// It blocks while it reads sound, and nothing else may wait for it.
///
/// Starts at once; `value` is what the work came to.
final class ProcessingThread<Value: Sendable>: Sendable {
  private let outcome = AsyncStream<Result<Value, any Error>>.makeStream()

  /// - Parameters:
  ///   - name: At most 15 bytes, what `top -H` shows.
  ///   - work: Runs on the thread.
  /// - Throws: `Failure` when the system gives no thread.
  init(name: String, work: @escaping @Sendable () throws -> Value) throws {
    let continuation = outcome.continuation
    let body = ThreadBody {
      setThreadName(name)
      continuation.yield(Result(catching: work))
      continuation.finish()
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(body)
    let status = pthread_create(&thread, nil, runThreadBody, argument.toOpaque())
    guard status == 0 else {
      argument.release()
      throw Failure(
        .systemError, "no thread for \(name): \(String(cString: strerror(status)))")
    }
    pthread_detach(thread)
  }

  /// What the work returned; waits for it.
  ///
  /// To be read once.
  var value: Value {
    get async throws {
      for await result in outcome.stream { return try result.get() }
      throw CancellationError()
    }
  }
}

/// What a thread is handed through C.
private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void

  init(run: @escaping @Sendable () -> Void) { self.run = run }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
  return nil
}

/// Names the calling thread.
///
/// Glibc's module has no pthread_setname_np; the name is a file.
private func setThreadName(_ name: String) {
  let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  try? writeAll(Array(name.utf8.prefix(15)), to: file, name: "thread name")
  close(file)
}
