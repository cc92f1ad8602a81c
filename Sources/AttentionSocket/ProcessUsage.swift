import Glibc

/// What this process holds, as the system tells it; 0 where it doesn't.
enum ProcessUsage {
  /// Bytes that are in memory now.
  static var residentBytes: Int {
    let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 128)
    let count = read(file, &bytes, bytes.count)
    guard count > 0 else { return 0 }
    let words = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
    guard words.count > 1, let pages = Int(words[1]) else { return 0 }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Open descriptors, without the one that looks.
  static var descriptors: Int { max(0, entries(of: "/proc/self/fd") - 1) }

  /// Threads, this one among them.
  static var threads: Int { entries(of: "/proc/self/task") }

  /// Entries of a folder but for "." and "..".
  private static func entries(of folder: String) -> Int {
    guard let directory = opendir(folder) else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return max(0, count - 2)
  }
}
