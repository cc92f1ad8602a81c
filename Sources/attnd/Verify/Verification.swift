import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention

/// A recording, heard in several ways that must give the same bits.
package struct Verification {
  /// A way of hearing it.
  package enum Way: Equatable, CustomStringConvertible {
    /// As the daemon does: hop by hop, one stream.
    case streaming
    /// Read in blocks as large as memory bears.
    case largeBlock
    /// Given to the front end in pieces of so many samples.
    case pieces(Int)
    /// Given to it in pieces of random sizes, 1 to 5,000.
    case randomPieces
    /// Beside itself in a batch of so many, each joining at another step.
    case batch(Int)

    /// All, the one that the others are compared with first.
    package static let all: [Way] =
      [.streaming, .largeBlock] + [1, 7, 159, 4_096].map(Way.pieces) + [.randomPieces]
      + [2, 5, 16].map(Way.batch)

    package var description: String {
      switch self {
      case .streaming: "streaming, hop by hop"
      case .largeBlock: "one large block"
      case .pieces(let size): "pieces of \(size)"
      case .randomPieces: "pieces of random sizes"
      case .batch(let count): "batch of \(count) streams"
      }
    }
  }

  /// The first frame that is not what it is in streaming.
  package struct Difference: Equatable {
    /// Number of the frame.
    package let frame: Int
    /// Its position in samples.
    package let position: Int
    /// In what it differs: a part of the frame, or what there is instead.
    package let part: String
    /// Which of several streams.
    package let stream: Int
  }

  /// What came of a way.
  package struct Outcome {
    package let way: Way
    /// Digest of all frames; of several streams, of the first that differs.
    package let digest: String
    package let difference: Difference?
  }

  private let model: ModelFile
  private let threshold: Float?
  private let channels: ChannelSelection
  private let path: String
  private let seed: UInt64
  /// The frames of the streaming way.
  package private(set) var frames: [FrameMark] = []
  package private(set) var detections = 0
  package private(set) var seconds = 0.0
  /// What ended the recording before its end.
  package private(set) var failure: String?

  /// Hears a recording as the daemon does.
  ///
  /// - Parameters:
  ///   - path: The recording.
  ///   - model: What is listened for.
  ///   - threshold: In place of every keyword's own.
  ///   - channels: Which channels to listen to.
  ///   - seed: What random sizes and steps come from.
  /// - Throws: What its beginning has wrong with it.
  package init(
    _ path: String, model: ModelFile, threshold: Float?, channels: ChannelSelection, seed: UInt64
  ) throws {
    self.path = path
    self.model = model
    self.threshold = threshold
    self.channels = channels
    self.seed = seed
    let source = try SoundFile(path: path, sampleRate: model.sampleRate, channels: channels)
    var pipeline = try Pipeline(model, threshold: threshold)
    var frames: [FrameMark] = []
    var detections = 0
    do {
      while try pipeline.advance(
        reading: source,
        frame: { frames.append(FrameMark($0, $1)) },
        detection: {
          frames[frames.count - 1].add($0)
          detections += 1
        })
      {}
    } catch {
      failure = "\(error)"
    }
    seconds = Double(pipeline.position) / Double(model.sampleRate)
    self.frames = frames
    self.detections = detections
  }

  /// Hears it in another way, and compares.
  ///
  /// - Parameter way: The way.
  /// - Returns: What came of it.
  /// - Throws: What the recording's beginning has wrong with it by now.
  package func outcome(_ way: Way) throws -> Outcome {
    var random = SeededGenerator(seed: seed)
    let streams: [[FrameMark]]
    switch way {
    case .streaming: streams = [frames]
    case .largeBlock:
      // A quarter of an hour at 16 kHz.
      let rows = max(1, (1 << 24) / model.input.hop)
      streams = try hear(1, rowsAtOnce: rows, cuts: [], using: &random)
    case .pieces(let size):
      streams = try hear(1, rowsAtOnce: nil, cuts: [size], using: &random)
    case .randomPieces:
      let cuts = (0..<997).map { _ in Int.random(in: 1...5_000, using: &random) }
      streams = try hear(1, rowsAtOnce: nil, cuts: cuts, using: &random)
    case .batch(let count):
      streams = try hear(count, rowsAtOnce: nil, cuts: [], using: &random)
    }
    for (number, marks) in streams.enumerated() {
      guard let difference = difference(of: marks, stream: number) else { continue }
      return Outcome(way: way, digest: FrameMark.digest(of: marks), difference: difference)
    }
    return Outcome(way: way, digest: FrameMark.digest(of: frames), difference: nil)
  }

  /// Hears the recording as `attnd batch` does, so many times side by side.
  private func hear(
    _ count: Int, rowsAtOnce: Int?, cuts: [Int], using random: inout SeededGenerator
  ) throws -> [[FrameMark]] {
    let group = try FileGroup<FrameCollector>(
      model, threshold: threshold, capacity: count,
      makeSource: { [model, channels] in
        try SoundFileRows(model, channels: channels, rowsAtOnce: rowsAtOnce, cuts: cuts)
      })
    var streams: [[FrameMark]] = Array(repeating: [], count: count)
    var joined = 0
    while joined < count || group.count > 0 {
      if joined < count {
        try group.join(path, FrameCollector(stream: joined))
        joined += 1
      }
      let steps = joined < count ? Int.random(in: 1...40, using: &random) : Int.max
      var taken = 0
      while taken < steps, group.count > 0 {
        _ = try group.advance { collector, _, _ in
          streams[collector.stream] = collector.marks
        }
        taken += 1
      }
    }
    return streams
  }

  private func difference(of marks: [FrameMark], stream: Int) -> Difference? {
    for (number, (expected, found)) in zip(frames, marks).enumerated() {
      guard let part = found.difference(from: expected) else { continue }
      return Difference(
        frame: number, position: expected.position, part: part.rawValue, stream: stream)
    }
    guard marks.count != frames.count else { return nil }
    let shorter = min(marks.count, frames.count)
    let longer = marks.count > frames.count ? marks : frames
    return Difference(
      frame: shorter, position: longer[shorter].position,
      part: "\(marks.count) frames in place of \(frames.count)", stream: stream)
  }
}

/// Gathers the frames of one stream of a group.
private struct FrameCollector: FileObserver {
  let stream: Int
  private(set) var marks: [FrameMark] = []

  init(stream: Int) { self.stream = stream }

  var gathered: Int { 0 }

  mutating func row(_ row: Span<Float>, _ origin: SoundRows.Origin) {}

  mutating func step(_ frame: Pipeline.Frame, _ stream: borrowing AttentionStream) {
    marks.append(FrameMark(frame, stream))
  }

  mutating func detection(_ detection: Detection) { marks[marks.count - 1].add(detection) }

  mutating func relieve() -> Bool { true }
}

/// Numbers that a seed decides (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
private struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
