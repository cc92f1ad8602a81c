import AudioInput
import FeatureExtraction
import ModelFile

/// Sound -> rows, and how loud it was between them: the first half of a stream's way.
///
/// In: the samples of a source, for one row or many at a time. Out: rows of `frontEnd.rowLength` floats,
/// each with its place in the stream. How many are read at a time changes no bit of a row or of
/// a level: the loudness is summed hop by hop, up to the one that a row leaves with. Used by one
/// thread; allocates only in `init`.
package struct SoundRows: ~Copyable {
  /// Where a row comes from.
  package struct Origin {
    /// Position just after the last sample of the row's own frame.
    package let position: Int
    /// When the newest sample was captured, Unix seconds; nil for files and pipes.
    package let captured: Double?
    /// Since when the row is under way, in seconds since boot: when the newest sample was captured or,
    /// where nobody knows, read; NaN where nobody asked for it.
    package let began: Double
    /// Whether that sample was there already when it was asked for.
    package let isBehind: Bool
    /// The sound since the row before; nil where there is none, only rows.
    package let heard: LevelMeter?
    /// Whether a silence has become long enough since the row before: what was heard is to be
    /// forgotten before the row is taken.
    package let followsSilence: Bool

    package init(
      position: Int, captured: Double? = nil, began: Double = .nan, isBehind: Bool = false,
      heard: LevelMeter? = nil, followsSilence: Bool = false
    ) {
      self.position = position
      self.captured = captured
      self.began = began
      self.isBehind = isBehind
      self.heard = heard
      self.followsSilence = followsSilence
    }
  }

  private var extractor: FeatureExtractor
  private let timekeeper: (any Timekeeper)?
  private let resetRule: ModelFile.ResetRule
  private var course: Course
  private let rowsAtOnce: Int
  /// Who gets a row's samples within so many seconds of asking didn't wait for them: waking a thread takes
  /// longer than copying a hop.
  private static let promptly = 20e-6
  private let buffer: UnsafeMutableBufferPointer<Float>
  /// Sizes of the pieces that samples are given to the front end in, over and over; none for whole
  /// blocks.
  private let cuts: [Int]
  private var nextCut = 0

  /// - Parameters:
  ///   - frontEnd: What makes the rows.
  ///   - mean: Subtracted from each row.
  ///   - scale: What each row is multiplied by after that.
  ///   - reset: When what was heard is to be forgotten.
  ///   - timekeeper: Tells when samples are read, for latencies; nil where nobody asks for them.
  ///   - rowsAtOnce: Rows whose samples are read at a time, 1 or more; the most where `read` is told
  ///     how many. From eight on frames are analysed eight at a time.
  ///   - cuts: Sizes of the pieces, 1 or more each, that what was read is cut into; for tests.
  /// - Throws: What the front end finds wrong with its numbers.
  package init(
    _ frontEnd: FrontEnd, mean: [Float], scale: [Float], reset: ModelFile.ResetRule = .never,
    timekeeper: (any Timekeeper)? = nil, rowsAtOnce: Int = 1, cuts: [Int] = []
  ) throws(FrontEndError) {
    precondition(rowsAtOnce >= 1 && cuts.allSatisfy { $0 >= 1 }, "Nothing comes of no samples")
    let extractor = try FeatureExtractor(frontEnd, mean: mean, scale: scale)
    self.extractor = extractor
    self.timekeeper = timekeeper
    self.rowsAtOnce = rowsAtOnce
    self.cuts = cuts
    resetRule = reset
    course = Course(frontEnd, reset)
    buffer = .allocate(
      capacity: max(frontEnd.hop, frontEnd.frameLength) + (rowsAtOnce - 1) * frontEnd.hop)
  }

  deinit { buffer.deallocate() }

  /// Samples that the next `read` takes.
  package var samplesWanted: Int { samplesWanted(forRows: rowsAtOnce) }

  /// Samples from here to the end of the hop that completes the last of some rows, or of the last hop that
  /// there is room for.
  private func samplesWanted(forRows count: Int) -> Int {
    let front = extractor.frontEnd
    let last = extractor.rows + front.deltaDelay + count - 1
    let needed = max(front.samplesNeeded(forRow: 0), front.samplesNeeded(forRow: last))
    // The first hop is as long as a frame.
    let hops = max(needed - front.frameLength + front.hop - 1, 0) / front.hop
    let most = max(extractor.samples + buffer.count - front.frameLength, 0) / front.hop
    return max(front.frameLength + min(hops, most) * front.hop - extractor.samples, 1)
  }

  /// The most that any `read` takes.
  package var mostSamplesWanted: Int { buffer.count }

  /// Samples of the stream so far, the lost ones included.
  package var position: Int { extractor.samples + course.lost }

  /// Reads the hops that some rows need, none beyond them, so that a row is never waited for longer than it
  /// needs; and gives out the rows that they complete.
  ///
  /// - Parameters:
  ///   - source: Where the samples come from.
  ///   - rows: How many rows, 1 or more; `rowsAtOnce` where it is absent.
  ///   - gap: Called first when samples are missing before those that were read.
  ///   - sound: Called with the samples that were read, before any row of them.
  ///   - row: Called with each row, oldest first.
  /// - Returns: Whether there was anything to read; false at the end of the source, after which
  ///   nothing is taken before `reset`.
  /// - Throws: `AudioInputError` when the source fails.
  package mutating func read(
    _ source: borrowing any AudioSource, rows: Int? = nil,
    gap: (Pipeline.Gap) -> Void = { _ in },
    sound: (UnsafeBufferPointer<Float>) -> Void = { _ in },
    row: (Span<Float>, Origin) -> Void
  ) throws(AudioInputError) -> Bool {
    let rows = rows ?? rowsAtOnce
    let asked = timekeeper?.sinceBoot
    let block = try source.read(
      into: UnsafeMutableBufferPointer(rebasing: buffer[..<samplesWanted(forRows: rows)]))
    guard block.count > 0 else {
      Self.finish(&extractor, &course, row)
      return false
    }
    if block.lostSamples > 0 {
      course.lose(block.lostSamples)
      gap(
        Pipeline.Gap(
          position: position, samples: block.lostSamples, reason: block.lossReason,
          isForgotten: course.isAfterSilence))
    }
    let samples = UnsafeBufferPointer(rebasing: buffer[..<block.count])
    let read = timekeeper?.sinceBoot ?? .nan
    course.begin(
      samples, captured: block.captured, began: block.capturedSinceBoot ?? read,
      isBehind: read - (asked ?? .nan) < Double(rows) * Self.promptly)
    sound(samples)
    var offset = 0
    while offset < samples.count {
      let end = min(samples.count, offset + nextPiece(of: samples.count))
      Self.push(
        UnsafeBufferPointer(rebasing: samples[offset..<end]).span, &extractor, &course, row)
      offset = end
    }
    course.end()
    return true
  }

  /// The next sample, the first that is read, lies at a place in the stream.
  ///
  /// - Parameter position: Samples before it.
  package mutating func begin(at position: Int) { course.begin(at: position) }

  /// Forgets everything: the next sample is the first of a new stream.
  package mutating func reset() {
    extractor.reset()
    course = Course(extractor.frontEnd, resetRule)
    nextCut = 0
  }

  private mutating func nextPiece(of count: Int) -> Int {
    guard !cuts.isEmpty else { return count }
    defer { nextCut = (nextCut + 1) % cuts.count }
    return cuts[nextCut]
  }

  // Static, so that the extractor may be written while what goes beside it is.

  private static func push(
    _ samples: Span<Float>, _ extractor: inout FeatureExtractor, _ course: inout Course,
    _ row: (Span<Float>, Origin) -> Void
  ) {
    extractor.push(samples) { values in row(values, course.nextRow()) }
  }

  private static func finish(
    _ extractor: inout FeatureExtractor, _ course: inout Course,
    _ row: (Span<Float>, Origin) -> Void
  ) {
    extractor.finish { values in row(values, course.nextRow()) }
  }
}

