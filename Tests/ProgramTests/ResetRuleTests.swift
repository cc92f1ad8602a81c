import AudioInput
import FeatureExtraction
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

@Suite("The reset rule: what was heard is forgotten after a silence")
struct ResetRuleTests {
  private static let rule = ModelFile.Silence(seconds: 0.1, decibels: -40)

  /// The rows before which a stream forgets, by the definition: row k needs the first n_k samples;
  /// it follows a silence if one has become long enough within them and not within n_(k-1).
  private func forgettingRows(
    _ samples: [Float], _ frontEnd: FrontEnd, gaps: [(before: Int, lost: Int)] = []
  ) -> [Int] {
    let needed = Int((Self.rule.seconds * Double(frontEnd.sampleRate)).rounded())
    var ends: [Int] = []
    var quiet = 0
    for (i, sample) in samples.enumerated() {
      for gap in gaps where gap.before == i {
        if quiet < needed && quiet + gap.lost >= needed { ends.append(i + 1) }
        quiet += gap.lost
      }
      quiet = sample.magnitude > 0.01 ? 0 : quiet + 1
      if quiet == needed { ends.append(i + 1) }
    }
    return ends.compactMap { end in
      (0..<frontEnd.rows(inSamples: samples.count)).first { row in
        frontEnd.samplesNeeded(forRow: row + frontEnd.deltaDelay) >= end
      }
    }
  }

  private func followers(_ rows: inout SoundRows, _ source: ArraySource) throws -> [Int] {
    var followers: [Int] = []
    var row = 0
    while try rows.read(
      source,
      row: { _, origin in
        if origin.followsSilence { followers.append(row) }
        row += 1
      })
    {}
    return followers
  }

  /// Words and silences; some of these are a sample too short, and some just long enough.
  private func sound(_ frontEnd: FrontEnd, using random: inout SplitMix64) -> [Float] {
    let needed = frontEnd.sampleRate / 10
    return (0..<12).flatMap { _ in
      let quiet = needed + ([-1, 0, 1, needed, 3 * needed].randomElement(using: &random) ?? 0)
      let loud = Int.random(in: 1...900, using: &random)
      return (0..<quiet).map { _ in Float.random(in: -0.01...0.01, using: &random) }
        + (0..<loud).map { _ in Bool.random(using: &random) ? 0.02 : -0.02 }
    }
  }

  @Test("Rows follow a silence once, at the sample, however the samples are cut", .seed(31))
  func rows() throws {
    var random = SplitMix64()
    var silences = 0
    for edges: FrontEnd.Edges in [.snip, .mirror, .reflect, .zero] {
      for deltas in 0...2 {
        var frontEnd = SmallModel.frontEnd
        (frontEnd.edges, frontEnd.deltas) = (edges, deltas)
        let samples = sound(frontEnd, using: &random)
        let expected = forgettingRows(samples, frontEnd)
        silences += expected.count
        let length = frontEnd.rowLength
        for rowsAtOnce in [1, 8, 64] {
          for cuts in [[], [1], [7, 159, 4_096]] {
            var rows = try SoundRows(
              frontEnd, mean: Array(repeating: 0, count: length),
              scale: Array(repeating: 1, count: length), reset: .silence(Self.rule),
              rowsAtOnce: rowsAtOnce, cuts: cuts)
            let found = try followers(&rows, ArraySource(samples, sampleRate: 8_000))
            #expect(found == expected, "\(edges), \(deltas), \(rowsAtOnce) hops, cuts \(cuts)")
          }
        }
      }
    }
    #expect(silences > 60)
  }

  @Test("Samples that were lost are quiet ones")
  func gaps() throws {
    let frontEnd = SmallModel.frontEnd
    // Of 800 samples of silence 500 are lost: at their end it is long enough.
    let samples =
      [Float](repeating: 0.5, count: 1_008) + [Float](repeating: 0, count: 300)
      + [Float](repeating: 0.5, count: 1_000)
    let gaps = [(before: 1_008, lost: 500)]
    var rows = try SoundRows(
      frontEnd, mean: [0, 0, 0], scale: [1, 1, 1], reset: .silence(Self.rule))
    let found = try followers(&rows, ArraySource(samples, sampleRate: 8_000, gaps: gaps))
    #expect(found == forgettingRows(samples, frontEnd, gaps: gaps))
    #expect(found.count == 1)
    rows.reset()
    #expect(try followers(&rows, ArraySource(samples, sampleRate: 8_000)) == [])
  }

