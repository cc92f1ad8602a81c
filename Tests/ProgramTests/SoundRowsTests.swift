import AudioInput
import FeatureExtraction
import TestSupport
import Testing
import attnd

/// What comes of a source: rows, and what stands beside them, bit for bit.
private struct Read: Equatable {
  var elements: [UInt32] = []
  var positions: [Int] = []
  var levels: [UInt32] = []

  init(
    _ samples: [Float], _ frontEnd: FrontEnd, rowsAtOnce: Int, cuts: [Int] = []
  ) throws {
    let length = frontEnd.rowLength
    var rows = try SoundRows(
      frontEnd, mean: Array(repeating: 0.5, count: length),
      scale: Array(repeating: 2, count: length), rowsAtOnce: rowsAtOnce, cuts: cuts)
    // Twice, so that what is left of the first recording would be seen in the second.
    for _ in 0..<2 {
      rows.reset()
      let source = ArraySource(samples, sampleRate: frontEnd.sampleRate)
      while try rows.read(
        source,
        row: { row, origin in
          for i in row.indices { elements.append(row[i].bitPattern) }
          positions.append(origin.position)
          var level = LevelMeter()
          if let heard = origin.heard { level.add(heard) }
          levels.append(level.read().bitPattern)
        })
      {}
    }
  }
}

/// A front end for each treatment of the ends, with and without differences in time.
private var frontEnds: [FrontEnd] {
  let edges: [FrontEnd.Edges] = [.snip, .mirror, .reflect, .zero]
  return edges.flatMap { edges in
    [(48, 40, 0), (64, 16, 1), (50, 30, 2), (30, 30, 2)].map { length, hop, deltas in
      var frontEnd = SmallModel.frontEnd
      frontEnd.edges = edges
      (frontEnd.frameLength, frontEnd.hop, frontEnd.deltas) = (length, hop, deltas)
      return frontEnd
    }
  }
}

@Suite("Sound to rows")
struct SoundRowsTests {
  @Test(
    "How many hops are read at once, and how they are cut, changes no row, position or level",
    .seed(41), arguments: frontEnds)
  func blocks(frontEnd: FrontEnd) throws {
    var random = SplitMix64()
    for count in [0, 1, 29, 48, 49, 100, 777, 4_000] {
      let samples = noise(count, using: &random)
      let streaming = try Read(samples, frontEnd, rowsAtOnce: 1)
      #expect(streaming.positions.count == 2 * frontEnd.rows(inSamples: count))
      for hops in [2, 8, 64, 1_000] {
        let blocks = try Read(samples, frontEnd, rowsAtOnce: hops)
        try #require(blocks == streaming, "\(count) samples, \(hops) hops at once")
      }
      let cuts = (0..<10).map { _ in Int.random(in: 1...300, using: &random) }
      let cut = try Read(samples, frontEnd, rowsAtOnce: 8, cuts: cuts)
      try #require(cut == streaming, "\(count) samples in pieces of \(cuts)")
    }
  }

  @Test("A row's level is that of the samples since the row before")
  func levels() throws {
    // Loud for ten hops, then silent: whole hops, so that each row's level is one or the other.
    let frontEnd = SmallModel.frontEnd
    let samples = [Float](repeating: 0.5, count: 400) + [Float](repeating: 0, count: 400)
    let read = try Read(samples, frontEnd, rowsAtOnce: 8)
    let levels = read.levels.prefix(read.levels.count / 2).map { Float(bitPattern: $0) }
    let loud = levels.prefix { $0 > -100 }
    #expect(loud.count == 10)
    // The tenth row's hop is 32 samples loud and 8 silent.
    #expect(loud.prefix(9).allSatisfy { abs($0 + 6.02) < 0.01 })
    #expect(levels.dropFirst(10).allSatisfy { $0 == -120 })
  }
}
