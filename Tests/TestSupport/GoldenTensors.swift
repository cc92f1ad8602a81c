/// The arrays of a .safetensors file, by name.
///
/// A reader of its own: the one in ModelFile is among the things that are tested. It trusts the
/// file, which is committed; a fault in it ends the test with an error.
package struct GoldenTensors: Sendable {
  /// Name of the file in messages.
  package let name: String
  /// The arrays by name.
  package let arrays: [String: GoldenArray]

  /// Names of the arrays, sorted.
  package var names: [String] { arrays.keys.sorted() }

  /// The array of a name; an error that lists its neighbours if there is none.
  package subscript(_ tensor: String) -> GoldenArray {
    get throws(GoldenError) {
      guard let array = arrays[tensor] else {
        throw GoldenError(name, "no tensor \(tensor); there are \(names.prefix(20))")
      }
      return array
    }
  }

  /// What stands before the first separator of the names, sorted, each once.
  ///
  /// - Parameter separator: What ends the first part.
  /// - Returns: For example `gru.40-64.x2` for `gru.40-64.x2/weight_ih_l0` and its kin.
  package func cases(before separator: Character = "/") -> [String] {
    Set(arrays.keys.filter { $0.contains(separator) }.map { String($0.prefix { $0 != separator }) })
      .sorted()
  }

  /// Reads a .safetensors file.
  ///
  /// - Parameters:
  ///   - bytes: Content of the file.
  ///   - name: Name of the file in messages.
  /// - Throws: `GoldenError` if the file isn't of this form.
  package init(safetensors bytes: [UInt8], name: String) throws(GoldenError) {
    self.name = name
    guard bytes.count >= 8 else { throw GoldenError(name, "not a .safetensors file") }
    let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    guard length >= 2, length <= bytes.count - 8 else {
      throw GoldenError(name, "header is cut off")
    }
    let body = bytes[(8 + length)...]
    var scanner = HeaderScanner(bytes[8..<(8 + length)], name: name)
    var arrays: [String: GoldenArray] = [:]
    for entry in try scanner.entries() {
      let (begin, end) = (body.startIndex + entry.begin, body.startIndex + entry.end)
      guard body.startIndex <= begin, begin <= end, end <= body.endIndex else {
        throw GoldenError(name, "tensor \(entry.name) lies outside of the file")
      }
      arrays[entry.name] = try GoldenArray(
        name: "\(name)/\(entry.name)", type: entry.type, shape: entry.shape,
        bytes: body[begin..<end])
    }
    self.arrays = arrays
  }
}

/// Reads the one form of JSON that a safetensors header without metadata has.
private struct HeaderScanner {
  struct Entry {
    var name: String
    var type = ""
    var shape: [Int] = []
    var begin = 0
    var end = 0
  }

  private var rest: ArraySlice<UInt8>
  private let name: String

  init(_ header: ArraySlice<UInt8>, name: String) {
    rest = header
    self.name = name
  }

  mutating func entries() throws(GoldenError) -> [Entry] {
    var entries: [Entry] = []
    try expect("{")
    while !accept("}") {
      if !entries.isEmpty { try expect(",") }
      entries.append(try entry())
    }
    return entries
  }

  private mutating func entry() throws(GoldenError) -> Entry {
    var entry = Entry(name: try string())
    try expect(":")
    try expect("{")
    repeat {
      let key = try string()
      try expect(":")
      switch key {
      case "dtype": entry.type = try string()
      case "shape": entry.shape = try numbers()
      case "data_offsets":
        let offsets = try numbers()
        guard offsets.count == 2 else { throw problem("two offsets") }
        (entry.begin, entry.end) = (offsets[0], offsets[1])
      default: throw problem("dtype, shape or data_offsets, not \(key)")
      }
    } while accept(",")
    try expect("}")
    return entry
  }

  private mutating func string() throws(GoldenError) -> String {
    try expect("\"")
    let content = rest.prefix { $0 != UInt8(ascii: "\"") }
    rest = rest[content.endIndex...]
    try expect("\"")
    return String(decoding: content, as: UTF8.self)
  }

  private mutating func numbers() throws(GoldenError) -> [Int] {
    var numbers: [Int] = []
    try expect("[")
    while !accept("]") {
      if !numbers.isEmpty { try expect(",") }
      skipSpace()
      let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
      guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
        throw problem("a number")
      }
      rest = rest[digits.endIndex...]
      numbers.append(number)
    }
    return numbers
  }

  private mutating func skipSpace() { rest = rest.drop { $0 == UInt8(ascii: " ") } }

  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard rest.first == UInt8(ascii: character) else { return false }
    rest.removeFirst()
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(GoldenError) {
    guard accept(character) else { throw problem("'\(character)'") }
  }

  private func problem(_ expected: String) -> GoldenError {
    GoldenError(name, "header at byte \(rest.startIndex): expected \(expected)")
  }
}
