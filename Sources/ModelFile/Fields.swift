import JSONText

/// The members of a JSON object, each under a known name: strangers and gaps are errors first.
///
/// A typing error shows as a name too many and a name too few; the one too many is reported,
/// with what it was probably meant to be.
struct Fields {
  private let path: String
  private let values: [String: JSON]

  /// Checks the names of an object.
  ///
  /// - Parameters:
  ///   - value: What should be the object.
  ///   - path: Where it stands, for errors: `architecture.encoder`; empty for the document.
  ///   - required: Names that must be there.
  ///   - optional: Names that may be there.
  /// - Throws: `ModelFault` naming the first member that shouldn't be there, or else should.
  init(
    _ value: JSON, at path: String, required: [String], optional: [String] = []
  ) throws(ModelFault) {
    self.path = path
    guard case .object(let members) = value else {
      throw .value(
        path: path.isEmpty ? "the document" : path, found: value.summary, expected: "an object")
    }
    let values = value.fields ?? [:]
    self.values = values
    let known = required + optional
    if let stranger = members.first(where: { !known.contains($0.name) })?.name {
      throw .unknown(
        path: place(stranger), nearest: nearestName(to: stranger, among: known))
    }
    if let gap = required.first(where: { values[$0] == nil }) { throw .missing(path: place(gap)) }
  }

  /// Path of a member, for errors.
  func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  func has(_ name: String) -> Bool { values[name] != nil }

  func value(_ name: String) throws(ModelFault) -> JSON {
    guard let value = values[name] else { throw .missing(path: place(name)) }
    return value
  }

  func text(_ name: String) throws(ModelFault) -> String {
    guard case .string(let text) = try value(name) else { throw try odd(name, "text") }
    return text
  }

  /// Text for people: not empty, no more bytes than `limit`, and nothing that moves a cursor.
  func plainText(_ name: String, limit: Int) throws(ModelFault) -> String {
    let text = try text(name)
    guard (1...limit).contains(text.utf8.count), !text.unicodeScalars.contains(where: isControl)
    else { throw try odd(name, "1 to \(limit) bytes of text without control characters") }
    return text
  }

  func flag(_ name: String) throws(ModelFault) -> Bool {
    guard case .bool(let flag) = try value(name) else { throw try odd(name, "true or false") }
    return flag
  }

  func integer(_ name: String) throws(ModelFault) -> Int {
    guard let integer = try value(name).integer else { throw try odd(name, "a whole number") }
    return integer
  }

  func float(_ name: String) throws(ModelFault) -> Float {
    guard let float = try value(name).float else { throw try odd(name, "a number") }
    return float
  }

  func double(_ name: String) throws(ModelFault) -> Double {
    guard let double = try value(name).double else { throw try odd(name, "a number") }
    return double
  }

  /// A whole number between two others.
  func integer(_ name: String, in range: ClosedRange<Int>) throws(ModelFault) -> Int {
    let integer = try integer(name)
    guard range.contains(integer) else { throw try outside(name, range) }
    return integer
  }

  /// A number between two others.
  func double(_ name: String, in range: ClosedRange<Double>) throws(ModelFault) -> Double {
    let double = try double(name)
    guard range.contains(double) else { throw try outside(name, range) }
    return double
  }

  func list(_ name: String) throws(ModelFault) -> [JSON] {
    guard case .array(let list) = try value(name) else { throw try odd(name, "a list") }
    return list
  }

  /// A list of whole numbers from 0.
  func naturals(_ name: String) throws(ModelFault) -> [Int] {
    var numbers: [Int] = []
    for value in try list(name) {
      guard let number = value.integer, number >= 0 else {
        throw .value(
          path: place(name), found: "a list with \(value.summary)",
          expected: "a list of whole numbers from 0")
      }
      numbers.append(number)
    }
    return numbers
  }

  /// One of the words of an enum.
  func choice<T: CaseIterable & RawRepresentable>(
    _ name: String, of _: T.Type = T.self
  ) throws(ModelFault) -> T where T.RawValue == String {
    guard let choice = T(rawValue: try text(name)) else {
      throw .value(
        path: place(name), found: try value(name).summary,
        expected: known(T.allCases.map(\.rawValue)))
    }
    return choice
  }

  private func known(_ words: [String]) -> String {
    "\(words.joined(separator: ", ")) (what this version knows)"
  }

  private func outside<T>(
    _ name: String, _ range: ClosedRange<T>
  ) throws(ModelFault) -> ModelFault {
    try odd(name, "\(range.lowerBound) to \(range.upperBound)")
  }

  private func odd(_ name: String, _ expected: String) throws(ModelFault) -> ModelFault {
    .value(path: place(name), found: try value(name).summary, expected: expected)
  }
}
