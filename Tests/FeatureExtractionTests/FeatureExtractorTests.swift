import FeatureExtraction
import Glibc
import TestSupport
import Testing

@Suite("Feature extractor")
struct FeatureExtractorTests {
  static func frontEnd(_ edges: FrontEnd.Edges, _ compression: FrontEnd.Compression) -> FrontEnd {
    var frontEnd = FrontEnd()
    frontEnd.edges = edges
    frontEnd.compression = compression
    return frontEnd
  }

  @Test("Rows don't depend on how the samples are cut", .seed(80), arguments: NamedFrontEnd.all)
  func chunking(named: NamedFrontEnd) throws {
    let frontEnd = named.frontEnd
    let samples = try signal("utterance_16k")
    let whole = bits(try rows(of: samples, frontEnd))
    #expect(whole.count > 290)
    #expect(whole.count == frontEnd.rows(inSamples: samples.count))
    for piece in [1, 7, 159, 160, 161, 399, 400, 401, 1_600, 4_096, 16_000] {
      #expect(bits(try rows(of: samples, pieces: [piece], frontEnd)) == whole, "pieces of \(piece)")
    }
    var random = SplitMix64()
    for _ in 0..<10 {
      let pieces = [1] + (0..<30).map { _ in Int.random(in: 0...1_200, using: &random) }
      #expect(bits(try rows(of: samples, pieces: pieces, frontEnd)) == whole, "pieces of \(pieces)")
    }
  }

