import AudioInput

/// A capture device to listen to, and what its stream is called.
package struct DeviceChoice: Sendable, Equatable {
  /// What may be given.
  static let expected =
    "NAME=DEVICE or NAME=DEVICE@CHANNEL: a name of 1 to 32 small letters, digits, '-' and '_', "
    + "none of them twice, and not 'self'"
  /// What the stream of a device without a name is called.
  static let usualName = "mic"
  /// What the stream of what the machine itself plays is called.
  static let referenceName = "reference"

  /// The stream's name.
  package let name: String
  /// The ALSA capture device.
  package let device: String
  /// Which channels; nil for those that all devices have.
  package let channels: ChannelSelection?

  /// A device whose stream has the usual name.
  package init(device: String) {
    name = Self.usualName
    self.device = device
    channels = nil
  }

  /// The device that gives what the machine itself plays.
  package init(reference device: String) {
    name = Self.referenceName
    self.device = device
    channels = nil
  }

  /// Reads `NAME=DEVICE` or `NAME=DEVICE@CHANNEL`.
  ///
  /// A device of ALSA's has its first '=' behind a ':' ("hw:CARD=Mic"), and an '@' only in names that
  /// nobody gives.
  ///
  /// - Parameter text: What was given; nil comes of what is neither.
  package init?(_ text: String) {
    guard let equals = text.firstIndex(of: "=") else { return nil }
    name = String(text[..<equals])
    var device = text[text.index(after: equals)...]
    if let at = device.lastIndex(of: "@") {
      guard let selection = ChannelSelection(String(device[device.index(after: at)...])) else {
        return nil
      }
      channels = selection
      device = device[..<at]
    } else {
      channels = nil
    }
    self.device = String(device)
    guard (1...32).contains(name.utf8.count), name != "self", !device.isEmpty,
      name.utf8.allSatisfy({
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "-"), UInt8(ascii: "_"):
          true
        default: false
        }
      })
    else { return nil }
  }
}
