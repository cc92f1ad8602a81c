import Glibc

/// A recording played at the speed at which it was made: no sample comes before its time.
///
/// Wraps another source; the clock starts with the first read. For showing a file as if it were a
/// microphone; the samples are the same.
public final class PacedSource: AudioSource {
  private let source: any AudioSource
  // Set by the first read and used by the one thread that reads.
  nonisolated(unsafe) private var start: timespec?

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
    var start = self.start ?? timespec()
    if self.start == nil {
      clock_gettime(CLOCK_MONOTONIC, &start)
      self.start = start
    }
    let block = try source.read(into: buffer)
    let seconds = block.position.advanced(by: block.count).seconds(at: sampleRate)
    var due = start
    due.tv_sec += Int(seconds)
    due.tv_nsec += Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9)
    if due.tv_nsec >= 1_000_000_000 {
      due.tv_sec += 1
      due.tv_nsec -= 1_000_000_000
    }
    // Interrupted by a signal it goes on waiting; a cancelled source ends at the next read.
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nil) == EINTR {}
    return block
  }

  /// Ends the source: a waiting `read` returns soon, with what it has.
  public func cancel() { source.cancel() }
}
