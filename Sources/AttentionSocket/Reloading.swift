/// Who takes in a new model or configuration while a server runs.
public protocol Reloading: Sendable {
  /// Reads anew and listens with it from then on; called by any task, several at once.
  ///
  /// - Parameter target: What to read anew.
  /// - Returns: What the server says of the model from now on; nil when all is as it was.
  /// - Throws: What is wrong with what was read; everything is as it was then.
  func reload(_ target: ReloadTarget) async throws -> Reloaded?
}

/// A model that took another's place: names and number of the keywords, and the forms of frames, are the
/// same.
public struct Reloaded: Equatable, Sendable {
  /// The new model.
  public var model: ModelDescription
  /// Its keywords with their thresholds, which replace any that were set.
  public var keywords: [KeywordDescription]

  /// Describes the new model.
  public init(model: ModelDescription, keywords: [KeywordDescription]) {
    self.model = model
    self.keywords = keywords
  }
}
