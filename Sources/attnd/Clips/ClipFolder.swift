import Glibc

/// The folder that clips are kept in: as much of a file system as they need.
package protocol ClipFolder: Sendable {
  /// Every file in it that is called as a clip's, with its size; links and folders aren't files.
  ///
  /// A file that vanishes meanwhile is left out.
  func files() throws(ClipError) -> [(name: String, bytes: Int)]

  /// Writes a new file and waits until the disk has it.
  ///
  /// - Throws: `ClipError.taken` when there is one of that name; after any other error there may be a
  ///   part of the file.
  func write(_ bytes: [UInt8], to name: String) throws(ClipError)

  /// Gives a file another name.
  func rename(_ name: String, to other: String) throws(ClipError)

  /// Removes a file; one that isn't there is no error.
  func remove(_ name: String) throws(ClipError)
}

/// A folder of the file system: for its owner alone, as what lies in it is.
///
/// Nothing is held open in between: a folder that is removed and made again, or a disk that is mounted
/// over it, is simply the folder from then on.
package struct DiskFolder: ClipFolder {
  private let path: String

  /// - Parameter path: Where it is, or is to be made by `make`.
  package init(_ path: String) { self.path = path }

  /// Makes the folder, and those above it, unless it is there; looks whether it can be written to.
  package func make() throws(ClipError) {
    if mkdir(path, 0o700) != 0, errno == ENOENT {
      try? makeFolder(of: path)
      mkdir(path, 0o700)
    }
    guard access(path, R_OK | W_OK | X_OK) == 0 else { throw .folder(path: path, code: errno) }
  }

  package func files() throws(ClipError) -> [(name: String, bytes: Int)] {
    guard let folder = opendir(path) else { throw .folder(path: path, code: errno) }
    defer { closedir(folder) }
    var found: [(name: String, bytes: Int)] = []
    errno = 0
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
          String(cString: $0)
        }
      }
      var status = stat()
      // Of files that aren't ours nothing has to be known.
      if ClipName.of(file: name) != nil, lstat(place(name), &status) == 0,
        status.st_mode & S_IFMT == S_IFREG
      {
        found.append((name, Int(status.st_size)))
      }
      errno = 0
    }
    guard errno == 0 else { throw .folder(path: path, code: errno) }
    return found
  }

  package func write(_ bytes: [UInt8], to name: String) throws(ClipError) {
    let descriptor = open(place(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw errno == EEXIST ? .taken(name: name) : .folder(path: path, code: errno)
    }
    var code = writeWhole(bytes, to: descriptor)
    // Disks that put off finding a place for data say only here that there is none.
    if code == 0, fsync(descriptor) != 0 { code = errno }
    if close(descriptor) != 0, code == 0, errno != EINTR { code = errno }
    guard code == 0 else { throw .folder(path: path, code: code) }
  }

  package func rename(_ name: String, to other: String) throws(ClipError) {
    guard Glibc.rename(place(name), place(other)) == 0 else {
      throw .folder(path: path, code: errno)
    }
  }

  package func remove(_ name: String) throws(ClipError) {
    guard unlink(place(name)) == 0 || errno == ENOENT else {
      throw .folder(path: path, code: errno)
    }
  }

  private func place(_ name: String) -> String { "\(path)/\(name)" }
}
