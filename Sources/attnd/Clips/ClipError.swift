import AudioInput
import Glibc
import ModelFile

/// Why a detection has no clip, with the facts for one line.
package enum ClipError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The system won't make the folder, or won't let it be read or written; `code` is its errno.
  case folder(path: String, code: Int32)
  /// There is a file of that name already.
  case taken(name: String)
  /// A clip by itself is larger than all clips may be together.
  case tooLarge(bytes: Int, most: Int)
  /// The sound has been overwritten before it was written: the disk is too slow for so many clips.
  case tooLate
  /// libsndfile refuses the sound.
  case encoding(AudioInputError)

  /// One line: what, and why; what to do where there is something.
  package var description: String {
    switch self {
    case .folder(let path, let code):
      "folder \(legible(path)): \(String(cString: strerror(code)))" + Self.advice(code)
    case .taken(let name):
      "\(name) and the next thousand names are taken"
    case .tooLarge(let bytes, let most):
      "it takes \(bytes) bytes, capture-most-bytes allows \(most) for all clips together"
    case .tooLate:
      "its sound was overwritten before it could be written: the disk is too slow"
    case .encoding(let error):
      "\(error)"
    }
  }

  /// Whether the same thing is wrong, whichever clip it is about.
  func isAgain(_ other: ClipError) -> Bool {
    switch (self, other) {
    case (.taken, .taken), (.tooLarge, .tooLarge): true
    default: self == other
    }
  }

  private static func advice(_ code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "; make room, or allow fewer clips by capture-most-bytes"
    case ENOENT: "; it is made when the daemon starts, and looked for at every detection"
    default: ""
    }
  }
}
