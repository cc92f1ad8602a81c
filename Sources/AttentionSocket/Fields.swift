import JSONText

/// A field of an event that isn't there or isn't what it should be.
package struct FieldError: Error, Equatable {
  package enum Fault: Sendable { case missing, wrong }

  package let fault: Fault
  package let field: String
  /// What would be right, to stand after "must be".
  package let expected: String

  package var text: String {
    switch fault {
    case .missing: "\(field) is missing; it must be \(expected)"
    case .wrong: "\(field) must be \(expected)"
    }
  }
}

/// Reads the fields of one event by name and type.
package struct Fields {
  private let values: [String: JSON]
  /// Names of the enclosing objects, each with a dot, for messages.
  private let path: String

  package init(_ values: [String: JSON], path: String = "") {
    self.values = values
    self.path = path
  }

  /// The value of a field; nil when it is absent or `null`.
  package subscript(name: String) -> JSON? {
    guard let value = values[name], value != .null else { return nil }
    return value
  }

  package func wrong(_ name: String, _ expected: String) -> FieldError {
    FieldError(fault: .wrong, field: path + name, expected: expected)
  }

  private func required<Value>(
    _ name: String, _ value: Value?, _ expected: String
  ) throws(FieldError) -> Value {
    guard let value else {
      throw FieldError(fault: .missing, field: path + name, expected: expected)
    }
    return value
  }

  package func optionalString(_ name: String) throws(FieldError) -> String? {
    switch self[name] {
    case nil: return nil
    case .string(let text): return text
    default: throw wrong(name, "a string")
    }
  }

  package func string(_ name: String) throws(FieldError) -> String {
    try required(name, try optionalString(name), "a string")
  }

  package func optionalInteger(
    _ name: String, in range: ClosedRange<Int>
  ) throws(FieldError) -> Int? {
    guard let value = self[name] else { return nil }
    guard let integer = value.integer, range.contains(integer) else {
      throw wrong(name, "an integer \(Self.text(of: range))")
    }
    return integer
  }

  package func integer(
    _ name: String, in range: ClosedRange<Int> = 0...Int.max
  ) throws(FieldError) -> Int {
    try required(
      name, try optionalInteger(name, in: range), "an integer \(Self.text(of: range))")
  }

  private static func text(of range: ClosedRange<Int>) -> String {
    range.upperBound == Int.max
      ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
  }

  package func optionalNumber(_ name: String) throws(FieldError) -> Double? {
    guard let value = self[name] else { return nil }
    guard let number = value.double else { throw wrong(name, "a number") }
    return number
  }

  package func number(_ name: String) throws(FieldError) -> Double {
    try required(name, try optionalNumber(name), "a number")
  }

  package func number(
    _ name: String, in range: ClosedRange<Double>
  ) throws(FieldError) -> Double {
    let expected =
      "a number from \(Self.short(range.lowerBound)) to \(Self.short(range.upperBound))"
    let value = try required(name, self[name], expected)
    guard let number = value.double, range.contains(number) else { throw wrong(name, expected) }
    return number
  }

  private static func short(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(number)
  }

  package func float(_ name: String) throws(FieldError) -> Float { Float(try number(name)) }

  package func optionalBool(_ name: String) throws(FieldError) -> Bool? {
    switch self[name] {
    case nil: return nil
    case .bool(let value): return value
    default: throw wrong(name, "true or false")
    }
  }

  package func bool(_ name: String) throws(FieldError) -> Bool {
    try required(name, try optionalBool(name), "true or false")
  }

  package func optionalObject(_ name: String) throws(FieldError) -> Fields? {
    guard let value = self[name] else { return nil }
    guard let values = value.fields else { throw wrong(name, "an object") }
    return Fields(values, path: path + name + ".")
  }

  package func object(_ name: String) throws(FieldError) -> Fields {
    try required(name, try optionalObject(name), "an object")
  }

  package func optionalArray(_ name: String) throws(FieldError) -> [JSON]? {
    switch self[name] {
    case nil: return nil
    case .array(let elements): return elements
    default: throw wrong(name, "a list")
    }
  }

  package func optionalStrings(_ name: String) throws(FieldError) -> [String]? {
    guard let elements = try optionalArray(name) else { return nil }
    var strings: [String] = []
    for element in elements {
      guard case .string(let text) = element else { throw wrong(name, "a list of strings") }
      strings.append(text)
    }
    return strings
  }

  package func strings(_ name: String) throws(FieldError) -> [String] {
    try required(name, try optionalStrings(name), "a list of strings")
  }

  package func objects(_ name: String) throws(FieldError) -> [Fields] {
    let elements = try required(name, try optionalArray(name), "a list of objects")
    var objects: [Fields] = []
    for element in elements {
      guard let values = element.fields else { throw wrong(name, "a list of objects") }
      objects.append(Fields(values, path: path + name + "."))
    }
    return objects
  }

  /// Every field, with the reader for objects among them.
  package var all: [String: JSON] { values }
}
