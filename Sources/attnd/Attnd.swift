import ArgumentParser
import Glibc

/// The program: parse, run, one line on error, exit code.
@main
struct Attnd: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attnd",
    abstract: "Listens for keywords, and shows what it is paying attention to.",
    version: Version.text,
    subcommands: [
      RunCommand.self, BatchCommand.self, WatchCommand.self, DemoCommand.self,
      FeaturesCommand.self, ModelCommand.self, DevicesCommand.self,
    ])

  static func main() async {
    // A reader that goes away is no reason to die; writes to it fail with EPIPE instead.
    signal(SIGPIPE, SIG_IGN)
    do {
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
      StandardError.write("attnd: \(error)\n")
      Self.exit(withError: code)
    }
  }
}

/// The version, which stands here and in CHANGELOG.md.
enum Version {
  static let text = "0.1.0"
}
