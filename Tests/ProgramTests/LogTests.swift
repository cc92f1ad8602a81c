import Glibc
import JSONText
import Logging
import Synchronization
import TestSupport
import Testing
import attnd

/// What was written, at times that the test sets.
private final class Journal: Sendable {
  private struct State {
    var lines: [String] = []
    var now = Duration.zero
  }
  private let state = Mutex(State())

  var lines: [String] { state.withLock(\.lines) }
  func pass(_ time: Duration) { state.withLock { $0.now += time } }

  func logger(
    _ format: LogFormat, level: Logger.Level = .trace, provider: Logger.MetadataProvider? = nil
  ) -> Logger {
    let output = LogOutput(
      format: format,
      clocks: LogOutput.Clocks(
        unix: { 1_795_000_000.987 }, steady: { self.state.withLock(\.now) }),
      write: { line in self.state.withLock { $0.lines.append(line) } })
    var handler = ProgramLog(output, level: level)
    handler.metadataProvider = provider
    return Logger(label: "test") { [handler] _ in handler }
  }
}

private struct Fault: Error, CustomStringConvertible {
  let description = "no such device"
}

@Suite("The log")
struct LogTests {
  // MARK: Formats

  @Test("A line for people has time, level, message, and facts in the order of their names")
  func text() {
    let journal = Journal()
    journal.logger(.text).warning("late", metadata: ["b": "two words", "a": "1", "c": "say \"x\""])
    #expect(
      journal.lines == [
        "2026-11-18T11:06:40.987Z warning attnd: late a=1 b=\"two words\" c=\"say \\\"x\\\"\"\n"
      ])
  }

  @Test(
    "A line for the journal begins with its priority, and has no time",
    arguments: [
      (Logger.Level.trace, 7), (.debug, 7), (.info, 6), (.notice, 5), (.warning, 4), (.error, 3),
      (.critical, 2),
    ])
  func priorities(level: Logger.Level, priority: Int) {
    let journal = Journal()
    journal.logger(.journal).log(level: level, "listening", metadata: ["model": "m"])
    #expect(journal.lines == ["<\(priority)>listening model=m\n"])
  }

  @Test("A line for programs is a JSON object, whatever is in it")
  func json() throws {
    let journal = Journal()
    journal.logger(.json).error(
      "a \"b\"\n\u{1B}[31m",
      metadata: ["time": "mine", "list": ["x", ["y": "z"]], "n": .stringConvertible(3)])
    let line = try #require(journal.lines.first)
    #expect(line.hasSuffix("}\n") && line.dropLast().contains("\n") == false)
    let json = try JSON(parsing: line.utf8, repeatedNames: .refused, numbers: .any)
    #expect(
      json
        == .object([
          .init("time", .string("2026-11-18T11:06:40.987Z")), .init("level", .string("error")),
          .init("message", .string("a \"b\"\n\u{1B}[31m")),
          .init("list", .array([.string("x"), .object([.init("y", .string("z"))])])),
          .init("n", .string("3")), .init("time_", .string("mine")),
        ]))
  }

  @Test(
    "What a client says can't begin a line of its own, or move a cursor",
    arguments: LogFormat.allCases)
  func injection(format: LogFormat) {
    let journal = Journal()
    journal.logger(format).info(
      "from a client: x\n<0>panic\u{1B}[2J\u{2028}", metadata: ["name": "y\r\n<0>panic"])
    #expect(journal.lines.count == 1)
    for line in journal.lines {
      #expect(line.utf8.filter { $0 < 0x20 }.count == 1 && line.hasSuffix("\n"), "\(line)")
    }
  }

  @Test("Facts of the logger, of its provider, of the line and its error; the nearest goes before")
  func facts() {
    let journal = Journal()
    var logger = journal.logger(
      .journal, level: .info,
      provider: Logger.MetadataProvider { ["a": "provider", "p": "1"] })
    logger[metadataKey: "stream"] = "mic"
    logger[metadataKey: "a"] = "logger"
    logger.info("x", metadata: ["a": "line"])
    logger.info("x", error: Fault())
    logger.debug("not written")
    #expect(logger[metadataKey: "stream"] == "mic")
    #expect(
      journal.lines == [
        "<6>x a=line p=1 stream=mic\n",
        "<6>x a=provider error=\"no such device\" p=1 stream=mic\n",
      ])
  }

  @Test(
    "Times are those of the calendar",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (951_782_400.5, "2000-02-29T00:00:00.500Z"),
      (4_107_542_399.9996, "2100-02-28T23:59:59.999Z"), (-5, "1970-01-01T00:00:00.000Z"),
    ] as [(Double, String)])
  func times(time: Double, text: String) {
    #expect(LogLine.timestamp(time) == text)
  }

  @Test("The journal is found by the device and inode of what is written to")
  func found() throws {
    let folder = try TemporaryFolder()
    let path = try folder.file("stderr", [])
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    defer { close(descriptor) }
    var file = stat()
    try #require(fstat(descriptor, &file) == 0)
    func found(_ name: String?, _ descriptor: CInt) -> LogFormat {
      .found(environment: name.map { ["JOURNAL_STREAM": $0] } ?? [:], descriptor: descriptor)
    }
    #expect(found("\(file.st_dev):\(file.st_ino)", descriptor) == .journal)
    #expect(found("\(file.st_dev):\(file.st_ino + 1)", descriptor) == .text)
    #expect(found("\(file.st_dev):\(file.st_ino)", -1) == .text)
    #expect(found("x", descriptor) == .text)
    #expect(found(nil, descriptor) == .text)
  }

  // MARK: Repetition

  @Test("Of a message that comes again and again ten are written, and then how many more came")
  func repetition() {
    let journal = Journal()
    let logger = journal.logger(.journal)
    for i in 0..<25 { logger.warning("busy", metadata: ["i": "\(i)"]) }
    logger.error("busy")
    logger.warning("other")
    #expect(
      journal.lines == (0..<10).map { "<4>busy i=\($0)\n" } + ["<3>busy\n", "<4>other\n"])
    journal.pass(.milliseconds(9_999))
    logger.warning("busy")
    #expect(journal.lines.count == 12)
    journal.pass(.milliseconds(1))
    logger.info("something else")
    logger.warning("busy")
    #expect(
      journal.lines.suffix(3) == ["<4>16 more of: busy\n", "<6>something else\n", "<4>busy\n"])
  }

  @Test("A message within its measure isn't told of again")
  func measure() {
    var repetition = LogRepetition()
    for second in 0..<100 {
      let (isWritten, leftOut) = repetition.take(.info, "tick", at: .seconds(second))
      #expect(isWritten && leftOut.isEmpty)
    }
  }

  @Test("Any number of different messages is written, in bounded memory, and none is forgotten")
  func manyMessages() {
    var repetition = LogRepetition()
    for _ in 0..<12 { _ = repetition.take(.info, "first", at: .zero) }
    var leftOut: [LogRepetition.LeftOut] = []
    for i in 0..<10_000 {
      let (isWritten, others) = repetition.take(.info, "message \(i)", at: .milliseconds(1))
      #expect(isWritten)
      leftOut += others
    }
    #expect(leftOut.map(\.text) == ["first"] && leftOut.first?.count == 2)
  }

  // MARK: The program

  @Test("attnd run logs JSON on request, and priorities where a journal reads")
  func program() async throws {
    let folder = try TemporaryFolder()
    func errors(_ arguments: String..., environment: [String: String] = [:]) async throws
      -> [String]
    {
      let daemon = try ChildProcess(
        attnd,
        ["run", "--file", fixture("keywords.flac"), "--pace", "fastest", "--socket", folder("s")]
          + arguments, environment: environment)
      let outcome = await daemon.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(!outcome.errorLines.isEmpty)
      return outcome.errorLines
    }
    for line in try await errors("--log-format", "json") {
      let json = try JSON(parsing: line.utf8, repeatedNames: .refused, numbers: .any)
      #expect(json.fields?["level"] == .string("info"))
    }
    for line in try await errors(environment: ["ATTND_LOG_FORMAT": "journal"]) {
      #expect(line.hasPrefix("<6>"), "\(line)")
    }
    // Somebody else's journal.
    for line in try await errors(environment: ["JOURNAL_STREAM": "1:2"]) {
      #expect(line.contains("Z info attnd: "), "\(line)")
    }
  }
}
