/// Who takes in a new model or configuration while a server runs.
public protocol Reloading: Sendable {
  /// Reads anew, and makes ready what is to be listened with; one call after the other.
  ///
  /// - Parameter target: What to read anew.
  /// - Returns: What the server says of the model from now on; nil when all is as it was.
  /// - Throws: What is wrong with what was read; everything is as it was then.
  func reload(_ target: ReloadTarget) async throws -> Reloaded?
}

/// A model that took another's place: names and number of the keywords, and the forms of frames, are the
/// same.
public struct Reloaded: Sendable {
  /// The new model.
  public var model: ModelDescription
  /// Its keywords with their thresholds, which replace any that were set.
  public var keywords: [KeywordDescription]
  /// Called by the server, once, as it begins to say so: from then on it is listened with.
  public var begin: @Sendable () -> Void

  /// Describes the new model.
  public init(
    model: ModelDescription, keywords: [KeywordDescription], begin: @escaping @Sendable () -> Void
  ) {
    self.model = model
    self.keywords = keywords
    self.begin = begin
  }
}