  @Test("Rows don't depend on random cuts, empty pieces among them", .seed(81))
  func randomChunking() throws {
    var random = SplitMix64()
    for _ in 0..<100 {
      let frontEnd = FrontEnd.random(&random).withRandomSteps(&random)
      let samples = random.floats(Int.random(in: 0...3_000, using: &random))
      let pieces = [1] + (0..<9).map { _ in Int.random(in: 0...600, using: &random) }
      #expect(
        bits(try rows(of: samples, pieces: pieces, frontEnd))
          == bits(try rows(of: samples, frontEnd)),
        "pieces of \(pieces) for \(frontEnd)")
    }
  }

  @Test("An extractor that was reset gives the bits of a new one", arguments: NamedFrontEnd.all)
  func reset(named: NamedFrontEnd) throws {
    let samples = try signal("speechlike_16k")
    var extractor = try FeatureExtractor(named.frontEnd)
    let first = bits(rows(of: samples, from: &extractor))
    extractor.reset()
    #expect(extractor.rows == 0 && extractor.samples == 0 && extractor.position == 0)
    #expect(bits(rows(of: samples, from: &extractor)) == first)
    // In the middle of a frame, before any row, and after a NaN.
    for dirt in [[Float](repeating: 0.3, count: 777), [0.5], [Float](repeating: .nan, count: 999)] {
      extractor.reset()
      extractor.push(dirt.span) { _ in }
      extractor.reset()
      #expect(bits(rows(of: samples, from: &extractor)) == first, "after \(dirt.count) samples")
    }
  }

  @Test("PCEN rows are the equations of the energies, in doubles", arguments: ["a", "b"])
  func pcen(which: String) throws {
    let samples = try signal(which == "a" ? "utterance_16k" : "impulses_16k")
    let energies = try rows(of: samples, Self.frontEnd(.snip, .linear))
    let got = try rows(of: samples, Self.frontEnd(.snip, .publishedPCEN))
    var worst = WorstRatio("PCEN rows \(which)")
    var mean = energies[0].map(Double.init)
    for (frame, row) in energies.enumerated() {
      for (bin, energy) in row.enumerated() {
        mean[bin] = 0.975 * mean[bin] + 0.025 * Double(energy)
        let normalised = Double(energy) * pow(1e-6 + mean[bin], -0.98) + 2
        let reference = normalised.squareRoot() - 2.0.squareRoot()
        worst.add(
          got: got[frame][bin], reference: reference, tolerance: 1e-6 + 1e-5 * abs(reference),
          at: "row \(frame), bin \(bin)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("Mean and scale are applied to each bin of the compressed row")
  func meanAndScale() throws {
    let samples = try signal("speechlike_16k")
    let plain = try rows(of: samples, FrontEnd())
    let mean = (0..<40).map { Float($0) / 3 }
    let scale = (0..<40).map { 1 / Float($0 + 2) }
    var extractor = try FeatureExtractor(FrontEnd(), mean: mean, scale: scale)
    let got = rows(of: samples, from: &extractor)
    let expected = plain.map { row in (0..<40).map { (row[$0] - mean[$0]) * scale[$0] } }
    #expect(bits(got) == bits(expected))
  }

  @Test("Numbers of rows and positions agree with what comes out, at every length to 2000")
  func everyLength() throws {
    let samples = [Float](repeating: 0.25, count: 2_000)
    for edges in FrontEnd.Edges.allCases {
      for (frameLength, deltas) in [(400, 0), (401, 1), (400, 2)] {
        var frontEnd = FrontEnd()
        frontEnd.edges = edges
        frontEnd.frameLength = frameLength
        frontEnd.deltas = deltas
        var extractor = try FeatureExtractor(frontEnd)
        for count in 0...2_000 {
          extractor.reset()
          expectRows(inSamples: Array(samples[..<count]), from: &extractor)
        }
      }
    }
  }

  @Test("Numbers of rows and positions agree for any front end", .seed(82))
  func anyFrontEnd() throws {
    var random = SplitMix64()
    for _ in 0..<100 {
      var extractor = try FeatureExtractor(FrontEnd.random(&random).withRandomSteps(&random))
      for _ in 0..<20 {
        extractor.reset()
        let count = Int.random(in: 0...1_500, using: &random)
        expectRows(inSamples: random.floats(count), from: &extractor)
      }
    }
  }

  /// Pushes a recording in one piece and holds the rows to `FrontEnd`'s answers.
  private func expectRows(inSamples samples: [Float], from extractor: inout FeatureExtractor) {
    let frontEnd = extractor.frontEnd
    let count = samples.count
    var rows = 0
    var oddRows = 0
    extractor.push(samples.span) { row in
      if row.count != frontEnd.rowLength { oddRows += 1 }
      rows += 1
    }
    #expect(oddRows == 0, "\(count), \(frontEnd)")
    #expect(extractor.samples == count)
    #expect(extractor.rows == rows)
    // Every row is out for which the samples are there, and no other; none before the first.
    let delay = frontEnd.deltaDelay
    let waitsForFirst = frontEnd.samplesNeeded(forRow: 0) > count
    #expect(
      rows == 0 || frontEnd.samplesNeeded(forRow: rows - 1 + delay) <= count,
      "\(count), \(frontEnd)")
    #expect(
      waitsForFirst ? rows == 0 : frontEnd.samplesNeeded(forRow: rows + delay) > count,
      "\(count) samples, \(frontEnd)")
    extractor.finish { _ in rows += 1 }
    #expect(rows == frontEnd.rows(inSamples: count), "\(count) samples, \(frontEnd)")
    #expect(extractor.rows == rows)
    #expect(extractor.position == (rows == 0 ? 0 : frontEnd.endPosition(ofRow: rows - 1)))
    extractor.finish { _ in Issue.record("a second end gives a row") }
  }

  @Test("Mean and scale must be finite, of sensible size, and one for each bin")
  func badMeanAndScale() {
    let good = [Float](repeating: 1, count: 40)
    func error(mean: [Float]?, scale: [Float]?) -> FrontEndError? {
      do throws(FrontEndError) {
        _ = try FeatureExtractor(FrontEnd(), mean: mean, scale: scale)
        return nil
      } catch {
        return error
      }
    }
    #expect(error(mean: good, scale: good) == nil)
    #expect(
      error(mean: [1], scale: nil)?.description
        == "front end: feature.mean and feature.scale is 1 and 40 long, "
        + "expected 40 each, a number per element of a row")
    #expect(error(mean: nil, scale: good + [1])?.found == "40 and 41 long")
    for bad in [Float.nan, .infinity, -.infinity, 3e38] {
      var values = good
      values[17] = bad
      #expect(error(mean: values, scale: nil)?.field == "feature.mean[17]", "\(bad)")
      #expect(error(mean: nil, scale: values)?.field == "feature.scale[17]", "\(bad)")
    }
  }

  @Test("Samples after the end, without a reset, are the caller's fault")
  func pushAfterFinish() async {
    await #expect(processExitsWith: .failure) {
      var extractor = try FeatureExtractor(FrontEnd())
      extractor.finish { _ in }
      extractor.push([0].span) { _ in }
    }
  }

  @Test(
    "Nothing is allocated between samples and rows",
    .enabled(if: AllocationCount.isAvailable))
  func allocations() throws {
    let samples = try signal("speechlike_16k")
    for named in NamedFrontEnd.all {
      var extractor = try FeatureExtractor(named.frontEnd)
      var sum: Float = 0
      extractor.push(samples.span) { sum += $0[0] }
      expectNoAllocations(named.name) {
        extractor.push(samples.span) { sum += $0[0] }
        extractor.finish { sum += $0[0] }
        extractor.reset()
      }
      #expect(sum.isFinite)
    }
  }
}
