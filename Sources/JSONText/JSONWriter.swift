/// Writes JSON text, field after field in the order of the calls.
///
/// An attention frame is written a hundred times a second, so no `JSON` value has to be built first.
/// Floats are the shortest decimals that read back to the same bits.
package struct JSONWriter {
  /// The text so far, in UTF-8.
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  package init() { bytes.reserveCapacity(512) }

  /// The text so far.
  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package mutating func object(_ fields: (inout JSONWriter) -> Void) {
    nest(UInt8(ascii: "{"), UInt8(ascii: "}"), fields)
  }

  package mutating func array(_ elements: (inout JSONWriter) -> Void) {
    nest(UInt8(ascii: "["), UInt8(ascii: "]"), elements)
  }

  /// Writes a field's name; the value must follow.
  package mutating func name(_ name: String) {
    separate()
    quote(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  package mutating func value(_ value: Int) { write(value.description) }

  package mutating func value(_ value: Bool) { write(value ? "true" : "false") }

  /// JSON has neither NaN nor infinity: those become `null`.
  package mutating func value(_ value: Double) {
    write(value.isFinite ? value.description : "null")
  }

  /// JSON has neither NaN nor infinity: those become `null`.
  package mutating func value(_ value: Float) {
    write(value.isFinite ? value.description : "null")
  }

  package mutating func value(_ value: String) {
    separate()
    quote(value)
  }

  package mutating func value(_ value: JSON) {
    switch value {
    case .null: null()
    case .bool(let flag): self.value(flag)
    case .number(let text): write(text)
    case .string(let text): self.value(text)
    case .array(let values):
      array { json in
        for value in values { json.value(value) }
      }
    case .object(let members):
      object { json in
        for member in members {
          json.name(member.name)
          json.value(member.value)
        }
      }
    }
  }

  package mutating func null() { write("null") }

  /// A value that needs no quotes.
  private mutating func write(_ text: String) {
    separate()
    bytes += text.utf8
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func nest(
    _ opening: UInt8, _ closing: UInt8, _ content: (inout JSONWriter) -> Void
  ) {
    separate()
    bytes.append(opening)
    needsComma = false
    content(&self)
    bytes.append(closing)
    needsComma = true
  }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    if text.utf8.contains(where: Self.needsEscape) {
      for byte in text.utf8 { writeEscaped(byte) }
    } else {
      bytes += text.utf8
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func writeEscaped(_ byte: UInt8) {
    guard Self.needsEscape(byte) else {
      bytes.append(byte)
      return
    }
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    case 0..<0x20: bytes += ((byte < 0x10 ? "u000" : "u00") + String(byte, radix: 16)).utf8
    default: bytes.append(byte)
    }
  }
}

extension JSONWriter {
  package mutating func field(_ name: String, _ value: Int) {
    self.name(name)
    self.value(value)
  }

  package mutating func field(_ name: String, _ value: Bool) {
    self.name(name)
    self.value(value)
  }

  package mutating func field(_ name: String, _ value: Double) {
    self.name(name)
    self.value(value)
  }

  package mutating func field(_ name: String, _ value: Float) {
    self.name(name)
    self.value(value)
  }

  package mutating func field(_ name: String, _ value: String) {
    self.name(name)
    self.value(value)
  }

  package mutating func field(_ name: String, _ values: [String]) {
    self.name(name)
    array { json in
      for value in values { json.value(value) }
    }
  }

  package mutating func field(_ name: String, object fields: (inout JSONWriter) -> Void) {
    self.name(name)
    object(fields)
  }
}
