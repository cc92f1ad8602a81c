import NIOCore

/// Writes JSON text into a buffer, field after field in the order of the calls.
///
/// Comes with the module because an attention frame is written a hundred times a second: text goes
/// straight into the outgoing buffer, floats as the shortest decimal that reads back to the same bits.
package struct JSONWriter {
  private var buffer = ByteBuffer()
  private var needsComma = false

  /// Starts with `gap` spaces, for what is known only after the text.
  package init(gap: Int = 0) {
    buffer.reserveCapacity(gap + 512)
    buffer.writeRepeatingByte(0x20, count: gap)
  }

  /// Bytes written so far, the gap included.
  package var count: Int { buffer.readableBytes }

  /// Hands the text over, uncopied.
  package consuming func finish() -> ByteBuffer { buffer }

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
    buffer.writeInteger(UInt8(ascii: ":"))
    needsComma = false
  }

  package mutating func value(_ value: Int) {
    separate()
    buffer.writeString(value.description)
  }

  package mutating func value(_ value: Bool) {
    separate()
    buffer.writeStaticString(value ? "true" : "false")
  }

  /// JSON has neither NaN nor infinity: those become `null`.
  package mutating func value(_ value: Double) {
    guard value.isFinite else { return null() }
    separate()
    buffer.writeString(value.description)
  }

  /// JSON has neither NaN nor infinity: those become `null`.
  package mutating func value(_ value: Float) {
    guard value.isFinite else { return null() }
    separate()
    buffer.writeString(value.description)
  }

  package mutating func value(_ value: String) {
    separate()
    quote(value)
  }

  package mutating func null() {
    separate()
    buffer.writeStaticString("null")
  }

  private mutating func separate() {
    if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
    needsComma = true
  }

  private mutating func nest(
    _ opening: UInt8, _ closing: UInt8, _ content: (inout JSONWriter) -> Void
  ) {
    separate()
    buffer.writeInteger(opening)
    needsComma = false
    content(&self)
    buffer.writeInteger(closing)
    needsComma = true
  }

  private mutating func quote(_ text: String) {
    buffer.writeInteger(UInt8(ascii: "\""))
    if text.utf8.contains(where: Self.needsEscape) {
      for byte in text.utf8 { writeEscaped(byte) }
    } else {
      buffer.writeString(text)
    }
    buffer.writeInteger(UInt8(ascii: "\""))
  }

  private static func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
  }

  private mutating func writeEscaped(_ byte: UInt8) {
    guard Self.needsEscape(byte) else {
      buffer.writeInteger(byte)
      return
    }
    buffer.writeInteger(UInt8(ascii: "\\"))
    switch byte {
    case 0x0A: buffer.writeInteger(UInt8(ascii: "n"))
    case 0x0D: buffer.writeInteger(UInt8(ascii: "r"))
    case 0x09: buffer.writeInteger(UInt8(ascii: "t"))
    case 0..<0x20:
      let digits = String(byte, radix: 16)
      buffer.writeString("u00" + (digits.count == 1 ? "0" : "") + digits)
    default: buffer.writeInteger(byte)
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
