import ArgumentParser
import Glibc

/// Writes a file whole: under a temporary name in its folder first, so that nobody sees a half.
///
/// Folders that are missing are made.
///
/// - Throws: `Failure` naming the path and the system's reason.
func writeFile(_ path: String, _ bytes: [UInt8]) throws {
  try makeFolder(of: path)
  let temporary = "\(path).\(getpid()).tmp"
  let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw creationFailure(path) }
  do {
    try writeAll(bytes, to: descriptor, name: path)
  } catch {
    close(descriptor)
    unlink(temporary)
    throw error
  }
  guard close(descriptor) == 0, rename(temporary, path) == 0 else {
    let failure = creationFailure(path)
    unlink(temporary)
    throw failure
  }
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
