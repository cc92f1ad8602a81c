import AttentionSocket
import Glibc
import JSONText

/// Runs a shell command for each detection, beside the reading of the socket.
///
/// `start` never waits: detections queue up for `run`, which starts their commands in order. What
/// has no room in the queue is told of on standard error and left out.
struct DetectionCommands: Sendable {
  /// Commands that run at once.
  static let mostAtOnce = 8
  /// Detections that wait for their command to be started.
  static let mostWaiting = 256

  /// Names of the variables that a command finds in its environment.
  static let variables = [
    "ATTND_KEYWORD", "ATTND_PHRASE", "ATTND_SCORE", "ATTND_STREAM", "ATTND_TIME", "ATTND_START",
    "ATTND_END", "ATTND_SEQ", "ATTND_RUN",
  ]

  private struct Job: Sendable {
    let line: [UInt8]
    let environment: [String: String]
    /// For messages.
    let name: String
  }

  private let command: String
  private let jobs: AsyncStream<Job>
  private let queue: AsyncStream<Job>.Continuation

  init(_ command: String) {
    self.command = command
    (jobs, queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaiting))
  }

  /// Has the command run for a detection.
  func start(for detection: WireEvent, of hello: Hello) {
    let fields = detection.fields
    let keyword = fields["name"]?.plainText ?? ""
    let phrase = hello.keywords.first { $0.name == keyword }?.phrase ?? keyword
    let values = [
      keyword, phrase, fields["score"]?.plainText, fields["stream"]?.plainText,
      fields["time"]?.plainText, fields["start"]?.plainText, fields["end"]?.plainText,
      fields["seq"]?.plainText, hello.run,
    ]
    var environment: [String: String] = [:]
    for (name, value) in zip(Self.variables, values) { environment[name] = value }
    let job = Job(
      line: detection.line, environment: environment,
      name: "detection \(fields["seq"]?.plainText ?? "?") (\(phrase))")
    if case .dropped = queue.yield(job) {
      StandardError.write(
        "attnd: --exec: \(job.name): left out; \(Self.mostAtOnce) commands run and "
          + "\(Self.mostWaiting) wait\n")
    }
  }

  /// Says that no detection will come any more.
  func finish() { queue.finish() }

  /// Runs the commands until `finish` was called and the last of them has ended.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      var running = 0
      for await job in jobs {
        if running == Self.mostAtOnce {
          await group.next()
          running -= 1
        }
        let process: ShellProcess
        do {
          process = try ShellProcess(command, input: job.line, environment: job.environment)
        } catch {
          StandardError.write("attnd: --exec: \(job.name): \(error)\n")
          continue
        }
        running += 1
        group.addTask {
          if let fault = await process.fault {
            StandardError.write("attnd: --exec: \(job.name): \(fault)\n")
          }
        }
      }
    }
  }
}

extension JSON {
  /// A text as it is, anything else as JSON.
  fileprivate var plainText: String? {
    if case .string(let text) = self { return text }
    return text
  }
}
