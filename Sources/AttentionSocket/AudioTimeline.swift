/// Which chunk of a client's audio holds a sample, and what the client wanted to hear of then.
///
/// Counts sample frames of everything that the client has sent, over all its epochs and rates; what
/// is decided later than it was sent is looked up here. Bounded: of chunks and choices that are too
/// many the oldest are forgotten, and their neighbours stand for them.
package struct AudioTimeline {
  private struct Chunk {
    /// Just after its last sample frame.
    var end: Int
    var timestamp: Int?
  }

  private struct Choice {
    var start: Int
    var keywords: KeywordChoice
  }

  private struct Epoch {
    var number: Int
    var start: Int
    var rate: Int
  }

  /// Sample frames so far.
  private var total = 0
  private var epochs: [Epoch] = []
  private var chunks: [Chunk] = []
  /// Chunks at the front that were forgotten, not yet removed.
  private var stale = 0
  private var choices: [Choice]

  /// Chunks remembered: more than two seconds of the shortest at 16 kHz.
  private static let mostChunks = 65_536
  private static let mostChoices = 16
  /// Seconds by which a decision may lag behind what was heard: the resampler's and the extractor's
  /// delay, many times over.
  private static let delay = 1

  package init(_ keywords: KeywordChoice) { choices = [Choice(start: 0, keywords: keywords)] }

  /// What is wanted of the audio to come.
  package var keywords: KeywordChoice { choices[choices.count - 1].keywords }

  /// Changes what is wanted, of the audio to come.
  package mutating func choose(_ keywords: KeywordChoice) {
    if choices[choices.count - 1].start == total { choices.removeLast() }
    if choices.count >= Self.mostChoices { choices.removeFirst() }
    choices.append(Choice(start: total, keywords: keywords))
  }

  /// Positions begin at 0 again.
  package mutating func begin(epoch: Int, rate: Int) {
    epochs.append(Epoch(number: epoch, start: total, rate: rate))
  }

  /// Notes a chunk.
  package mutating func append(sampleFrames: Int, timestamp: Int?) {
    guard sampleFrames > 0 else { return }
    total += sampleFrames
    if timestamp == nil, let last = chunks.last, last.timestamp == nil, stale < chunks.count {
      chunks[chunks.count - 1].end = total
      return
    }
    if chunks.count - stale >= Self.mostChunks { stale += 1 }
    chunks.append(Chunk(end: total, timestamp: timestamp))
    tidy()
  }

  /// What is to be said of a decision.
  ///
  /// - Parameters:
  ///   - sample: Position of the decision, in samples of `sampleRate`.
  ///   - sampleRate: The model's.
  ///   - epoch: Of the decision.
  /// - Returns: What was wanted then, and the time that the client gave the chunk; nil when that
  ///   isn't known.
  package func moment(
    sample: Int, sampleRate: Int, epoch: Int
  ) -> (keywords: KeywordChoice, timestamp: Int?) {
    guard let began = epochs.last(where: { $0.number == epoch }) else { return (keywords, nil) }
    // The deciding sample is the last before the position. A resampler may be a sample ahead.
    let offset = Double(max(0, sample - 1)) * Double(began.rate) / Double(sampleRate)
    let place = min(began.start + Int(offset), max(began.start, total - 1))
    let keywords =
      choices.last { $0.start <= place }?.keywords ?? choices[0].keywords
    var low = stale
    var high = chunks.count
    while low < high {
      let middle = (low + high) / 2
      if chunks[middle].end > place { high = middle } else { low = middle + 1 }
    }
    return (keywords, low < chunks.count ? chunks[low].timestamp : nil)
  }

  /// Forgets what no decision of `epoch` or later at `sample` or later can ask for.
  package mutating func forget(before sample: Int, sampleRate: Int, epoch: Int) {
    while let first = epochs.first, first.number < epoch { epochs.removeFirst() }
    guard let began = epochs.first, began.number == epoch else { return }
    let heard = Int(Double(sample) * Double(began.rate) / Double(sampleRate))
    let place = began.start + max(0, heard - Self.delay * began.rate)
    while stale < chunks.count, chunks[stale].end <= place { stale += 1 }
    while choices.count > 1, choices[1].start <= place { choices.removeFirst() }
    tidy()
  }

  /// Removes what is stale once it is as much as the rest: each chunk is moved once at most.
  private mutating func tidy() {
    guard stale > 64, 2 * stale > chunks.count else { return }
    chunks.removeFirst(stale)
    stale = 0
  }
}
