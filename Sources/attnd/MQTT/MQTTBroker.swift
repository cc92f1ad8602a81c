/// Where a broker is: `mqtt://host[:port]`, or `mqtts://host[:port]` for TLS.
package struct MQTTBroker: Sendable, Hashable, CustomStringConvertible {
  /// What `init(_:)` takes, for messages.
  package static let expected =
    "mqtt://HOST, mqtts://HOST or either with :PORT; user and password have settings of their own"

  package let host: String
  package let port: Int
  package let isEncrypted: Bool

  /// Reads an address; nil for a text that is none.
  package init?(_ text: String) {
    let rest: Substring
    if text.hasPrefix("mqtt://") {
      (rest, isEncrypted) = (text.dropFirst(7), false)
    } else if text.hasPrefix("mqtts://") {
      (rest, isEncrypted) = (text.dropFirst(8), true)
    } else {
      return nil
    }
    var authority = rest
    if authority.last == "/" { authority.removeLast() }
    let standard = isEncrypted ? 8_883 : 1_883
    if let colon = authority.lastIndex(of: ":"), authority.last != "]" {
      let digits = authority[authority.index(after: colon)...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let port = Int(digits), (1...65_535).contains(port)
      else { return nil }
      self.port = port
      authority = authority[..<colon]
    } else {
      port = standard
    }
    if authority.hasPrefix("["), authority.hasSuffix("]") {
      authority = authority.dropFirst().dropLast()
    } else if authority.contains(":") {
      return nil
    }
    guard !authority.isEmpty,
      !authority.unicodeScalars.contains(where: { "/[]@?#+ ".unicodeScalars.contains($0) })
    else { return nil }
    host = String(authority)
  }

  package var description: String {
    "\(isEncrypted ? "mqtts" : "mqtt")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}
