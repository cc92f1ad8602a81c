import JSONText

extension JSON {
  /// Reads a text of a model file, which may not contradict itself.
  ///
  /// Any number is taken, so that one that is too large is an error under its own name.
  ///
  /// - Parameters:
  ///   - bytes: The text, which must be UTF-8.
  ///   - text: What the text is called in errors, for example `the header`.
  /// - Throws: `ModelFault.syntax` with the place of the first byte that can't be.
  package init(parsing bytes: some Sequence<UInt8>, called text: String) throws(ModelFault) {
    do throws(JSONError) {
      try self.init(parsing: bytes, repeatedNames: .refused, numbers: .any)
    } catch {
      switch error {
      case .syntax(let offset, let expected):
        throw .syntax(text: text, offset: offset, expected: expected)
      case .repeated(let name, let offset):
        throw .syntax(text: text, offset: offset, expected: "'\(legible(name))' only once")
      }
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
}
