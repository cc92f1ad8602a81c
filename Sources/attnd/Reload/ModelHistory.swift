import ModelFile
import Synchronization

/// The models that a stream has listened with, by number: for those who look back a little.
package final class ModelHistory: Sendable {
  private struct Models {
    /// Number of the first.
    var first = 0
    var kept: [ModelFile]
  }

  private let models: Mutex<Models>
  /// The one before is asked for until its last clip is written.
  private static let capacity = 2

  /// - Parameter model: The first, number 0.
  package init(_ model: ModelFile) { models = Mutex(Models(kept: [model])) }

  /// Adds a model.
  ///
  /// - Parameter model: What is listened with next.
  /// - Returns: Its number.
  package func append(_ model: ModelFile) -> Int {
    models.withLock { models in
      models.kept.append(model)
      if models.kept.count > Self.capacity {
        models.kept.removeFirst()
        models.first += 1
      }
      return models.first + models.kept.count - 1
    }
  }

  /// The model of a number; of one that isn't kept any more the oldest that is.
  package subscript(number: Int) -> ModelFile {
    models.withLock { models in
      models.kept[min(max(number - models.first, 0), models.kept.count - 1)]
    }
  }
}
