import ModelFile

/// Arrays of rows in NumPy's format (NumPy Enhancement Proposal 1).
///
/// Written: format 1.0, float32, C order, the machine's order of bytes. Read: formats 1.0 and 2.0,
/// float32 and float64 of either order of bytes, C order, two axes.
package enum NumPyFile {
  /// Bytes before the first number, whatever the array's size: it can be written before the size is
  /// known, and then again.
  package static let headerSize = 128

  /// What every file begins with, before two bytes of version.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// The bytes before the first number.
  ///
  /// - Parameters:
  ///   - rows: Rows of the array, 0 or more.
  ///   - columns: Numbers of a row.
  /// - Returns: `headerSize` bytes: two blocks of 64, as NumPy aligns its arrays.
  package static func header(rows: Int, columns: Int) -> [UInt8] {
    let order = 1.littleEndian == 1 ? "<" : ">"
    let text = "{'descr': '\(order)f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    // Magic, version and length are ten bytes; the last of all is a newline.
    let length = headerSize - 10
    var bytes: [UInt8] = magic + [1, 0, UInt8(length), 0] + Array(text.utf8)
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: headerSize - 1 - bytes.count)
    return bytes + [UInt8(ascii: "\n")]
  }

  /// Reads what a file says of its array.
  ///
  /// - Parameters:
  ///   - first: Its first eight bytes, magic and version.
  ///   - bytes: What follows them; afterwards what follows the header.
  ///   - longestHeader: Most bytes that the header may have.
  /// - Returns: The array's layout.
  /// - Throws: `Failure` when it isn't one of those that are read.
  static func layout(
    after first: [UInt8], _ bytes: ByteReader, longestHeader: Int
  ) throws -> RowFile.Layout {
    let version = Array(first.dropFirst(magic.count))
    guard version == [1, 0] || version == [2, 0] else {
      let text = version.map(String.init).joined(separator: ".")
      throw bytes.failure("is of NumPy's format \(text), expected 1.0 or 2.0")
    }
    let length = try bytes.take(version[0] == 1 ? 2 : 4)
    let count = length.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard count <= longestHeader else {
      throw bytes.failure("its header announces \(count) bytes, at most \(longestHeader) are read")
    }
    let header = try bytes.take(count)
    guard header.count == count, length.count == (version[0] == 1 ? 2 : 4) else {
      throw bytes.failure("ends within its header")
    }
    var parser = NumPyHeader(header)
    guard let values = parser.dictionary() else {
      throw bytes.failure(
        "its header is not NumPy's: \(legible(String(decoding: header, as: UTF8.self)))")
    }
    return try layout(values, bytes)
  }

  private static func layout(
    _ values: [String: NumPyHeader.Value], _ bytes: ByteReader
  ) throws -> RowFile.Layout {
    guard values.count == 3, let type = values["descr"],
      case .truth(let isFortran)? = values["fortran_order"],
      case .tuple(let shape)? = values["shape"]
    else { throw bytes.failure("its header lacks descr, fortran_order or shape") }
    var layout = RowFile.Layout(element: .float32, rows: 0, columns: 0)
    switch type {
    case .text("<f4"): break
    case .text(">f4"): layout.isBigEndian = true
    case .text("<f8"): layout.element = .float64
    case .text(">f8"):
      layout.element = .float64
      layout.isBigEndian = true
    case .text(let other):
      throw bytes.failure("has elements of type '\(legible(other))', expected float32 or float64")
    default: throw bytes.failure("has elements of several parts, expected float32 or float64")
    }
    guard shape.count == 2, shape[1] > 0 else {
      let text = shape.map(String.init).joined(separator: ", ")
      throw bytes.failure("has shape (\(text)), expected (rows, elements)")
    }
    guard !isFortran || shape[0] <= 1 else {
      throw bytes.failure(
        "is in Fortran order; save it in C order: numpy.save(path, numpy.ascontiguousarray(rows))")
    }
    (layout.rows, layout.columns) = (shape[0], shape[1])
    return layout
  }
}

/// The header of a NumPy file: a dictionary as Python writes one, of texts, truths and tuples.
struct NumPyHeader {
  enum Value: Equatable {
    case text(String)
    case truth(Bool)
    case tuple([Int])
    /// A type of several parts.
    case list
  }

  private let bytes: [UInt8]
  private var next = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Reads the dictionary; nil when it isn't one, or something follows it.
  mutating func dictionary() -> [String: Value]? {
    var values: [String: Value] = [:]
    guard take("{") else { return nil }
    while !take("}") {
      guard let name = text(), take(":"), let value = value(), values[name] == nil else {
        return nil
      }
      values[name] = value
      guard take(",") || peek() == UInt8(ascii: "}") else { return nil }
    }
    return peek() == nil ? values : nil
  }

  private mutating func value() -> Value? {
    switch peek() {
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return text().map(Value.text)
    case UInt8(ascii: "("): return tuple().map(Value.tuple)
    case UInt8(ascii: "["): return skipList() ? .list : nil
    default:
      if take("True") { return .truth(true) }
      return take("False") ? .truth(false) : nil
    }
  }

  private mutating func text() -> String? {
    guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\""),
      let end = bytes[(next + 1)...].firstIndex(of: quote)
    else { return nil }
    defer { next = end + 1 }
    return String(decoding: bytes[next + 1..<end], as: UTF8.self)
  }

  private mutating func tuple() -> [Int]? {
    var numbers: [Int] = []
    guard take("(") else { return nil }
    while !take(")") {
      guard numbers.count < 64, let number = number() else { return nil }
      numbers.append(number)
      guard take(",") || peek() == UInt8(ascii: ")") else { return nil }
    }
    return numbers
  }

  private mutating func number() -> Int? {
    _ = peek()
    let digits = bytes[next...].prefix { (0x30...0x39).contains($0) }
    next += digits.count
    // Python 2 ended large ones with a letter.
    _ = take("L")
    return Int(String(decoding: digits, as: UTF8.self))
  }

  /// Passes over a list of anything.
  private mutating func skipList() -> Bool {
    var depth = 0
    while next < bytes.count {
      if bytes[next] == UInt8(ascii: "[") { depth += 1 }
      if bytes[next] == UInt8(ascii: "]") { depth -= 1 }
      next += 1
      if depth == 0 { return true }
    }
    return false
  }

  /// Passes over white space.
  ///
  /// - Returns: The byte after it; nil at the end.
  private mutating func peek() -> UInt8? {
    while next < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[next]) { next += 1 }
    return next < bytes.count ? bytes[next] : nil
  }

  private mutating func take(_ word: StaticString) -> Bool {
    _ = peek()
    let found = word.withUTF8Buffer { bytes[next...].starts(with: $0) }
    if found { next += word.utf8CodeUnitCount }
    return found
  }
}
