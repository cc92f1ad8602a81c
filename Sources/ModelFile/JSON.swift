/// JSON text (RFC 8259) as values, for headers and documents that nobody vouches for.
///
/// Stricter than usual: a name that appears twice in an object is an error, as is text nested
/// deeper than `deepest`. Numbers stay text until somebody says what they should be.
package enum JSON: Sendable, Equatable {
  /// A name in an object with its value.
  package struct Member: Sendable, Equatable {
    package var name: String
    package var value: JSON

    package init(_ name: String, _ value: JSON) {
      self.name = name
      self.value = value
    }
  }

  case null
  case bool(Bool)
  /// The number as it was written.
  case number(String)
  case string(String)
  case array([JSON])
  /// The members in the order in which they were written.
  case object([Member])

  /// Levels of arrays and objects: a model needs four; the bound keeps the stack small.
  package static let deepest = 16

  /// Reads one value and nothing after it but white space.
  ///
  /// - Parameters:
  ///   - bytes: The text, which must be UTF-8.
  ///   - text: What the text is called in errors, for example `the header`.
  /// - Throws: `ModelFault.syntax` with the place of the first byte that can't be.
  package init(parsing bytes: ArraySlice<UInt8>, called text: String) throws(ModelFault) {
    var parser = JSONParser(bytes, text: text)
    self = try parser.document()
  }

  /// The value as text on one line.
  package var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let text): text
    case .string(let value): JSON.quoted(value)
    case .array(let values): "[" + values.map(\.text).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.map { JSON.quoted($0.name) + ": " + $0.value.text }.joined(separator: ", ")
        + "}"
    }
  }

  /// What the value is, for an error: a short value itself, or its kind.
  var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let text): legible(text)
    case .string(let value): "'\(legible(value))'"
    case .array: "a list"
    case .object: "an object"
    }
  }

  private static func quoted(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}

/// A recursive descent, one byte ahead.
private struct JSONParser {
  private let bytes: ArraySlice<UInt8>
  private let text: String
  private var place: Int

  init(_ bytes: ArraySlice<UInt8>, text: String) {
    self.bytes = bytes
    self.text = text
    place = bytes.startIndex
  }

  mutating func document() throws(ModelFault) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    guard place == bytes.endIndex else { throw expected("the end") }
    return value
  }

  private mutating func value(depth: Int) throws(ModelFault) -> JSON {
    skipSpace()
    guard place < bytes.endIndex else { throw expected("a value") }
    switch bytes[place] {
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < JSON.deepest else { throw expected("at most \(JSON.deepest) levels") }
      return bytes[place] == UInt8(ascii: "{")
        ? try object(depth: depth + 1) : try array(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default:
      for (word, value) in [("true", JSON.bool(true)), ("false", .bool(false)), ("null", .null)]
      where bytes[place...].starts(with: word.utf8) {
        place += word.utf8.count
        return value
      }
      throw expected("a value")
    }
  }

  private mutating func object(depth: Int) throws(ModelFault) -> JSON {
    place += 1
    var members: [JSON.Member] = []
    var names: Set<String> = []
    skipSpace()
    if accept("}") { return .object([]) }
    repeat {
      skipSpace()
      let start = place
      guard start < bytes.endIndex, bytes[start] == UInt8(ascii: "\"") else {
        throw expected("a name in quotes")
      }
      let name = try string()
      guard names.insert(name).inserted else {
        place = start
        throw expected("'\(legible(name))' only once")
      }
      skipSpace()
      guard accept(":") else { throw expected("':'") }
      members.append(JSON.Member(name, try value(depth: depth)))
      skipSpace()
    } while accept(",")
    guard accept("}") else { throw expected("',' or '}'") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(ModelFault) -> JSON {
    place += 1
    var values: [JSON] = []
    skipSpace()
    if accept("]") { return .array([]) }
    repeat {
      values.append(try value(depth: depth))
      skipSpace()
    } while accept(",")
    guard accept("]") else { throw expected("',' or ']'") }
    return .array(values)
  }

  private mutating func string() throws(ModelFault) -> String {
    place += 1
    var content: [UInt8] = []
    let start = place
    while place < bytes.endIndex {
      let byte = bytes[place]
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: content, as: UTF8.self) else {
          place = start
          throw expected("text in UTF-8")
        }
        place += 1
        return string
      case UInt8(ascii: "\\"):
        place += 1
        content += Array(String(Character(try escaped())).utf8)
      case 0..<0x20: throw expected("no control character")
      default:
        content.append(byte)
        place += 1
      }
    }
    throw expected("'\"'")
  }

  private mutating func escaped() throws(ModelFault) -> Unicode.Scalar {
    guard place < bytes.endIndex else { throw expected("an escape") }
    let byte = bytes[place]
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default:
      place -= 1
      throw expected("an escape")
    }
    let first = try fourDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    // Two UTF-16 surrogates make one character.
    guard (0xD800..<0xDC00).contains(first), accept("\\"), accept("u") else {
      throw expected("the second half of a character")
    }
    let second = try fourDigits()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw expected("the second half of a character") }
    return scalar
  }

  private mutating func fourDigits() throws(ModelFault) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard place < bytes.endIndex,
        let digit = Character(Unicode.Scalar(bytes[place])).hexDigitValue
      else { throw expected("four hexadecimal digits") }
      value = value << 4 | UInt32(digit)
      place += 1
    }
    return value
  }

  /// The grammar of RFC 8259, section 6: no leading zero, digits on both sides of the point.
  private mutating func number() throws(ModelFault) -> String {
    let start = place
    _ = accept("-")
    if !accept("0") { try digits() }
    if accept(".") { try digits() }
    if accept("e") || accept("E") {
      if !accept("+") { _ = accept("-") }
      try digits()
    }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  private mutating func digits() throws(ModelFault) {
    let start = place
    while place < bytes.endIndex, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place]) {
      place += 1
    }
    guard place > start else { throw expected("a digit") }
  }

  private mutating func skipSpace() {
    while place < bytes.endIndex, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard place < bytes.endIndex, bytes[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private func expected(_ what: String) -> ModelFault {
    .syntax(text: text, offset: place - bytes.startIndex, expected: what)
  }
}