/// What goes beside the rows of a stream: places, times, and the loudness between them.
private struct Course {
  /// Samples that never arrived here: what lies between the front end's count and the stream's.
  private(set) var lost = 0

  private let frontEnd: FrontEnd
  /// Samples that must be in before there is a first row.
  private let leastSamples: Int
  private var rows = 0
  private var level = LevelMeter()
  /// The block that was read last, and the samples up to its end.
  private var block = UnsafeBufferPointer<Float>(start: nil, count: 0)
  private var captured: Double?
  private var began = Double.nan
  private var isBehind = false
  private var read = 0
  /// Samples whose loudness has been counted.
  private var counted = 0
  /// Where the reset rule asks for it; has seen the first `watched` samples.
  private var silence: SilenceWatch?
  private var watched = 0

  init(_ frontEnd: FrontEnd, _ reset: ModelFile.ResetRule) {
    self.frontEnd = frontEnd
    leastSamples = frontEnd.samplesNeeded(forRow: 0)
    if case .silence(let rule) = reset {
      silence = SilenceWatch(rule, sampleRate: frontEnd.sampleRate)
    }
  }

  /// Whether the next row follows a silence, whatever comes before it.
  var isAfterSilence: Bool { silence?.isDue ?? false }

  /// So many samples went elsewhere.
  mutating func begin(at position: Int) { lost = position }

  /// Samples are missing before the block that is to begin.
  mutating func lose(_ samples: Int) {
    lost += samples
    silence?.lose(samples)
  }

  mutating func begin(
    _ samples: UnsafeBufferPointer<Float>, captured: Double?, began: Double, isBehind: Bool
  ) {
    block = samples
    self.captured = captured
    self.began = began
    self.isBehind = isBehind
    read += samples.count
  }

  /// Counts what came after the block's last row.
  mutating func end() {
    count(until: read)
    watch(until: read)
  }

  /// The next row leaves.
  mutating func nextRow() -> SoundRows.Origin {
    let needed = max(leastSamples, frontEnd.samplesNeeded(forRow: rows + frontEnd.deltaDelay))
    count(until: needed)
    watch(until: needed)
    defer {
      rows += 1
      level = LevelMeter()
    }
    return SoundRows.Origin(
      position: frontEnd.endPosition(ofRow: rows) + lost, captured: captured, began: began,
      isBehind: isBehind, heard: level, followsSilence: silence?.take() ?? false)
  }

  /// Looks for silence in the block up to a sample, exactly, so that how samples are cut into blocks
  /// doesn't matter: what follows in the block belongs to later rows.
  private mutating func watch(until sample: Int) {
    let end = min(sample, read)
    guard silence != nil, watched < end else { return }
    let start = read - block.count
    silence?.push(UnsafeBufferPointer(rebasing: block[watched - start..<end - start]))
    watched = end
  }

  /// Counts hop by hop, up to the one that a sample lies in.
  private mutating func count(until sample: Int) {
    while counted < sample && counted < read {
      let end = min(read, counted + (counted == 0 ? frontEnd.frameLength : frontEnd.hop))
      let start = read - block.count
      level.push(UnsafeBufferPointer(rebasing: block[counted - start..<end - start]).span)
      counted = end
    }
  }
}
