import FeatureExtraction
import Glibc
import TestSupport
import Testing

@Suite("Rows against their definition")
struct DefinedRowsTests {
  /// What the comparison with a float64 row of logarithms allows an element
  /// (Tests/Golden/README.md, "frontend"), with 3e-5 for tables made in double in the place of 2e-4.
  static func tolerance(_ bin: Int, of reference: [Double], loudestSample: Double) -> Double {
    let loudest = max(reference.max() ?? 0, 2 * log(loudestSample))
    return 3e-5 + 4e-6 * exp((loudest - reference[bin]) / 2)
  }

  private static func compare(
    _ rows: [[Float]], with references: [[Double]], loudestSample: Double,
    into worst: inout WorstRatio
  ) {
    let name = worst.name
    #expect(rows.count == references.count, "\(name): number of rows")
    for (frame, (row, reference)) in zip(rows, references).enumerated() {
      #expect(row.count == reference.count, "\(name): bins of row \(frame)")
      for (bin, (got, expected)) in zip(row, reference).enumerated() {
        worst.add(
          got: got, reference: expected,
          tolerance: tolerance(bin, of: reference, loudestSample: loudestSample),
          at: "\(name), row \(frame), bin \(bin)")
      }
    }
  }

  @Test("Any front end gives the rows of its definition", .seed(71))
  func anyFrontEnd() throws {
    var random = SplitMix64()
    var worst = WorstRatio("random front ends")
    for _ in 0..<150 {
      var frontEnd = FrontEnd.random(&random)
      frontEnd.compression = .log(floor: 1e-6)
      let naive = NaiveFrontEnd(frontEnd: frontEnd)
      // At least one whole first frame, at most some ten.
      let count = frontEnd.frameLength + Int.random(in: 0...9 * frontEnd.hop, using: &random)
      let samples = random.floats(count, scale: 0.5)
      let references = naive.energies(samples).map { $0.map { log(max($0, Double(Float(1e-6)))) } }
      var own = WorstRatio("\(frontEnd), \(count) samples")
      Self.compare(
        try rows(of: samples, frontEnd), with: references,
        loudestSample: Double(frontEnd.sampleScale) * 0.5, into: &own)
      worst.add(ratio: own.value, at: "\(own)")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("A recording that ends half an odd frame after a hop is mirrored one sample farther")
  func mirroredOddFrame() throws {
    var random = SplitMix64(seed: 72)
    var frontEnd = FrontEnd.kaldi(rate: 16_000, edges: .mirror)
    frontEnd.compression = .log(floor: 1)
    frontEnd.fftSize = 64
    frontEnd.bins = 5
    for (length, hop) in [(17, 2), (31, 10), (33, 32), (63, 4)] {
      frontEnd.frameLength = length
      frontEnd.hop = hop
      for count in length..<length + 3 * hop {
        let samples = random.floats(count, scale: 0.5)
        let references = NaiveFrontEnd(frontEnd: frontEnd).energies(samples)
          .map { $0.map { log(max($0, 1)) } }
        var worst = WorstRatio("frames of \(length) every \(hop), \(count) samples")
        Self.compare(
          try rows(of: samples, frontEnd), with: references, loudestSample: 16_384, into: &worst)
        #expect(worst.value <= 1, "\(worst)")
      }
    }
  }
}
