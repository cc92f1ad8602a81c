import CSndFile
import Synchronization

/// Opening a file with libsndfile, one at a time.
///
/// libsndfile keeps why an opening failed in one place for the whole process, and every opening
/// begins by clearing it: two threads at once would read each other's reason, or none ("No Error.").
package enum SoundOpening {
  private static let turn = Mutex(())

  /// Opens a file and, where that fails, says why.
  ///
  /// - Parameter open: Calls one of libsndfile's `sf_open`s. Everyone else's opening waits for it, so
  ///   it must not wait for somebody who may never come.
  /// - Returns: libsndfile's handle, or its reason.
  package static func attempt(_ open: () -> OpaquePointer?) -> Result<OpaquePointer, Reason> {
    let opened: Result<Handle, Reason> = turn.withLock { _ in
      guard let handle = open() else {
        return .failure(Reason(description: String(cString: sf_strerror(nil))))
      }
      return .success(Handle(pointer: handle))
    }
    return opened.map(\.pointer)
  }

  /// A new handle, which nobody else knows yet.
  private struct Handle: @unchecked Sendable {
    let pointer: OpaquePointer
  }

  /// Why a file could not be opened, in libsndfile's words.
  package struct Reason: Error, CustomStringConvertible {
    package let description: String
  }
}
