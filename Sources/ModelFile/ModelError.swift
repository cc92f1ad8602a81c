import FeatureExtraction
import Glibc
import StreamingAttention

/// A model file that can't be used: which file, and what is wrong in it.
public struct ModelError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file, as it was named.
  public let file: String
  /// What is wrong.
  public let fault: ModelFault

  /// One line, for example `model default.safetensors: tensor feature.mean is missing, ...`.
  public var description: String { "model \(legible(file, limit: 1_000)): \(fault)" }
}

/// What can be wrong with a model file, from the outside in.
public enum ModelFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file can't be opened or read; `code` is the system's error number.
  case unreadable(code: Int32)
  /// It is a directory, a device or a pipe.
  case notAFile
  /// It has more bytes than any model may have.
  case tooLarge(limit: Int)
  /// The bytes aren't those of a safetensors file.
  case container(found: String, expected: String)
  /// Text that should be JSON isn't, at a byte of it.
  case syntax(text: String, offset: Int, expected: String)
  /// A tensor whose entry in the header can't be.
  case tensor(name: String, found: String, expected: String)
  /// A value of the document that can't be.
  case value(path: String, found: String, expected: String)
  /// A name that the document lacks.
  case missing(path: String)
  /// A name that the document shouldn't have, and the known one that is most like it.
  case unknown(path: String, nearest: String?)
  /// A number of the front end.
  case frontEnd(FrontEndError)
  /// A size, or a tensor that the sizes ask for.
  case parameters(ParametersError)
  /// A number of the detector.
  case detector(DetectorSettingsError)

  /// Whether there is nothing at the path.
  public var isMissing: Bool {
    self == .unreadable(code: ENOENT) || self == .unreadable(code: ENOTDIR)
  }

  /// What is wrong, as the rest of a line: where, what was found, what was expected.
  public var description: String {
    switch self {
    case .unreadable(let code): String(cString: strerror(code))
    case .notAFile: "not a regular file"
    case .tooLarge(let limit): "has more than \(limit) bytes, the most that is read"
    case .container(let found, let expected): "\(found), expected \(expected)"
    case .syntax(let text, let offset, let expected):
      "\(text) isn't JSON: expected \(expected) at byte \(offset)"
    case .tensor(let name, let found, let expected):
      "tensor \(legible(name)) \(found), expected \(expected)"
    case .value(let path, let found, let expected):
      "\(legible(path)) is \(found), expected \(expected)"
    case .missing(let path): "\(path) is missing"
    case .unknown(let path, let nearest):
      "unknown name '\(legible(path))'" + (nearest.map { " (\($0)?)" } ?? "")
    case .frontEnd(let error): error.description
    case .parameters(let error): error.description
    case .detector(let error): error.description
    }
  }
}

/// Text from outside, fit for one line: control characters replaced, the end of long text left off.
///
/// - Parameters:
///   - text: Any text.
///   - limit: Most characters to keep.
/// - Returns: The text, or so much of it.
package func legible(_ text: String, limit: Int = 80) -> String {
  let kept = String(
    text.unicodeScalars.prefix(limit).map { isControl($0) ? "\u{FFFD}" : Character($0) })
  return text.unicodeScalars.count > limit ? kept + "..." : kept
}

/// Whether a character could move a terminal's cursor, end a line or turn the direction of text.
///
/// Joiners (U+200C, U+200D) are none of these: some languages' words need them.
func isControl(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: true
  default: scalar.properties.isBidiControl
  }
}
