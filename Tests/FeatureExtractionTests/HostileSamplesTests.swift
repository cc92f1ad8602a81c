import FeatureExtraction
import TestSupport
import Testing

@Suite("Hostile samples")
struct HostileSamplesTests {
  /// Noise with three bad samples: within the first frame, at a hop's edge, at the end of a frame.
  static let places = [5, 4_000, 9_999]

  static func spoiled(_ clean: [Float], by bad: Float) -> [Float] {
    var samples = clean
    for place in places { samples[place] = bad }
    return samples
  }

  @Test(
    "A bad sample gives finite rows and spoils no row whose frame doesn't hold it",
    arguments: [Float.nan, .infinity, -.infinity, 1e38, -3e38, 1e20, 0x1p-149],
    FrontEnd.Edges.allCases)
  func localDamage(bad: Float, edges: FrontEnd.Edges) throws {
    var frontEnd = FrontEnd()
    frontEnd.edges = edges
    let clean = try signal("noise_16k") + signal("speechlike_16k")
    let expected = try rows(of: clean, frontEnd)
    let got = try rows(of: Self.spoiled(clean, by: bad), frontEnd)
    #expect(got.count == expected.count)
    for (index, row) in got.enumerated() {
      #expect(allFinite(row), "row \(index): \(row)")
      let end = frontEnd.endPosition(ofRow: index)
      let frame = end - frontEnd.frameLength..<end
      // Mirrored samples lie within half a frame of either end; those rows are left out.
      guard frame.lowerBound >= 0, end <= clean.count else { continue }
      guard !Self.places.contains(where: frame.contains) else { continue }
      #expect(bits([row]) == bits([expected[index]]), "row \(index), frame \(frame)")
    }
  }

  @Test(
    "PCEN stays finite, and has forgotten a bad sample after its memory of ln(1e30)/smoothing rows",
    arguments: [Float.nan, .infinity, 1e38, 1e15])
  func pcenMemory(bad: Float) throws {
    // A smoothing of 0.05 forgets by a factor e in 20 rows. An energy of 1e30, the most that a
    // row may hold, drowns what follows until the mean is back at the noise: 69 x 20 rows. A NaN
    // counts as silence and is forgotten sooner.
    var frontEnd = FrontEnd()
    frontEnd.compression = .pcen(
      FrontEnd.PCEN(smoothing: 0.05, gain: 0.98, bias: 2, power: 0.5, epsilon: 1e-6))
    var random = SplitMix64(seed: 91)
    let clean = random.floats(1_600 * 160 + 240, scale: 0.1)
    let expected = try rows(of: clean, frontEnd)
    let got = try rows(of: Self.spoiled(clean, by: bad), frontEnd)
    for (index, row) in got.enumerated() {
      #expect(allFinite(row), "row \(index)")
      guard index >= 9_999 / 160 + 1_400 else { continue }
      let difference = LargestDifference(row, expected[index])
      #expect(difference.value < 1e-3, "row \(index): \(difference)")
    }
  }

  @Test("Silence, full scale and a constant give finite rows in every compression")
  func plainExtremes() throws {
    for compression in [.linear, .log(floor: 0x1p-23), FrontEnd.Compression.publishedPCEN] {
      var frontEnd = FrontEnd()
      frontEnd.compression = compression
      for value in [0, -0.0, 1, -1, 0x1p-149] as [Float] {
        let all = try rows(of: [Float](repeating: value, count: 4_000), frontEnd)
        #expect(all.count == 23)
        for row in all { #expect(allFinite(row), "\(value), \(compression)") }
      }
    }
  }
}
