import AttentionSocket
import ModelFile
import Synchronization

/// A pipeline for a new model, made aside.
///
/// Belongs to whoever makes it, then to the stream's thread, then to whoever makes it again.
package final class Refit: @unchecked Sendable {
  // Unchecked: handed over whole, through an exchange.

  /// The new pipeline; after the exchange the one that was in its place.
  package var pipeline: Pipeline
  /// What subscribers are told.
  package let text: String
  /// Of the model, in the stream's history.
  package fileprivate(set) var model = 0

  /// - Parameters:
  ///   - pipeline: Nothing has been read through it.
  ///   - text: What subscribers are told.
  package init(_ pipeline: consuming Pipeline, text: String) {
    self.pipeline = pipeline
    self.text = text
  }
}

/// Where the thread of a stream finds a new pipeline between two steps, and leaves the old one.
///
/// Neither side waits for the other, or takes a lock; the stream's thread allocates and frees nothing.
package final class PipelineExchange: Sendable {
  private let waiting = Atomic<Unmanaged<Refit>?>(nil)
  private let worn = Atomic<Unmanaged<Refit>?>(nil)

  /// The models that were offered, and the one before them.
  package let models: ModelHistory

  /// - Parameter model: What the stream listens with at first.
  package init(_ model: ModelFile) { models = ModelHistory(model) }

  deinit {
    waiting.exchange(nil, ordering: .acquiring)?.release()
    worn.exchange(nil, ordering: .acquiring)?.release()
  }

  /// Offers a pipeline, in place of one that nobody has taken; frees what was left here.
  ///
  /// - Parameters:
  ///   - refit: The pipeline.
  ///   - model: Its model.
  package func offer(_ refit: Refit, of model: ModelFile) {
    collect()
    refit.model = models.append(model)
    waiting.exchange(.passRetained(refit), ordering: .acquiringAndReleasing)?.release()
  }

  /// Frees the pipeline that was replaced.
  ///
  /// - Returns: Whether nothing is waiting to be taken.
  @discardableResult
  package func collect() -> Bool {
    worn.exchange(nil, ordering: .acquiring)?.release()
    return waiting.load(ordering: .relaxed) == nil
  }

  /// Puts the pipeline that was offered in place of a stream's own; the stream's thread.
  ///
  /// - Parameters:
  ///   - pipeline: The stream's own, which goes on where it was.
  ///   - told: Called after the exchange with the stream's position, the number of the new model, and
  ///     what subscribers are to be told.
  package func refit(
    _ pipeline: inout Pipeline, told: (_ position: Int, _ model: Int, _ text: String) -> Void
  ) {
    // Not before the last one's place is empty: nothing is freed here.
    guard waiting.load(ordering: .relaxed) != nil, worn.load(ordering: .relaxed) == nil,
      let refit = waiting.exchange(nil, ordering: .acquiring)
    else { return }
    refit._withUnsafeGuaranteedRef { refit in
      refit.pipeline.goOn(after: pipeline)
      swap(&refit.pipeline, &pipeline)
      told(pipeline.position, refit.model, refit.text)
    }
    worn.store(refit, ordering: .releasing)
  }
}
