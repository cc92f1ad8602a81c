import Glibc
import Synchronization
import attnd

/// A folder in memory, of a size, that can be taken away: the embedded double of a disk.
final class MemoryFolder: ClipFolder {
  private struct State {
    var files: [String: [UInt8]] = [:]
    var room = Int.max
    var fault: Int32?
    /// What was done, in its order.
    var history: [String] = []
  }

  private let state = Mutex(State())

  /// Bytes that may lie in it.
  var room: Int {
    get { state.withLock { $0.room } }
    set { state.withLock { $0.room = newValue } }
  }

  /// The errno of everything; nil when all is well.
  var fault: Int32? {
    get { state.withLock { $0.fault } }
    set { state.withLock { $0.fault = newValue } }
  }

  /// What was done, in its order.
  var history: [String] { state.withLock { $0.history } }

  /// The content of every file, by name; ours to change.
  var content: [String: [UInt8]] {
    get { state.withLock { $0.files } }
    set { state.withLock { $0.files = newValue } }
  }

  private func act<Result>(
    _ action: String, _ body: (inout State) throws(ClipError) -> Result
  ) throws(ClipError) -> Result {
    try state.withLock { (state) throws(ClipError) in
      if let fault = state.fault { throw .folder(path: "memory", code: fault) }
      state.history.append(action)
      return try body(&state)
    }
  }

  func files() throws(ClipError) -> [(name: String, bytes: Int)] {
    try act("list") { (state) throws(ClipError) in
      state.files.map { ($0.key, $0.value.count) }
    }
  }

  func write(_ bytes: [UInt8], to name: String) throws(ClipError) {
    try act("write \(name)") { (state) throws(ClipError) in
      guard state.files[name] == nil else { throw .taken(name: name) }
      let left = state.room - state.files.values.reduce(0) { $0 + $1.count }
      // As a disk does: as much as there is room for, and then the error.
      state.files[name] = Array(bytes.prefix(max(0, left)))
      guard bytes.count <= left else { throw .folder(path: "memory", code: ENOSPC) }
    }
  }

  func rename(_ name: String, to other: String) throws(ClipError) {
    try act("rename \(name) \(other)") { (state) throws(ClipError) in
      guard let bytes = state.files.removeValue(forKey: name) else {
        throw .folder(path: "memory", code: ENOENT)
      }
      state.files[other] = bytes
    }
  }

  func remove(_ name: String) throws(ClipError) {
    try act("remove \(name)") { (state) throws(ClipError) in
      _ = state.files.removeValue(forKey: name)
    }
  }
}
