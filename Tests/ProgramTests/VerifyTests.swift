import AudioInput
import FeatureExtraction
import FoundationEssentials
import ModelFile
import TestSupport
import Testing
import attnd

/// A line of `attnd verify --json`.
private struct VerifyLine: Decodable {
  struct Way: Decodable {
    let way: String
    let digest: String
    let equal: Bool
  }

  let file: String
  let equal: Bool
  let frames: Int
  let detections: Int
  let seed: UInt64
  let ways: [Way]
}

@Suite("attnd verify")
struct VerifyTests {
  private func verification(
    _ path: String, _ model: ModelFile, seed: UInt64 = 1
  ) throws -> Verification {
    try Verification(path, model: model, threshold: nil, channels: .mix, seed: seed)
  }

  @Test("Random front ends and models give equal frames in every way", .seed(11))
  func models() throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64()
    for edges: FrontEnd.Edges in [.snip, .mirror, .reflect, .zero] {
      var frontEnd = SmallModel.frontEnd
      frontEnd.edges = edges
      frontEnd.deltas = Int.random(in: 0...2, using: &random)
      frontEnd.frameLength = Int.random(in: 40...64, using: &random)
      frontEnd.hop = Int.random(in: 16...frontEnd.frameLength, using: &random)
      let model = try SmallModel.make(frontEnd, seed: random.next())
      let path = try folder.file("noise.wav", waveFile(noise(9_000, using: &random)))
      let verification = try verification(path, model, seed: random.next())
      #expect(verification.frames.count > 20)
      for way in Verification.Way.all {
        let outcome = try verification.outcome(way)
        #expect(outcome.difference == nil, "\(way), \(edges)")
      }
    }
  }

  @Test("A frame that differs is named, and so are frames that are missing")
  func differences() throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64(seed: 2)
    let samples = noise(4_000, using: &random)
    let model = try SmallModel.make()
    let path = try folder.file("clip.wav", waveFile(samples))
    let verification = try verification(path, model)
    #expect(try verification.outcome(.batch(2)).difference == nil)
    let frames = verification.frames
    // 16 kHz in the file, 8 kHz in the model: from there on the recording is another one.
    var changed = samples
    for i in 2_000..<4_000 { changed[i] = 0.25 }
    _ = try folder.file("clip.wav", waveFile(changed))
    let difference = try #require(try verification.outcome(.pieces(7)).difference)
    #expect(frames[difference.frame].position == difference.position)
    #expect((900...1_080).contains(difference.position), "\(difference)")
    #expect(difference.part == "level")
    let report = try VerifyReport(verification, of: path, seed: 1, rate: model.sampleRate)
    #expect(!report.isEqual)
    #expect(report.text.contains("DIFFERS at frame \(difference.frame) ("))
    #expect(report.text.contains("DIFFERS at frame \(difference.frame) of stream 1 ("))
    #expect(report.json.contains("\"equal\":false,\"stream\":0,\"frame\":\(difference.frame),"))
    _ = try folder.file("clip.wav", waveFile(Array(samples.prefix(2_000))))
    let short = try #require(try verification.outcome(.batch(5)).difference)
    #expect((900...1_080).contains(short.position), "\(short)")
  }

  @Test("The command says that all is equal, for people and for programs")
  func command() async throws {
    let files = ["noise.flac", "keywords.flac"].map(fixture)
    let text = try await ChildProcess(attnd, ["verify", "--seed", "7"] + files).wait()
    #expect(text.status == 0)
    #expect(text.lines.first == "model six-words, seed 7")
    #expect(text.lines.filter { $0.hasSuffix("  equal") }.count == 2 * 9)
    let json = try await ChildProcess(attnd, ["verify", "--json", "--seed", "7"] + files).wait()
    #expect(json.status == 0)
    let lines = try json.lines.map {
      try JSONDecoder().decode(VerifyLine.self, from: Data($0.utf8))
    }
    #expect(lines.map(\.file) == files)
    #expect(lines.allSatisfy { $0.equal && $0.seed == 7 && $0.ways.count == 10 })
    #expect(lines.allSatisfy { Set($0.ways.map(\.digest)).count == 1 })
    #expect(lines[0].frames == 99)
    #expect(lines[1].detections == 6)
    #expect(lines[0].ways[0].digest != lines[1].ways[0].digest)
  }

  @Test("A recording that cannot be read is a line on standard error, and the end is 65")
  func unreadable() async throws {
    let folder = try TemporaryFolder()
    let empty = try folder.file("empty.wav", [])
    let files = [empty, fixture("noise.flac")]
    let outcome = try await ChildProcess(attnd, ["verify"] + files).wait()
    #expect(outcome.status == 65)
    #expect(
      outcome.errorLines == [
        "attnd: \(empty): holds no samples", "attnd: 1 of 2 recordings failed",
      ])
    #expect(outcome.lines.filter { $0.hasSuffix("  equal") }.count == 9)
  }
}
