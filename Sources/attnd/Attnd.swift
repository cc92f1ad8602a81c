import ArgumentParser
import FoundationEssentials
import Glibc
import KernelDispatch
import Logging

/// The program: parse, run, one line on error, exit code.
@main
struct Attnd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attnd",
    abstract: "Listens for keywords, and shows what it is paying attention to.",
    version: Version.text,
    subcommands: [
      RunCommand.self, BatchCommand.self, CalibrateCommand.self, WatchCommand.self,
      ListenCommand.self, StatusCommand.self,
      DemoCommand.self, FeaturesCommand.self, VerifyCommand.self, ModelCommand.self,
      DevicesCommand.self, BenchCommand.self, ManualCommand.self,
    ])

  static func main() async {
    // A reader that goes away is no reason to die; writes to it fail with EPIPE instead.
    signal(SIGPIPE, SIG_IGN)
    do {
      try checkInstructionSet()
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch is BrokenPipe {
      Self.exit()
    } catch {
      guard let code = programExitCode(for: error) else { Self.exit(withError: error) }
      StandardError.write(lastLine("attnd: \(error)"))
      Self.exit(withError: code)
    }
  }
}

/// The line that says why the program ends; a service's journal is told that it is an error.
private func lastLine(_ text: String) -> String {
  let environment = ProcessInfo.processInfo.environment
  guard LogFormat.found(environment: environment) == .journal else { return text + "\n" }
  return "<\(Logger.Level.error.journalPriority)>\(text)\n"
}

/// Refuses an `ATTND_KERNELS` that names no instruction set, or one that isn't here.
private func checkInstructionSet() throws {
  guard let name = InstructionSet.requestedName else { return }
  let available = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
  guard InstructionSet.requested?.isAvailable == true else {
    throw Failure(
      .configuration,
      "environment: \(InstructionSet.variable)=\(name): this machine has \(available)")
  }
}

/// The version, which stands here and in CHANGELOG.md.
enum Version {
  static let text = "0.1.0"
  /// When it was current, for the manual.
  static let date = "2026-11-23"
}
