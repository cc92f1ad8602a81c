import FeatureExtraction
import TestSupport

/// Rows of a whole recording, pushed in pieces.
///
/// - Parameters:
///   - samples: The recording.
///   - pieces: Lengths of the pieces, used again and again; one piece when empty.
///   - extractor: Takes them; left as it is after `finish`.
/// - Returns: The rows.
func rows(
  of samples: [Float], pieces: [Int] = [], from extractor: inout FeatureExtractor
) -> [[Float]] {
  var rows: [[Float]] = []
  let collect: (Span<Float>) -> Void = { row in rows.append(row.indices.map { row[$0] }) }
  var offset = 0
  var turn = 0
  while offset < samples.count {
    let piece = pieces.isEmpty ? samples.count : pieces[turn % pieces.count]
    let end = min(samples.count, offset + piece)
    extractor.push(samples[offset..<end].span, collect)
    offset = end
    turn += 1
  }
  extractor.finish(collect)
  return rows
}

/// Rows of a whole recording by a new extractor.
func rows(
  of samples: [Float], pieces: [Int] = [], _ frontEnd: FrontEnd
) throws -> [[Float]] {
  var extractor = try FeatureExtractor(frontEnd)
  return rows(of: samples, pieces: pieces, from: &extractor)
}

/// A golden signal, in -1 ..< 1.
func signal(_ name: String) throws -> [Float] {
  try Golden.array("signals/\(name).npy").int16s.map { Float($0) / 32_768 }
}

/// The bits of rows, to compare them exactly.
func bits(_ rows: [[Float]]) -> [[UInt32]] { rows.map { $0.map(\.bitPattern) } }

extension FrontEnd.Compression {
  /// Per-channel energy normalisation with the numbers of its authors (Wang and others 2017).
  static let publishedPCEN = FrontEnd.Compression.pcen(
    FrontEnd.PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1e-6))
}

extension FrontEnd {
  /// Kaldi's front end for speech at a rate: 25 ms every 10 ms, up to 8 kHz or half the rate.
  static func kaldi(
    rate: Int, bins: Int = 40, window: WindowFunction = .povey, edges: Edges = .snip
  ) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.sampleRate = rate
    frontEnd.frameLength = rate / 40
    frontEnd.hop = rate / 100
    frontEnd.fftSize = rate == 8_000 ? 256 : rate == 16_000 ? 512 : 2_048
    frontEnd.highFrequency = min(8_000, Double(rate) / 2)
    frontEnd.bins = bins
    frontEnd.window = window
    frontEnd.edges = edges
    return frontEnd
  }

  /// A front end that is valid and like no other; small, so that the oracle is quick.
  static func random(_ random: inout SplitMix64) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.sampleRate = Int.random(in: 1_000...48_000, using: &random)
    frontEnd.frameLength = Int.random(in: 16...256, using: &random)
    frontEnd.hop = Int.random(in: 1...frontEnd.frameLength, using: &random)
    frontEnd.fftSize = 64
    while frontEnd.fftSize < frontEnd.frameLength { frontEnd.fftSize *= 2 }
    if Bool.random(using: &random) { frontEnd.fftSize *= 2 }
    frontEnd.window = WindowFunction.allCases.randomElement(using: &random) ?? .hann
    frontEnd.preEmphasis = Bool.random(using: &random) ? 0 : 0.9
    frontEnd.removesDC = Bool.random(using: &random)
    frontEnd.edges = Bool.random(using: &random) ? .mirror : .snip
    frontEnd.sampleScale = Bool.random(using: &random) ? 1 : 32_768
    frontEnd.bins = Int.random(in: 1...24, using: &random)
    frontEnd.lowFrequency = Double.random(in: 0...100, using: &random)
    frontEnd.highFrequency = Double.random(
      in: 200...Double(frontEnd.sampleRate) / 2, using: &random)
    return frontEnd
  }
}

/// Whether no element of a row is a NaN or an infinity.
func allFinite(_ row: [Float]) -> Bool { row.allSatisfy { $0.isFinite } }
