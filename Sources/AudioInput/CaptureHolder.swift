import Glibc

/// A process that has a capture device open, as the kernel's ALSA tells of it.
public struct CaptureHolder: Equatable, Sendable, CustomStringConvertible {
  /// The process.
  public let process: Int
  /// Its name; empty when nobody tells.
  public let program: String
  /// The device, as ALSA calls it: "hw:1,0".
  public let device: String

  /// "arecord (process 1234, hw:1,0)".
  public var description: String {
    "\(program.isEmpty ? "a program" : program) (process \(process), \(device))"
  }

  /// All processes that have a capture device of a card open.
  ///
  /// Each substream has a file `card1/pcm0c/sub0/status`, with a line `owner_pid   : 1234` while it is
  /// open.
  ///
  /// - Parameters:
  ///   - cards: The kernel's folder of sound cards.
  ///   - processes: The kernel's folder of processes.
  /// - Returns: Them, in the order of the devices; none where the kernel doesn't tell.
  package static func all(
    cards: String = "/proc/asound", processes: String = "/proc"
  ) -> [CaptureHolder] {
    var holders: [CaptureHolder] = []
    for card in names(in: cards) {
      guard let cardNumber = number(card, after: "card", before: "") else { continue }
      for pcm in names(in: "\(cards)/\(card)") {
        guard let pcmNumber = number(pcm, after: "pcm", before: "c") else { continue }
        for substream in names(in: "\(cards)/\(card)/\(pcm)") where substream.hasPrefix("sub") {
          let lines = text(of: "\(cards)/\(card)/\(pcm)/\(substream)/status").split(separator: "\n")
          let owner = lines.first { $0.hasPrefix("owner_pid") }
            .flatMap { $0.split(separator: ":").last?.filter(\.isNumber) }.flatMap { Int($0) }
          guard let owner, owner > 0 else { continue }
          let program = text(of: "\(processes)/\(owner)/comm").split(separator: "\n").first
          holders.append(
            CaptureHolder(
              process: owner, program: program.map(String.init) ?? "",
              device: "hw:\(cardNumber),\(pcmNumber)"))
        }
      }
    }
    return holders.sorted { ($0.device, $0.process) < ($1.device, $1.process) }
  }

  private static func number(_ name: String, after prefix: String, before suffix: String) -> Int? {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
    return Int(name.dropFirst(prefix.count).dropLast(suffix.count))
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    return names.sorted()
  }

  /// The first 4 KiB of a file; empty when it can't be read.
  private static func text(of path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return "" }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 4_096) { buffer in
      let count = read(file, buffer.baseAddress, buffer.count)
      return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }
  }
}
