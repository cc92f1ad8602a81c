import Glibc

extension SocketError {
  static func text(of code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The error of a failed call on `path`, told apart where the user can act on it.
  init(_ operation: String, path: String, code: Int32) {
    switch code {
    case EACCES, EPERM, EROFS: self = .noPermission(path: path)
    default: self = .system(operation: operation, path: path, code: code)
    }
  }
}

/// A Unix socket's address, with the path in place.
package struct UnixAddress {
  /// The longest path that fits, in bytes, with its closing zero left over.
  package static let pathLimit = 107

  private var address = sockaddr_un()

  /// Fails for a path that is empty, too long, or holds a zero byte.
  init?(_ path: String) {
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count <= Self.pathLimit, !bytes.contains(0) else { return nil }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
  }

  func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}

extension UnixAddress {
  /// A socket for Unix addresses that never waits.
  static func makeSocket(_ path: String) throws(SocketError) -> CInt {
    let never = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | never, 0)
    guard descriptor >= 0 else { throw SocketError("make a socket", path: path, code: errno) }
    return descriptor
  }

  /// A socket connected to whoever listens at `path`.
  ///
  /// NIO's own addresses end at 103 bytes, the system's at 107.
  static func connect(to path: String) throws(SocketError) -> CInt {
    guard let address = UnixAddress(path) else {
      throw .pathTooLong(path: path, bytes: path.utf8.count)
    }
    let descriptor = try makeSocket(path)
    guard address.withPointer({ Glibc.connect(descriptor, $0, $1) }) != 0 else {
      return descriptor
    }
    let code = errno
    close(descriptor)
    switch code {
    case ENOENT, ENOTDIR: throw .missing(path: path)
    // A file that isn't a socket refuses like a socket that nobody reads.
    case ECONNREFUSED where !isSocket(path): throw .notASocket(path: path)
    case ECONNREFUSED: throw .nobodyListens(path: path)
    default: throw SocketError("connect", path: path, code: code)
    }
  }

  private static func isSocket(_ path: String) -> Bool {
    var file = Glibc.stat()
    return stat(path, &file) != 0 || file.st_mode & S_IFMT == S_IFSOCK
  }
}

/// The socket file and its lock: made so that a client sees no socket, a stale one, or a ready one.
///
/// A lock file beside the socket keeps two daemons apart; it stays when the daemon goes. The socket is
/// bound under a temporary name, gets its mode, and only then its name. On the way out the file is removed
/// if it is still the one that was made here.
struct ListeningSocket: Sendable {
  /// Bound and listening; the event loop takes it over and closes it.
  let descriptor: CInt
  private let path: String
  private let lock: CInt
  private let device: dev_t
  private let inode: ino_t

  /// Connections that may wait to be accepted.
  private static let backlog: CInt = 128

  /// Makes the socket file at `path` and listens.
  init(at path: String, mode: mode_t, group: gid_t?) throws(SocketError) {
    guard UnixAddress(path) != nil else {
      throw .pathTooLong(path: path, bytes: path.utf8.count)
    }
    let lock = try Self.takeLock(for: path)
    do {
      try Self.checkStale(path)
      let bound = try Self.bind(path, mode: mode, group: group)
      self.path = path
      self.lock = lock
      descriptor = bound.descriptor
      device = bound.file.st_dev
      inode = bound.file.st_ino
    } catch {
      close(lock)
      throw error
    }
  }

  /// Removes the file, if another process hasn't put its own there, and gives the lock back.
  func remove() {
    var file = stat()
    if lstat(path, &file) == 0, file.st_dev == device, file.st_ino == inode { unlink(path) }
    close(lock)
  }

  private static func takeLock(for path: String) throws(SocketError) -> CInt {
    let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else {
      let code = errno
      if code == ENOENT || code == ENOTDIR { throw .directoryMissing(path: path) }
      throw SocketError("open the lock file", path: path, code: code)
    }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      let process = readProcess(lock)
      close(lock)
      if code == EWOULDBLOCK { throw .inUse(path: path, process: process) }
      throw SocketError("lock", path: path, code: code)
    }
    let text = Array("\(getpid())\n".utf8)
    _ = ftruncate(lock, 0)
    _ = pwrite(lock, text, text.count, 0)
    return lock
  }

  private static func readProcess(_ lock: CInt) -> Int? {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = pread(lock, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return Int(String(decoding: bytes.prefix(count).prefix { $0 != 0x0A }, as: UTF8.self))
  }

  /// Lets a socket pass that nobody answers; anything else at the path stays untouched.
  private static func checkStale(_ path: String) throws(SocketError) {
    var file = stat()
    guard lstat(path, &file) == 0 else {
      if errno == ENOENT { return }
      throw SocketError("look at", path: path, code: errno)
    }
    guard file.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
    do {
      close(try UnixAddress.connect(to: path))
    } catch {
      switch error {
      case .nobodyListens, .missing: return
      // A full backlog means that somebody listens.
      case .system(_, _, code: EAGAIN): break
      default: throw error
      }
    }
    throw .inUse(path: path, process: nil)
  }

  private static func bind(
    _ path: String, mode: mode_t, group: gid_t?
  ) throws(SocketError) -> (descriptor: CInt, file: stat) {
    let descriptor = try UnixAddress.makeSocket(path)
    do {
      return (descriptor, try name(descriptor, path, mode: mode, group: group))
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Binds to a temporary name, sets group and mode, listens, renames.
  private static func name(
    _ descriptor: CInt, _ path: String, mode: mode_t, group: gid_t?
  ) throws(SocketError) -> stat {
    let slash = path.lastIndex(of: "/")
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw SocketError("open the directory", path: path, code: errno) }
    defer { close(folder) }
    // A path near the limit leaves no room for a longer one; through the descriptor any is short.
    let suffix = ".\(getpid()).tmp"
    let isShort = path.utf8.count + suffix.utf8.count <= UnixAddress.pathLimit
    let name = isShort ? path[(slash.map(path.index(after:)) ?? path.startIndex)...] : "attnd"
    let temporary = String(name) + suffix
    guard
      let address = UnixAddress(isShort ? path + suffix : "/proc/self/fd/\(folder)/\(temporary)")
    else { throw .pathTooLong(path: path, bytes: path.utf8.count) }
    unlinkat(folder, temporary, 0)
    // The file takes the socket's own mode: nobody else can connect before it is told otherwise. (A umask
    // would do the same to every file that another thread makes meanwhile.)
    guard fchmod(descriptor, 0o600) == 0,
      address.withPointer({ Glibc.bind(descriptor, $0, $1) }) == 0
    else { throw SocketError("bind", path: path, code: errno) }
    var file = stat()
    let step: String
    if let group, fchownat(folder, temporary, uid_t.max, group, 0) != 0 {
      step = "set the group of"
    } else if fchmodat(folder, temporary, mode, 0) != 0 {
      step = "set the mode of"
    } else if listen(descriptor, backlog) != 0 {
      step = "listen on"
    } else if fstatat(folder, temporary, &file, AT_SYMLINK_NOFOLLOW) != 0 {
      step = "look at"
    } else if renameat(folder, temporary, AT_FDCWD, path) != 0 {
      step = "rename to"
    } else {
      return file
    }
    let code = errno
    unlinkat(folder, temporary, 0)
    throw SocketError(step, path: path, code: code)
  }
}
