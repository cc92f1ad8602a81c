/// A JSON value as a peer sent it.
///
/// The socket has a reader of its own because the protocol asks for more than decoders commonly
/// promise: of equal keys the last wins (FoundationEssentials' decoder keeps the first), nesting is
/// bounded, and a hostile document costs one pass and no exceptions.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number written without fraction or exponent that fits 64 bits.
  case integer(Int)
  /// Any other number.
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])
}

extension JSONValue {
  /// The deepest nesting of arrays and objects that either side of the protocol must accept.
  package static let nestingLimit = 16

  /// Reads one JSON document: UTF-8, nothing but whitespace round it.
  package init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
    var reader = JSONReader(bytes: Array(bytes))
    self = try reader.document()
  }

  /// The number as a floating point value, whichever way it was written.
  package var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}

/// Why a document isn't JSON as the protocol wants it.
package struct JSONError: Error, Equatable, CustomStringConvertible {
  /// What was found where something else was due.
  package let found: String
  /// Bytes before the place.
  package let offset: Int

  package var description: String { "\(found) at byte \(offset)" }
}

/// Reads a document from its first byte to its last; every access is bounds-checked.
private struct JSONReader {
  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

  let bytes: [UInt8]
  var at = 0

  mutating func document() throws(JSONError) -> JSONValue {
    skipWhitespace()
    let value = try value(depth: 0)
    skipWhitespace()
    guard at == bytes.count else { throw failure("more text after the value") }
    return value
  }

  private func failure(_ found: String) -> JSONError { JSONError(found: found, offset: at) }

  private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipWhitespace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    at += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    switch next {
    case UInt8(ascii: "{"): try object(depth: depth + 1)
    case UInt8(ascii: "["): try array(depth: depth + 1)
    case UInt8(ascii: "\""): .string(try string())
    case UInt8(ascii: "t"): try literal("true", .bool(true))
    case UInt8(ascii: "f"): try literal("false", .bool(false))
    case UInt8(ascii: "n"): try literal("null", .null)
    case UInt8(ascii: "-"): try number()
    case let digit? where Self.digits.contains(digit): try number()
    case nil: throw failure("the end of the text")
    case .some: throw failure("no JSON value")
    }
  }

  private mutating func literal(
    _ text: StaticString, _ value: JSONValue
  ) throws(JSONError) -> JSONValue {
    guard bytes[at...].starts(with: "\(text)".utf8) else { throw failure("no JSON value") }
    at += text.utf8CodeUnitCount
    return value
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= JSONValue.nestingLimit else { throw failure("nesting deeper than 16") }
    at += 1
    var fields: [String: JSONValue] = [:]
    skipWhitespace()
    if take(UInt8(ascii: "}")) { return .object(fields) }
    while true {
      skipWhitespace()
      guard next == UInt8(ascii: "\"") else { throw failure("no field name") }
      let name = try string()
      skipWhitespace()
      guard take(UInt8(ascii: ":")) else { throw failure("no colon") }
      skipWhitespace()
      fields[name] = try value(depth: depth)
      skipWhitespace()
      if take(UInt8(ascii: "}")) { return .object(fields) }
      guard take(UInt8(ascii: ",")) else { throw failure("neither comma nor closing brace") }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
    guard depth <= JSONValue.nestingLimit else { throw failure("nesting deeper than 16") }
    at += 1
    var elements: [JSONValue] = []
    skipWhitespace()
    if take(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      skipWhitespace()
      elements.append(try value(depth: depth))
      skipWhitespace()
      if take(UInt8(ascii: "]")) { return .array(elements) }
      guard take(UInt8(ascii: ",")) else { throw failure("neither comma nor closing bracket") }
    }
  }

  private mutating func digits() -> Bool {
    let start = at
    while let byte = next, Self.digits.contains(byte) { at += 1 }
    return at > start
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = at
    var whole = true
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      guard digits() else { throw failure("no digit after the sign") }
    }
    if take(UInt8(ascii: ".")) {
      whole = false
      guard digits() else { throw failure("no digit after the decimal point") }
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      whole = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      guard digits() else { throw failure("no digit in the exponent") }
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if whole, let integer = Int(text) { return .integer(integer) }
    guard let double = Double(text), double.isFinite else { throw failure("a number too large") }
    return .number(double)
  }

  private mutating func string() throws(JSONError) -> String {
    at += 1
    var text: [UInt8] = []
    while true {
      let start = at
      while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
        at += 1
      }
      text.append(contentsOf: bytes[start..<at])
      if take(UInt8(ascii: "\"")) { break }
      guard take(UInt8(ascii: "\\")) else {
        throw failure(next == nil ? "the end of the text in a string" : "a control character")
      }
      text.append(contentsOf: try escape())
    }
    guard let string = String(validating: text, as: UTF8.self) else {
      throw failure("a string that isn't UTF-8 ends")
    }
    return string
  }

  private mutating func escape() throws(JSONError) -> [UInt8] {
    guard let byte = next else { throw failure("the end of the text in an escape") }
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): break
    default: throw failure("no such escape")
    }
    var code = try hexadecimal()
    if (0xD800..<0xDC00).contains(code) {
      guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
        throw failure("half of a surrogate pair")
      }
      let low = try hexadecimal()
      guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw failure("half of a surrogate pair") }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    guard at + 4 <= bytes.count else { throw failure("the end of the text in an escape") }
    var code: UInt32 = 0
    for byte in bytes[at..<at + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("no hexadecimal digit")
      }
      code = code << 4 | UInt32(digit)
    }
    at += 4
    return code
  }
}
