import Synchronization
import attnd

/// What is said of a daemon's settings at the moment, by name.
final class ChangingSettings: Sendable {
  private let texts = Mutex<[String: String]>([:])

  subscript(name: String) -> String? {
    get { texts.withLock { $0[name] } }
    set { texts.withLock { $0[name] = newValue } }
  }

  func resolve() throws -> Settings {
    try Settings.resolve(flags: texts.withLock(\.self), environment: [:])
  }
}
