import ArgumentParser

/// What can go wrong between the daemon and a broker, for one line to the user.
package enum MQTTError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The library can't be loaded; what the loader says.
  case library(String)
  /// The password can't be read.
  case password(file: String, reason: String)
  /// The system gives no pipe, thread or memory.
  case system(operation: String, reason: String)
  /// Nobody answers at the broker's address.
  case unreachable(broker: String, reason: String)
  /// The broker doesn't take the connection; the code of its CONNACK.
  case refused(broker: String, code: Int32)
  /// The connection was made, and nothing came.
  case silent(broker: String, seconds: Int)
  /// An established connection ended.
  case lost(broker: String, reason: String)

  package var description: String {
    switch self {
    case .library(let reason):
      "mqtt: needs libmosquitto (Debian: apt-get install libmosquitto1): \(reason)"
    case .password(let file, let reason): "mqtt-password-file \(file): \(reason)"
    case .system(let operation, let reason): "mqtt: \(operation): \(reason)"
    case .unreachable(let broker, let reason): "mqtt: \(broker): no connection: \(reason)"
    case .refused(let broker, let code): "mqtt: \(broker): \(Self.refusal(code))"
    case .silent(let broker, let seconds):
      "mqtt: \(broker): no answer within \(seconds) s; does an MQTT broker listen there?"
    case .lost(let broker, let reason): "mqtt: \(broker): connection lost: \(reason)"
    }
  }

  /// The return codes of CONNACK, MQTT 3.1.1, table 3.1.
  private static func refusal(_ code: Int32) -> String {
    switch code {
    case 1: "the broker doesn't speak MQTT 3.1.1"
    case 2: "the broker refuses the client id"
    case 3: "the broker is not available now"
    case 4, 5:
      "the broker refuses user name and password; check mqtt-user and mqtt-password-file"
    default: "the broker refuses the connection (code \(code))"
    }
  }

  var exitCode: ExitCode {
    switch self {
    case .library: .unavailable
    case .password: .configuration
    case .system: .systemError
    case .unreachable, .refused, .silent, .lost: .unavailable
    }
  }
}
