import ArgumentParser
import Glibc

/// A file that is being written, under a temporary name in its folder, so that nobody sees a half.
///
/// Folders that are missing are made. Unless it is committed nothing of it stays.
final class OutputFile {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private var isOpen = true

  /// Begins a file.
  ///
  /// - Parameter path: Where it is to lie.
  /// - Throws: `Failure` naming the path and the system's reason.
  init(_ path: String) throws {
    self.path = path
    temporary = "\(path).\(getpid()).tmp"
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    var descriptor = open(temporary, flags, 0o644)
    if descriptor < 0, errno == ENOENT {
      try makeFolder(of: path)
      descriptor = open(temporary, flags, 0o644)
    }
    self.descriptor = descriptor
    guard descriptor >= 0 else {
      isOpen = false
      throw creationFailure(path)
    }
  }

  deinit {
    guard isOpen else { return }
    close(descriptor)
    unlink(temporary)
  }

  /// Writes behind what has been written.
  func append(_ bytes: [UInt8]) throws { try writeAll(bytes, to: descriptor, name: path) }

  /// Writes over the beginning.
  func rewrite(_ bytes: [UInt8]) throws {
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw creationFailure(path) }
    try append(bytes)
  }

  /// Gives the file its name, in place of one that had it.
  func commit() throws {
    isOpen = false
    guard close(descriptor) == 0, rename(temporary, path) == 0 else {
      let failure = creationFailure(path)
      unlink(temporary)
      throw failure
    }
  }
}

/// Writes a file whole; see `OutputFile`.
///
/// - Throws: `Failure` naming the path and the system's reason.
func writeFile(_ path: String, _ bytes: [UInt8]) throws {
  let file = try OutputFile(path)
  try file.append(bytes)
  try file.commit()
}

/// Makes the folder that a file is to lie in, and those above it, where they are missing.
///
/// - Throws: `Failure` naming the folder and the system's reason.
func makeFolder(of path: String) throws {
  if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash])) }
}

private func makeFolder(_ path: String) throws {
  guard !path.isEmpty, mkdir(path, 0o755) != 0, errno != EEXIST else { return }
  guard errno == ENOENT, let slash = path.lastIndex(of: "/") else { throw creationFailure(path) }
  try makeFolder(String(path[..<slash]))
  guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw creationFailure(path) }
}

private func creationFailure(_ path: String) -> Failure {
  let reason = String(cString: strerror(errno))
  let code: ExitCode = errno == EACCES ? .noPermission : .cannotCreate
  return Failure(code, "\(path): cannot be created: \(reason)")
}
