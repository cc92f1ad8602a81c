// In place of what Sources/attnd/ExitCode.swift and ArgumentParser declare: the reader of rows needs
// no more of the program than its error.

struct ExitCode {
  static let badData = ExitCode()
  static let noInput = ExitCode()
  static let noPermission = ExitCode()
  static let inputOutput = ExitCode()
}

struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ code: ExitCode, _ description: String) { self.description = description }
}
