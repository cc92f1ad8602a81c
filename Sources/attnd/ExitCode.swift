import ArgumentParser
import AttentionSocket
import AudioInput
import FeatureExtraction
import Glibc
import ModelFile
import StreamingAttention

/// How the program ends: the codes of sysexits.h.
extension ExitCode {
  /// 65: the input's content is wrong.
  static let badData = ExitCode(65)
  /// 66: the input is missing or may not be read.
  static let noInput = ExitCode(66)
  /// 69: a device or a peer is not there.
  static let unavailable = ExitCode(69)
  /// 70: a fault of the program itself.
  static let internalError = ExitCode(70)
  /// 71: the system refused something it should have given.
  static let systemError = ExitCode(71)
  /// 73: an output cannot be created.
  static let cannotCreate = ExitCode(73)
  /// 74: reading or writing failed half way.
  static let inputOutput = ExitCode(74)
  /// 75: somebody else has it now; try again later.
  static let tryLater = ExitCode(75)
  /// 77: permission denied.
  static let noPermission = ExitCode(77)
  /// 78: the configuration is wrong.
  static let configuration = ExitCode(78)
}

/// An error that the program itself finds: a line for people, and the code to end with.
struct Failure: Error, CustomStringConvertible {
  let code: ExitCode
  let description: String

  init(_ code: ExitCode, _ description: String) {
    self.code = code
    self.description = description
  }
}

/// The code that an error ends the program with; nil for those that ArgumentParser knows.
func programExitCode(for error: any Error) -> ExitCode? {
  switch error {
  case let failure as Failure: failure.code
  case let error as AudioInputError: error.exitCode
  case let error as SettingsError: ExitCode(error.exitStatus)
  case let error as ModelError: error.fault.exitCode
  case let error as SocketError: error.exitCode
  case let error as MQTTError: error.exitCode
  case is FrontEndError, is ParametersError: .badData
  case is DetectorSettingsError: .configuration
  default: nil
  }
}

extension AudioInputError {
  var exitCode: ExitCode {
    switch self {
    case .fileMissing, .isDirectory: .noInput
    case .filePermission, .devicePermission: .noPermission
    case .empty, .notSound, .broken, .cutShort, .rateOutOfRange, .channelCountOutOfRange,
      .channelOutOfRange:
      .badData
    case .resampler, .notEncoded: .internalError
    case .inputOutput: .inputOutput
    case .deviceMissing, .deviceRefused, .deviceLost, .deviceSilent: .unavailable
    case .deviceBusy: .tryLater
    case .deviceFailed: .systemError
    }
  }
}

extension ModelFault {
  var exitCode: ExitCode {
    switch self {
    case .unreadable(let code): code == EACCES ? .noPermission : .noInput
    case .notAFile: .noInput
    default: .badData
    }
  }
}

extension SocketError {
  var exitCode: ExitCode {
    switch self {
    case .pathTooLong, .notForClients: .configuration
    case .directoryMissing, .notASocket: .cannotCreate
    case .inUse: .tryLater
    case .noPermission: .noPermission
    case .system, .notServable: .systemError
    case .unknownHost, .missing, .nobodyListens, .noAnswer, .refused, .closed: .unavailable
    case .otherProtocol, .notUnderstood: .badData
    }
  }
}
