import AudioInput

/// Samples from memory, handed out in pieces of given sizes: the embedded double of a card.
final class ArraySource: AudioSource, @unchecked Sendable {
  let sampleRate: Int
  let name = "array"
  private let samples: [Float]
  private var next = 0
  /// Positions before which samples were lost, and how many.
  private var gaps: [(before: Int, lost: Int)]
  private var lost = 0

  init(_ samples: [Float], sampleRate: Int = 16_000, gaps: [(before: Int, lost: Int)] = []) {
    self.samples = samples
    self.sampleRate = sampleRate
    self.gaps = gaps
  }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    var missing = 0
    if let gap = gaps.first, next >= gap.before {
      gaps.removeFirst()
      missing = gap.lost
      lost += gap.lost
    }
    // A gap ends a block.
    let count = min(buffer.count, (gaps.first?.before ?? samples.count) - next)
    for i in 0..<count { buffer[i] = samples[next + i] }
    defer { next += count }
    return AudioBlock(
      count: count, position: SamplePosition(Int64(next + lost)), lostSamples: missing)
  }

  func cancel() {}
}