  @Test("A hole that makes a silence long enough is told of as one that resets, others are not")
  func forgottenGaps() throws {
    let frontEnd = SmallModel.frontEnd
    // At 8 kHz a silence is 800 samples long. The last hole lies within one that has been told of.
    let holes = [
      (before: 1_008, lost: 799), (before: 2_008, lost: 800), (before: 2_048, lost: 900),
    ]
    let samples =
      [Float](repeating: 0.5, count: 2_008) + [Float](repeating: 0, count: 300)
      + [Float](repeating: 0.5, count: 1_000)
    var rows = try SoundRows(
      frontEnd, mean: [0, 0, 0], scale: [1, 1, 1], reset: .silence(Self.rule))
    let source = ArraySource(samples, sampleRate: 8_000, gaps: holes)
    var told: [Bool] = []
    while try rows.read(source, gap: { told.append($0.isForgotten) }, row: { _, _ in }) {}
    #expect(told == [false, true, false])
    var never = try SoundRows(frontEnd, mean: [0, 0, 0], scale: [1, 1, 1], reset: .never)
    let again = ArraySource(samples, sampleRate: 8_000, gaps: holes)
    while try never.read(again, gap: { told.append($0.isForgotten) }, row: { _, _ in }) {}
    #expect(told == [false, true, false, false, false, false])
  }

  @Test("After a silence the steps are those of a new stream", .seed(32))
  func forgets() throws {
    var random = SplitMix64()
    let model = try SmallModel.make(reset: .silence(Self.rule))
    let word = (0..<4_000).map { _ in Float.random(in: -0.5...0.5, using: &random) }
    let silence = [Float](repeating: 0, count: 1_600)
    let first = try listen(to: ArraySource(word + silence + word, sampleRate: 8_000), model: model)
    let other = word.map { -0.3 * $0 } + silence
    let second = try listen(to: ArraySource(other + word, sampleRate: 8_000), model: model)
    // Level apart, which is of the sound alone: what came before the silence leaves no trace.
    let tail = 40
    #expect(first.frames.count == second.frames.count && first.frames.count > 100)
    #expect(first.frames.suffix(tail) == second.frames.suffix(tail))
    #expect(first.frames.prefix(tail) != second.frames.prefix(tail))

    let never = try SmallModel.make()
    let remembers = try listen(
      to: ArraySource(word + silence + word, sampleRate: 8_000), model: never)
    let others = try listen(to: ArraySource(other + word, sampleRate: 8_000), model: never)
    #expect(remembers.frames.count == first.frames.count)
    #expect(remembers.frames.suffix(tail) != others.frames.suffix(tail))
    #expect(remembers.frames.suffix(tail) != first.frames.suffix(tail))
  }

  @Test("Every way of hearing gives the same frames, batches too", .seed(33))
  func ways() throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64()
    for edges: FrontEnd.Edges in [.snip, .mirror, .reflect, .zero] {
      var frontEnd = SmallModel.frontEnd
      (frontEnd.edges, frontEnd.deltas) = (edges, Int.random(in: 0...2, using: &random))
      let seed = random.next()
      let model = try SmallModel.make(frontEnd, reset: .silence(Self.rule), seed: seed)
      // Files here have 16 kHz; what is loud is louder, so that resampling doesn't make it quiet.
      let words = sound(frontEnd, using: &random).flatMap { sample in
        let sample = sample.magnitude > 0.01 ? 25 * sample : 0.1 * sample
        return [sample, sample]
      }
      let path = try folder.file("words.wav", waveFile(words))
      let verification = try Verification(
        path, model: model, threshold: nil, channels: .mix, seed: random.next())
      let remembering = try Verification(
        path, model: SmallModel.make(frontEnd, seed: seed), threshold: nil, channels: .mix, seed: 1)
      #expect(verification.frames.count == remembering.frames.count)
      let hasForgotten = verification.frames != remembering.frames
      #expect(hasForgotten, "\(edges): nothing was forgotten")
      for way in Verification.Way.all {
        #expect(try verification.outcome(way).difference == nil, "\(way), \(edges)")
      }
    }
  }

  @Test("Samples are quiet up to the level, above it loud; a NaN is quiet")
  func level() {
    var watch = SilenceWatch(.init(seconds: 0.1, decibels: -20), sampleRate: 1_000)
    func hear(_ sample: Float, _ count: Int) -> Bool {
      [Float](repeating: sample, count: count).withUnsafeBufferPointer { watch.push($0) }
      return watch.take()
    }
    #expect(!hear(0.1, 99))
    #expect(hear(-0.1, 1))
    #expect(!hear(0, 10_000), "A silence is told of once")
    #expect(!hear(-0.100_001, 1_000))
    #expect(!hear(.nan, 99))
    #expect(hear(.nan, 1))
    #expect(!hear(.infinity, 500))
    watch.lose(.max)
    watch.lose(.max)
    let (first, second) = (watch.take(), watch.take())
    #expect(first && !second)
  }
}
