import AudioInput
import ModelFile
import Simulated
import StreamingAttention
import TestSupport
import attnd

/// A source that remembers what passed by until it is asked for.
final class HeardSource: AudioSource, @unchecked Sendable {
  // Unchecked: a world has one thread.

  struct Block {
    var samples: [Float]
    var position: SamplePosition
    var lost: Int
    var reason: LossReason
    var captured: Double?
    var sinceBoot: Double?
  }

  /// What passed by and wasn't taken yet.
  var blocks: [Block] = []
  /// Called around what a daemon wouldn't do.
  var aside: (() -> Void) -> Void = { $0() }
  private let source: any AudioSource

  init(_ source: any AudioSource) { self.source = source }

  var sampleRate: Int { source.sampleRate }
  var name: String { source.name }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let block = try source.read(into: buffer)
    aside {
      guard block.count > 0 else { return }
      blocks.append(
        Block(
          samples: Array(buffer[..<block.count]), position: block.position,
          lost: block.lostSamples, reason: block.lossReason, captured: block.captured,
          sinceBoot: block.capturedSinceBoot))
    }
    return block
  }

  func cancel() { source.cancel() }
}

/// Hands out what another source has heard, cut into other pieces.
private final class AgainSource: AudioSource, @unchecked Sendable {
  // Unchecked: a world has one thread.

  let name = "again"
  var blocks: [HeardSource.Block] = []
  private let heard: HeardSource
  private var random: SplitMix64

  init(_ heard: HeardSource, seed: UInt64) {
    self.heard = heard
    random = SplitMix64(seed: seed)
  }

  var sampleRate: Int { heard.sampleRate }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    guard var block = blocks.first else { return AudioBlock(count: 0, position: .init(0)) }
    let most = min(block.samples.count, buffer.count)
    let count = Int.random(in: 1...most, using: &random)
    for index in 0..<count { buffer[index] = block.samples[index] }
    defer {
      block.samples.removeFirst(count)
      block.position = block.position.advanced(by: count)
      block.lost = 0
      if block.samples.isEmpty { blocks.removeFirst() } else { blocks[0] = block }
    }
    return AudioBlock(
      count: count, position: block.position, lostSamples: block.lost, lossReason: block.reason,
      captured: block.captured)
  }

  func cancel() {}
}

/// Hears what the daemon's stream has heard once more, by itself and cut into other pieces.
final class Oracle {
  /// What a frame must hold, to the bit.
  struct Frame: Equatable {
    var sample: Int
    var posteriors: [UInt32]
    var level: UInt32
  }

  struct Detection: Equatable {
    var keyword: Int
    var score: Float
    var threshold: Float
    var sample: Int
    var start: Int
    var end: Int
  }

  /// By number; older ones are forgotten.
  private(set) var frames: [Int: Frame] = [:]
  /// Number of the newest; -1 before the first.
  private(set) var newest = -1
  /// In seconds since boot, when the newest sample of a frame was captured.
  private(set) var captured: [Int: Double] = [:]
  /// Found and not yet asked for.
  var detections: [Detection] = []
  /// Samples that were never heard.
  private(set) var lost = 0

  private let heard: HeardSource
  private let again: AgainSource
  private let keywords: Int
  private var pipeline: Pipeline
  private static let kept = 8_000
  /// When sample 0 was captured, as the first block says.
  private var firstStart: Double?
  /// Holes are told by a clock to a sample each.
  private static let mostDrift = 0.01

  init(_ model: ModelFile, heard: HeardSource, seed: UInt64) throws {
    self.heard = heard
    again = AgainSource(heard, seed: seed)
    keywords = model.keywords.count
    pipeline = try Pipeline(model)
  }

  var position: Int { pipeline.position }

  /// Hears on, as far as the daemon has.
  func catchUp() throws {
    let newestBlock = heard.blocks.last
    let sinceBoot = newestBlock?.sinceBoot
    again.blocks += heard.blocks
    heard.blocks.removeAll()
    while !again.blocks.isEmpty {
      _ = try pipeline.advance(
        reading: again,
        gap: { lost += $0.samples },
        frame: { frame, stream in
          newest = frame.index
          frames[newest] = Frame(
            sample: frame.position,
            posteriors: (0..<keywords).map { stream.posterior($0).bitPattern },
            level: frame.level.bitPattern)
          captured[newest] = sinceBoot
          frames[newest - Self.kept] = nil
          captured[newest - Self.kept] = nil
        },
        detection: {
          detections.append(
            Detection(
              keyword: $0.keyword, score: $0.score, threshold: $0.threshold, sample: $0.position,
              start: $0.start, end: $0.end))
        })
    }
    if let newestBlock { try check(newestBlock) }
  }

  /// What a device says of where its sound lies, and of when that was captured.
  private func check(_ block: HeardSource.Block) throws {
    let end = Int(block.position.index) + block.samples.count
    try demand(position == end, "the stream stands at \(position), its device at \(end)")
    guard let sinceBoot = block.sinceBoot else { return }
    let start = sinceBoot - Double(end) / Double(heard.sampleRate)
    let drift = start - (firstStart ?? start)
    firstStart = firstStart ?? start
    try demand(
      abs(drift) < Self.mostDrift, "stream time and the world's are \(drift) s apart")
  }

  /// Goes on with another model from here on.
  func use(_ model: ModelFile) throws {
    var next = try Pipeline(model)
    next.goOn(after: pipeline)
    pipeline = next
  }

  func setThreshold(_ threshold: Float, of keyword: Int) {
    pipeline.setThreshold(threshold, of: keyword)
  }
}
