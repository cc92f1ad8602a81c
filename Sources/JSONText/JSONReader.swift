extension JSON {
  /// Levels of arrays and objects: a model needs four, an event three; the bound keeps the stack
  /// small.
  package static let deepest = 16

  /// What becomes of a name that stands in an object again.
  package enum RepeatedNames: Sendable {
    /// The text is refused: it contradicts itself.
    case refused
    /// The last value counts, in the place of the first.
    case lastWins
  }

  /// Which numbers may stand in a text.
  package enum Numbers: Sendable {
    /// Any that the grammar allows.
    case any
    /// Those whose nearest Double is finite.
    case finite
  }

  /// Reads one value and nothing after it but white space.
  ///
  /// - Parameters:
  ///   - bytes: The text, which must be UTF-8.
  ///   - repeatedNames: What becomes of a name that stands in an object again.
  ///   - numbers: Which numbers are taken.
  /// - Throws: `JSONError` with the place of the first byte that can't be.
  /// - Complexity: One pass over the bytes.
  package init(
    parsing bytes: some Sequence<UInt8>, repeatedNames: RepeatedNames, numbers: Numbers
  ) throws(JSONError) {
    var reader = JSONReader(
      bytes: Array(bytes), repeatedNames: repeatedNames, numbers: numbers)
    self = try reader.document()
  }
}

/// Why a text isn't JSON; offsets count bytes from the beginning of the text.
package enum JSONError: Error, Equatable, CustomStringConvertible {
  /// Something else had to come at this byte.
  case syntax(offset: Int, expected: String)
  /// A name, which begins at this byte, stood in the same object before.
  case repeated(name: String, offset: Int)

  /// The rest of a line, without anything from the text itself.
  package var description: String {
    switch self {
    case .syntax(let offset, let expected): "expected \(expected) at byte \(offset)"
    case .repeated(_, let offset): "expected each name only once at byte \(offset)"
    }
  }
}

/// A recursive descent, one byte ahead; every access is behind a check of the bounds.
private struct JSONReader {
  private static let digits = UInt8(ascii: "0")...UInt8(ascii: "9")

  let bytes: [UInt8]
  let repeatedNames: JSON.RepeatedNames
  let numbers: JSON.Numbers
  /// Bytes read.
  private var place = 0

  init(bytes: [UInt8], repeatedNames: JSON.RepeatedNames, numbers: JSON.Numbers) {
    self.bytes = bytes
    self.repeatedNames = repeatedNames
    self.numbers = numbers
  }

  mutating func document() throws(JSONError) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    guard next == nil else { throw expected("the end") }
    return value
  }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private func expected(_ what: String) -> JSONError { .syntax(offset: place, expected: what) }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
      place += 1
    }
  }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSON {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth + 1)
    case UInt8(ascii: "["): return try array(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"): return try number()
    case let digit? where Self.digits.contains(digit): return try number()
    default:
      for (word, value) in [("true", JSON.bool(true)), ("false", .bool(false)), ("null", .null)]
      where bytes[place...].starts(with: word.utf8) {
        place += word.utf8.count
        return value
      }
      throw expected("a value")
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSON {
    guard depth <= JSON.deepest else { throw expected("at most \(JSON.deepest) levels") }
    place += 1
    var members: [JSON.Member] = []
    var indices: [String: Int] = [:]
    skipSpace()
    if accept("}") { return .object([]) }
    repeat {
      skipSpace()
      let start = place
      guard next == UInt8(ascii: "\"") else { throw expected("a name in quotes") }
      let name = try string()
      let index = indices[name]
      if index != nil, repeatedNames == .refused { throw .repeated(name: name, offset: start) }
      skipSpace()
      guard accept(":") else { throw expected("':'") }
      let value = try value(depth: depth)
      if let index {
        members[index].value = value
      } else {
        indices[name] = members.count
        members.append(JSON.Member(name, value))
      }
      skipSpace()
    } while accept(",")
    guard accept("}") else { throw expected("',' or '}'") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(JSONError) -> JSON {
    guard depth <= JSON.deepest else { throw expected("at most \(JSON.deepest) levels") }
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

  /// The grammar of RFC 8259, section 6: no leading zero, digits on both sides of the point.
  private mutating func number() throws(JSONError) -> JSON {
    let start = place
    _ = accept("-")
    if !accept("0") { try digits() }
    if accept(".") { try digits() }
    if accept("e") || accept("E") {
      if !accept("+") { _ = accept("-") }
      try digits()
    }
    let value = JSON.number(String(decoding: bytes[start..<place], as: UTF8.self))
    guard numbers == .any || value.double != nil else {
      place = start
      throw expected("a number below 1.8e308")
    }
    return value
  }

  private mutating func digits() throws(JSONError) {
    let start = place
    while let byte = next, Self.digits.contains(byte) { place += 1 }
    guard place > start else { throw expected("a digit") }
  }

  private mutating func string() throws(JSONError) -> String {
    place += 1
    let first = place
    var content: [UInt8] = []
    while true {
      let start = place
      while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
        place += 1
      }
      content += bytes[start..<place]
      switch next {
      case UInt8(ascii: "\""):
        guard let string = String(validating: content, as: UTF8.self) else {
          place = first
          throw expected("text in UTF-8")
        }
        place += 1
        return string
      case UInt8(ascii: "\\"):
        place += 1
        content += String(Character(try escaped())).utf8
      case nil: throw expected("'\"'")
      default: throw expected("no control character")
      }
    }
  }

  private mutating func escaped() throws(JSONError) -> Unicode.Scalar {
    let start = place
    guard let byte = next else { throw expected("an escape") }
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
      place = start
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

  private mutating func fourDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw expected("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      place += 1
    }
    return value
  }
}
