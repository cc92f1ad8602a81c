import FeatureExtraction
import TestSupport
import Testing

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

/// Rows that a chain makes of compressed rows, one after the other.
///
/// - Parameters:
///   - compressed: The rows, `bins` elements each.
///   - energies: The frames' energies; 0 when absent.
///   - chain: Takes them; left as it is after `finish`.
/// - Returns: The rows.
func rows(
  of compressed: [[Float]], energies: [Float] = [], from chain: inout RowChain
) -> [[Float]] {
  var rows: [[Float]] = []
  let collect: (Span<Float>) -> Void = { row in rows.append(row.indices.map { row[$0] }) }
  for (index, row) in compressed.enumerated() {
    var scratch = row
    let energy = energies.isEmpty ? 0 : energies[index]
    scratch.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      chain.push(base, frameEnergy: energy, collect)
    }
  }
  chain.finish(collect)
  return rows
}

/// Rows that a new chain makes of compressed rows.
func rows(
  of compressed: [[Float]], energies: [Float] = [], _ frontEnd: FrontEnd, mean: [Float]? = nil,
  scale: [Float]? = nil
) throws -> [[Float]] {
  var chain = try RowChain(frontEnd, mean: mean, scale: scale)
  return rows(of: compressed, energies: energies, from: &chain)
}

/// A golden signal, in -1 ..< 1.
func signal(_ name: String, in folder: GoldenFolder = .committed) throws -> [Float] {
  try folder.array("signals/\(name).npy").int16s.map { Float($0) / 32_768 }
}

/// The bits of rows, to compare them exactly.
func bits(_ rows: [[Float]]) -> [[UInt32]] { rows.map { $0.map(\.bitPattern) } }

extension FrontEnd.Compression {
  /// Per-channel energy normalisation with the numbers of its authors (Wang and others 2017).
  static let publishedPCEN = FrontEnd.Compression.pcen(
    FrontEnd.PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1e-6))
}

/// A front end with a name for messages.
struct NamedFrontEnd: Sendable, CustomTestStringConvertible {
  let name: String
  let frontEnd: FrontEnd

  var testDescription: String { name }

  init(_ name: String, _ frontEnd: FrontEnd, _ change: (inout FrontEnd) -> Void = { _ in }) {
    var frontEnd = frontEnd
    change(&frontEnd)
    self.name = name
    self.frontEnd = frontEnd
  }

  /// What one can ask for by name.
  static let presets = [
    NamedFrontEnd("kaldiLogMel", .kaldiLogMel()),
    NamedFrontEnd("librosaLogMel", .librosaLogMel()),
    NamedFrontEnd("kaldiMFCC", .kaldiMFCC),
    NamedFrontEnd("librosaMFCC", .librosaMFCC),
    NamedFrontEnd("pcen", .pcen),
    NamedFrontEnd("powerSpectrum", .powerSpectrum),
  ]

  /// The presets, and each step that remembers something in the company of others.
  static let all =
    presets + [
      NamedFrontEnd("kaldiLogMel, mirrored, order 1, warm") {
        $0.edges = .mirror
        $0.deltas = 1
        $0.running = .init(rate: 0.01, start: .warm)
      },
      NamedFrontEnd("librosaLogMel, reflected, orders 1 and 2", .librosaLogMel()) {
        $0.edges = .reflect
        $0.deltas = 2
      },
      NamedFrontEnd("kaldiMFCC, orders 1 and 2, from the model", .kaldiMFCC) {
        $0.deltas = 2
        $0.running = .init(rate: 0.005, start: .model)
      },
      NamedFrontEnd("pcen, cepstra, order 1, warm", .pcen) {
        $0.cepstra = .init(count: 20, lifter: 22)
        $0.deltas = 1
        $0.running = .init(rate: 0x1p-14, start: .warm)
      },
      NamedFrontEnd("odd frames, reflected", .librosaLogMel(bins: 5)) {
        $0.frameLength = 401
        $0.edges = .reflect
      },
    ]

  private init(_ name: String, _ change: (inout FrontEnd) -> Void) {
    self.init(name, .kaldiLogMel(), change)
  }
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

  /// librosa's mel spectrogram in decibels at a rate: every 10 ms, up to half the rate.
  static func librosa(rate: Int, bins: Int, fftSize: Int, edges: Edges) -> FrontEnd {
    var frontEnd = librosaLogMel(bins: bins)
    frontEnd.sampleRate = rate
    frontEnd.frameLength = fftSize
    frontEnd.hop = rate / 100
    frontEnd.fftSize = fftSize
    frontEnd.highFrequency = Double(rate) / 2
    frontEnd.edges = edges
    return frontEnd
  }

  /// A front end that is valid and like no other, its energies as they are; small, so that the
  /// oracle is quick.
  static func random(_ random: inout SplitMix64) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.sampleRate = Int.random(in: 1_000...48_000, using: &random)
    frontEnd.frameLength = Int.random(in: 16...256, using: &random)
    frontEnd.hop = Int.random(in: 1...frontEnd.frameLength, using: &random)
    let sizes = (frontEnd.frameLength...600).filter(FrontEnd.isTransformSize)
    frontEnd.fftSize = sizes.randomElement(using: &random) ?? 512
    frontEnd.window = WindowFunction.allCases.randomElement(using: &random) ?? .hann
    frontEnd.preEmphasis = Bool.random(using: &random) ? 0 : 0.9
    frontEnd.removesDC = Bool.random(using: &random)
    frontEnd.edges = Edges.allCases.randomElement(using: &random) ?? .snip
    frontEnd.sampleScale = Bool.random(using: &random) ? 1 : 32_768
    frontEnd.melScale = MelScale.allCases.randomElement(using: &random) ?? .htk
    if frontEnd.melScale == .none {
      frontEnd.bins = frontEnd.fftSize / 2 + 1
      frontEnd.lowFrequency = 0
      frontEnd.highFrequency = Double(frontEnd.sampleRate) / 2
    } else {
      frontEnd.bins = Int.random(in: 1...min(24, frontEnd.fftSize / 2), using: &random)
      frontEnd.lowFrequency = Double.random(in: 0...100, using: &random)
      frontEnd.highFrequency = Double.random(
        in: 200...Double(frontEnd.sampleRate) / 2, using: &random)
    }
    frontEnd.compression = .linear
    return frontEnd
  }

  /// Adds steps after the energies, each with an even chance.
  func withRandomSteps(_ random: inout SplitMix64) -> FrontEnd {
    var frontEnd = self
    let compressions: [Compression] = [
      .linear, .log(floor: 1e-3), .decibels(floor: 1e-10), .publishedPCEN,
    ]
    frontEnd.compression = compressions.randomElement(using: &random) ?? .linear
    if Bool.random(using: &random) {
      frontEnd.cepstra = Cepstra(
        count: Int.random(in: 1...bins, using: &random), lifter: 22,
        energy: Bool.random(using: &random))
    }
    frontEnd.deltas = Int.random(in: 0...2, using: &random)
    if Bool.random(using: &random) {
      frontEnd.running = RunningNormalisation(
        rate: Float.random(in: 0x1p-14...0.5, using: &random),
        start: Bool.random(using: &random) ? .warm : .model)
    }
    return frontEnd
  }
}

/// Whether no element of a row is a NaN or an infinity.
func allFinite(_ row: [Float]) -> Bool { row.allSatisfy { $0.isFinite } }
