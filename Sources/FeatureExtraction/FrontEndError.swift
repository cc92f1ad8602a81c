/// A number of the front end that cannot be.
public struct FrontEndError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Name of the number, as the model file spells it.
  public let field: String
  /// What was given.
  public let found: String
  /// What can be.
  public let expected: String

  /// One line: the number, what was found, what was expected.
  public var description: String { "front end: \(field) is \(found), expected \(expected)" }
}
