/// Why a request can't be met; the connection goes on.
package struct Refusal: Error, Equatable {
  package let code: ErrorCode
  package let text: String
  package let field: String?

  package init(code: ErrorCode, text: String, field: String?) {
    self.code = code
    self.text = text
    self.field = field
  }

  package init(_ error: FieldError, verb: String) {
    self.init(
      code: error.fault == .missing ? .missingField : .badValue, text: "\(verb): \(error.text)",
      field: error.field)
  }

  /// Reads fields of a request; a wrong one is a refusal.
  static func reading<Values>(
    _ verb: String, _ body: () throws(FieldError) -> Values
  ) throws(Refusal) -> Values {
    do {
      return try body()
    } catch {
      throw Refusal(error, verb: verb)
    }
  }

  static func unknownStream(
    _ name: String, verb: String, known: [StreamDescription]
  ) -> Refusal {
    Refusal(
      code: .unknownStream,
      text: "\(verb): no stream '\(name.shortened)'; there are: "
        + known.map(\.name).joined(separator: ", "),
      field: verb == "subscribe" ? "streams" : "stream")
  }
}
