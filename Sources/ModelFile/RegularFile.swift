import Glibc

/// The content of a file that must be a regular one, so that reading it comes to an end.
///
/// - Parameters:
///   - path: The file.
///   - limit: Most bytes to read.
/// - Returns: The content.
/// - Throws: `ModelFault.unreadable`, `.notAFile` or `.tooLarge`.
package func readRegularFile(_ path: String, limit: Int) throws(ModelFault) -> [UInt8] {
  // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
  let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard file >= 0 else { throw .unreadable(code: errno) }
  defer { close(file) }
  var status = stat()
  guard fstat(file, &status) == 0 else { throw .unreadable(code: errno) }
  guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
  guard status.st_size <= limit else { throw .tooLarge(limit: limit) }

  var content: [UInt8] = []
  content.reserveCapacity(Int(status.st_size))
  var block = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(file, &block, block.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { throw .unreadable(code: errno) }
    if count == 0 { return content }
    content += block[..<count]
    // The file may have grown since it was asked for its size.
    guard content.count <= limit else { throw .tooLarge(limit: limit) }
  }
}
