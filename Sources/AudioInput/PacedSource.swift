import Glibc

/// A recording played at the speed at which it was made: no sample comes before its time.
///
/// Wraps another source; the clock starts with the first read. For showing a file as if it were a
/// microphone; the samples are the same.
public final class PacedSource: AudioSource {
  private let source: any AudioSource
  // Set by the first read and used by the one thread that reads.
  nonisolated(unsafe) private var start: ContinuousClock.Instant?

  /// Slows a source down to real time.
  ///
  /// - Parameter source: What is read.
  public init(_ source: any AudioSource) { self.source = source }

  /// Samples per second that `read` delivers.
  public var sampleRate: Int { source.sampleRate }

  /// What to call the source in a message.
  public var name: String { source.name }

  /// Reads a block, then waits until its last sample's time has come.
  ///
  /// - Parameter buffer: Receives the samples.
  /// - Returns: What was written, and where it lies in the stream.
  /// - Throws: What the source throws.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let start = self.start ?? ContinuousClock.now
    self.start = start
    let block = try source.read(into: buffer)
    let seconds = block.position.advanced(by: block.count).seconds(at: sampleRate)
    let due = start.advanced(by: .seconds(seconds))
    // Interrupted by a signal it goes on waiting; a cancelled source ends at the next read.
    while true {
      let (left, attoseconds) = (due - ContinuousClock.now).components
      guard left > 0 || left == 0 && attoseconds > 0 else { break }
      usleep(left > 0 ? 999_999 : UInt32(attoseconds / 1_000_000_000_000) + 1)
    }
    return block
  }

  /// Ends the source: a waiting `read` returns soon, with what it has.
  public func cancel() { source.cancel() }
}
