/// A promise that isn't kept.
struct Broken: Error, CustomStringConvertible {
  let description: String
}

/// Throws unless a promise is kept.
func demand(_ condition: Bool, _ text: @autoclosure () -> String) throws {
  if !condition { throw Broken(description: text()) }
}
