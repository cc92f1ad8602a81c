import AudioInput
import FeatureExtraction
import Synchronization

/// Recordings -> feature rows, one recording after another.
///
/// Owns an extractor and a block of samples, made once: the tables of a front end take longer than
/// a second of sound. Used by one thread at a time; `FeatureReaders` sees to it.
final class FeatureReader: @unchecked Sendable {
  // Unchecked: whoever has taken it from `FeatureReaders` is the only one who has it.

  /// Most samples that are read, and given to the extractor, at a time.
  static let largestBlock = 65_536

  private var extractor: FeatureExtractor
  private let block: UnsafeMutableBufferPointer<Float>

  init(_ chosen: ChosenFrontEnd) throws {
    extractor = try FeatureExtractor(chosen.frontEnd, mean: chosen.mean, scale: chosen.scale)
    // Rows of a block stay within some megabytes, however long they are.
    let rows = max(64, (1 << 20) / chosen.frontEnd.rowLength)
    block = .allocate(capacity: min(Self.largestBlock, rows * chosen.frontEnd.hop))
  }

  deinit { block.deallocate() }

  /// Reads a recording to its end.
  ///
  /// - Parameters:
  ///   - path: The recording.
  ///   - channels: Which of its channels to listen to.
  ///   - begin: Told how many rows the recording's header promises.
  ///   - row: Given each row.
  ///   - afterBlock: Called when the rows of a block are through.
  /// - Throws: `AudioInputError` when it cannot be read to its end.
  func read(
    _ path: String, channels: ChannelSelection, begin: (Int) -> Void,
    row: (Span<Float>) -> Void, afterBlock: () throws -> Void
  ) throws {
    let frontEnd = extractor.frontEnd
    let source = try SoundFile(path: path, sampleRate: frontEnd.sampleRate, channels: channels)
    let samples = (source.durationSeconds ?? 0) * Double(frontEnd.sampleRate)
    begin(samples < 1e15 ? frontEnd.rows(inSamples: Int(samples.rounded())) : 0)
    extractor.reset()
    while true {
      let read = try source.read(into: block)
      guard read.count > 0 else { break }
      extractor.push(UnsafeBufferPointer(rebasing: block[..<read.count]).span, row)
      try afterBlock()
    }
    extractor.finish(row)
    try afterBlock()
  }
}

/// The readers that are free: one for each recording that is being worked on, made when needed.
final class FeatureReaders: Sendable {
  private let chosen: ChosenFrontEnd
  private let free = Mutex<[FeatureReader]>([])

  init(_ chosen: ChosenFrontEnd) { self.chosen = chosen }

  /// Lends a reader to a piece of work.
  func withReader<Result>(_ body: (FeatureReader) throws -> Result) throws -> Result {
    let reader = try free.withLock { $0.popLast() } ?? FeatureReader(chosen)
    defer { free.withLock { $0.append(reader) } }
    return try body(reader)
  }
}
