import Glibc
import ModelFile

/// What tells this machine from others and stays: twelve hexadecimal digits.
package enum MachineIdentity {
  /// The machine's identity.
  ///
  /// The address of its first network card: interfaces that are hardware, in the order of the kernel's
  /// numbers. Virtual ones (bridges, containers) get new addresses with every start. Where there is no
  /// card, the digest of /etc/machine-id, which itself is to stay on the machine (machine-id(5)).
  ///
  /// - Parameters:
  ///   - interfaces: The kernel's folder of network interfaces.
  ///   - machineFile: The system's own identity.
  /// - Returns: Twelve hexadecimal digits in lower case.
  package static func find(
    interfaces: String = "/sys/class/net", machineFile: String = "/etc/machine-id"
  ) -> String {
    let cards = names(in: interfaces).compactMap { name -> (number: Int, address: String)? in
      let folder = interfaces + "/" + name
      guard access(folder + "/device", F_OK) == 0, let address = address(of: folder),
        let number = line(folder + "/ifindex").flatMap({ Int($0) })
      else { return nil }
      return (number, address)
    }
    if let first = cards.min(by: { $0.number < $1.number }) { return first.address }
    let seed = line(machineFile).flatMap { $0.isEmpty ? nil : $0 } ?? hostName
    return String(SHA256.hexadecimal(Array("attnd \(seed)".utf8)).prefix(12))
  }

  /// The hardware address of an Ethernet or wireless interface; nil for what has none.
  private static func address(of folder: String) -> String? {
    // ARPHRD_ETHER, which wireless interfaces have, too.
    guard line(folder + "/type") == "1", let text = line(folder + "/address") else { return nil }
    let digits = text.lowercased().filter { $0 != ":" }
    guard digits.utf8.count == 12, digits.allSatisfy(\.isHexDigit),
      digits.contains(where: { $0 != "0" })
    else { return nil }
    return digits
  }

  private static func names(in folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }

  /// The first line of a file; nil if it can't be read.
  private static func line(_ path: String) -> String? {
    guard let bytes = try? readRegularFile(path, limit: 1 << 16) else { return nil }
    return String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(
      decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
