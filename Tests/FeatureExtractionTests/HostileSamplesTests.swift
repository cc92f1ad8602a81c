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
      // What stands beside the recording lies within half a frame of either end; those rows are
      // left out.
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

  @Test("With differences a bad sample spoils the rows that look at its frames, and no other")
  func differences() throws {
    var frontEnd = FrontEnd.kaldiMFCC
    frontEnd.deltas = 2
    let clean = try signal("noise_16k") + signal("speechlike_16k")
    let expected = try rows(of: clean, frontEnd)
    let got = try rows(of: Self.spoiled(clean, by: .nan), frontEnd)
    for (index, row) in got.enumerated() {
      #expect(allFinite(row), "row \(index): \(row)")
      let end = frontEnd.endPosition(ofRow: index)
      // Differences of the second order look four rows to either side.
      let reach = end - frontEnd.frameLength - 4 * frontEnd.hop..<end + 4 * frontEnd.hop
      guard !Self.places.contains(where: reach.contains) else { continue }
      #expect(bits([row]) == bits([expected[index]]), "row \(index), samples \(reach)")
    }
  }

  @Test(
    "Samples beyond all measure give finite rows in every front end",
    arguments: [Float.nan, .infinity, -.infinity, 3e38, -3e38, 1e20])
  func allFrontEnds(bad: Float) throws {
    let clean = try signal("noise_16k") + signal("speechlike_16k")
    let spoiled = Self.spoiled(clean, by: bad)
    let full = [Float](repeating: bad, count: 2_000)
    for named in NamedFrontEnd.all {
      for samples in [spoiled, full, full + clean] {
        let got = try rows(of: samples, named.frontEnd)
        #expect(got.count == named.frontEnd.rows(inSamples: samples.count))
        for (index, row) in got.enumerated() {
          #expect(allFinite(row), "\(named.name), row \(index): \(row)")
        }
      }
    }
  }

  @Test("Any front end gives finite rows, with the largest means and scales too", .seed(92))
  func extremes() throws {
    var random = SplitMix64()
    let bad: [Float] = [.nan, .infinity, -.infinity, 3e38, -3e38, 1e19, 0x1p-149, 0]
    for _ in 0..<200 {
      var frontEnd = FrontEnd.random(&random).withRandomSteps(&random)
      frontEnd.sampleScale = 0x1p20
      if frontEnd.cepstra != nil { frontEnd.cepstra?.lifter = 1_000 }
      var samples = random.floats(2_000)
      for _ in 0..<Int.random(in: 0...40, using: &random) {
        let place = samples.indices.randomElement(using: &random) ?? 0
        samples[place] = bad.randomElement(using: &random) ?? 0
      }
      let length = frontEnd.rowLength
      let isModel = frontEnd.running?.start == .model
      let means: [Float] = isModel ? [-1e18, 0, 1e18] : [-1e30, 0, 1e30]
      let scales: [Float] = isModel ? [1e-18, 1, 1e8] : [-1e8, 0, 1e8]
      var extractor = try FeatureExtractor(
        frontEnd, mean: (0..<length).map { _ in means.randomElement(using: &random) ?? 0 },
        scale: (0..<length).map { _ in scales.randomElement(using: &random) ?? 0 })
      for (index, row) in rows(of: samples, from: &extractor).enumerated() {
        #expect(allFinite(row), "row \(index) of \(frontEnd)")
      }
    }
  }

  @Test("Silence, full scale and a constant give finite rows in every front end")
  func plainExtremes() throws {
    for named in NamedFrontEnd.all {
      for value in [0, -0.0, 1, -1, 0x1p-149] as [Float] {
        let all = try rows(of: [Float](repeating: value, count: 4_000), named.frontEnd)
        #expect(all.count == named.frontEnd.rows(inSamples: 4_000))
        for row in all { #expect(allFinite(row), "\(value), \(named.name)") }
      }
    }
  }
}
