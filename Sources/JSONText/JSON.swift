/// A JSON value (RFC 8259), read from text that nobody vouches for or about to be written.
///
/// Numbers stay text until somebody says what they should be, and objects keep the order of their
/// members.
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

  /// The number, if it was written without fraction and exponent and fits 64 bits.
  package var integer: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text)
  }

  /// The nearest Double, if there is a finite one.
  package var double: Double? {
    guard case .number(let text) = self, let value = Double(text), value.isFinite else {
      return nil
    }
    return value
  }

  /// The nearest Float, if there is a finite one; rounded once, not by way of a Double.
  package var float: Float? {
    guard case .number(let text) = self, let value = Float(text), value.isFinite else {
      return nil
    }
    return value
  }

  /// The values of an object by name, of equal names the last; nil for what isn't an object.
  package var fields: [String: JSON]? {
    guard case .object(let members) = self else { return nil }
    return members.reduce(into: [:]) { $0[$1.name] = $1.value }
  }

  /// The value as text on one line.
  package var text: String {
    var json = JSONWriter()
    json.value(self)
    return json.text
  }
}
