import AudioInput
import Glibc
import Testing

/// The committed clips, held to what spans.tsv says of them.
@Suite("Fixtures") struct FixtureTests {
  struct Span {
    let file: String
    let word: String
    let start: Double
    let end: Double
  }

  private static let folder: String = {
    let parts = #filePath.split(separator: "/").dropLast(2)
    return "/" + parts.joined(separator: "/") + "/Fixtures/"
  }()

  private func spans() -> [Span] {
    let text = String(decoding: bytesOfFile(Self.folder + "spans.tsv"), as: UTF8.self)
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: "\t").map(String.init)
      guard fields.count == 4, let start = Double(fields[2]), let end = Double(fields[3]) else {
        return nil
      }
      return Span(file: fields[0], word: fields[1], start: start, end: end)
    }
  }

  private func decibels(_ samples: ArraySlice<Float>) -> Double {
    let power = samples.reduce(0.0) { $0 + Double($1 * $1) } / Double(max(samples.count, 1))
    return 10 * log10(max(power, 1e-12))
  }

  @Test("Words stand out where they are said to be", arguments: ["demo.flac", "keywords.flac"])
  func wordsInPlace(file: String) throws {
    let samples = try readAll(SoundFile(path: Self.folder + file, sampleRate: 16000))
    let words = spans().filter { $0.file == file }
    #expect(words.count == 6)
    #expect(Set(words.map(\.word)).count == 6)
    for word in words {
      let start = Int(word.start * 16000)
      let end = Int(word.end * 16000)
      try #require(0 < start && start < end && end + 16000 <= samples.count)
      #expect(abs(decibels(samples[start..<end]) + 25) < 0.5, "\(word.word)")
      // A second of the room's noise on either side, pink, at -58 dBFS over the whole clip.
      #expect(decibels(samples[(start - 16000)..<start]) < -50, "\(word.word)")
      #expect(decibels(samples[end..<(end + 16000)]) < -50, "\(word.word)")
    }
  }

  @Test("The other clips have no word and the lengths that tests count on")
  func others() throws {
    #expect(spans().allSatisfy { $0.file == "demo.flac" || $0.file == "keywords.flac" })
    let noise = try readAll(SoundFile(path: Self.folder + "noise.flac", sampleRate: 16000))
    #expect(noise.count == 48000)
    #expect(abs(decibels(noise[...]) + 58) < 0.5)
    let speech = try SoundFile(path: Self.folder + "negative.flac", sampleRate: 16000)
    #expect(try #require(speech.durationSeconds) > 12)
  }
}
