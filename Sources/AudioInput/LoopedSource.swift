import Synchronization

/// A recording that begins again when it has ended, for ever: one stream, positions going on.
///
/// Wraps what opens it; nothing but `cancel` and a failure ends it. For listening to a file for longer
/// than it lasts.
public final class LoopedSource: AudioSource {
  /// Samples per second that `read` delivers.
  public let sampleRate: Int
  /// What to call the source in a message.
  public let name: String

  private let open: @Sendable () throws(AudioInputError) -> any AudioSource
  private let interruption = Interruption()
  // One thread reads.
  nonisolated(unsafe) private var round: (any AudioSource)?
  nonisolated(unsafe) private var base: Int64 = 0
  nonisolated(unsafe) private var end = SamplePosition(0)

  /// Opens the recording, so that what is wrong with it is known at once.
  ///
  /// - Parameter open: Opens it, each time anew.
  /// - Throws: What that throws.
  public init(
    _ open: @escaping @Sendable () throws(AudioInputError) -> any AudioSource
  ) throws(AudioInputError) {
    let first = try open()
    self.open = open
    sampleRate = first.sampleRate
    name = first.name
    round = first
  }

  /// Reads on; at the end of the recording, from its beginning.
  ///
  /// - Parameter buffer: Receives the samples.
  /// - Returns: What was written; fewer samples than asked for at the end of a round, none after
  ///   `cancel`.
  /// - Throws: What the recording throws, and `empty` when there is nothing in it.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    while !interruption.isCalled {
      let current: any AudioSource
      if let round { current = round } else { current = try open() }
      round = current
      let block = try current.read(into: buffer)
      guard block.count == 0 else {
        let start = SamplePosition(base + block.position.index)
        end = start.advanced(by: block.count)
        return AudioBlock(
          count: block.count, position: start, lostSamples: block.lostSamples,
          lossReason: block.lossReason)
      }
      guard end.index > base else { throw .empty(name: name) }
      base = end.index
      round = nil
    }
    return AudioBlock(count: 0, position: end)
  }

  /// Ends the source: the next `read` gives nothing.
  public func cancel() { interruption.call() }
}
