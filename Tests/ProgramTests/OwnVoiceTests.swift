import AttentionSocket
import AudioInput
import Logging
import ModelFile
import Simulated
import StreamingAttention
import TestSupport
import Testing
import attnd

@Suite("The machine's own voice")
struct OwnVoiceTests {
  @Test(
    "is a keyword that the reference said up to a second before",
    arguments: [
      (-0.5, false), (-0.2, true), (0, true), (0.3, true), (0.99, true), (1.01, false), (60, false),
    ])
  func times(later: Double, isOwn: Bool) {
    let voice = OwnVoice(keywords: 2)
    voice.note(score: 0.9, threshold: 0.8, of: 1, at: 100)
    #expect(voice.isOwn(1, at: 100 + later) == isOwn)
    #expect(!voice.isOwn(0, at: 100 + later), "another keyword")
  }

  @Test("is known from half of the threshold on", arguments: [(0.39, false), (0.41, true)])
  func scores(score: Double, isOwn: Bool) {
    let voice = OwnVoice(keywords: 1)
    voice.note(score: Float(score), threshold: 0.8, of: 0, at: 100)
    #expect(voice.isOwn(0, at: 100.1) == isOwn)
  }

  @Test("is nothing before anything was said, and where nobody knows the time")
  func nothing() {
    let voice = OwnVoice(keywords: 1)
    #expect(!voice.isOwn(0, at: 0))
    voice.note(score: 1, threshold: 0.5, of: 0, at: .nan)
    #expect(!voice.isOwn(0, at: 1))
    voice.note(score: 1, threshold: 0.5, of: 0, at: 2)
    #expect(!voice.isOwn(0, at: .nan))
  }

  /// Detections of a stream with a role, and how often it heard the machine's own voice, all in one moment.
  private func hear(_ role: VoiceRole) throws -> (detections: Int, ownVoice: Int) {
    let model = try ModelFile.embedded()
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let server = AttentionServer(
      AttentionServer.Description(
        model: model, threshold: nil, streams: [(name: "test", kind: .file)]), logger: logger)
    let publisher = server.publisher(forStream: 0)
    // Its time stands still: what is said has just been said, however long this takes.
    let stream = try ListeningStream(
      source: ArraySource(try samples(ofFixture: "keywords.flac")), model: model, threshold: nil,
      publisher: publisher, pulse: StreamPulse(name: "test"), exchange: PipelineExchange(model),
      role: role, timekeeper: SimulatedTime())
    while try stream.advance() {}
    return (stream.summary.detections, publisher.ownVoices)
  }

  @Test("isn't told of: neither what a microphone hears of it, nor the reference's own")
  func roles() throws {
    let alone = try hear(.none)
    #expect(alone.detections > 3 && alone.ownVoice == 0)
    let voice = OwnVoice(keywords: 6)
    let unsaid = try hear(.microphone(voice))
    #expect(unsaid == alone, "the reference says nothing")
    let reference = try hear(.reference(voice))
    #expect(reference.detections == 0 && reference.ownVoice == alone.detections)
    let echo = try hear(.microphone(voice))
    #expect(echo.detections == 0 && echo.ownVoice == alone.detections)
  }

  /// A source that comes at its own speed, by a clock that others share.
  private final class TimedSource: AudioSource, @unchecked Sendable {
    // Unchecked: one thread.
    let name = "timed"
    let sampleRate = 16_000
    private let source: ArraySource
    private let time: SimulatedTime
    private let start: Double

    init(_ samples: [Float], _ time: SimulatedTime) {
      source = ArraySource(samples)
      self.time = time
      start = time.sinceBoot
    }

    func read(
      into buffer: UnsafeMutableBufferPointer<Float>
    ) throws(AudioInputError) -> AudioBlock {
      let block = try source.read(into: buffer)
      let end = start + block.position.advanced(by: block.count).seconds(at: sampleRate)
      time.advance(max(0, end - time.sinceBoot))
      return block
    }

    func cancel() {}
  }

  /// Detections of a microphone beside a reference, and whether it warns of it at the end.
  private func hear(
    _ sound: [Float], beside reference: [Float]
  ) throws -> (detections: Int, ownVoice: Int, warns: Bool) {
    let model = try ModelFile.embedded()
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let server = AttentionServer(
      AttentionServer.Description(
        model: model, threshold: nil,
        streams: [(name: "mic", kind: .file), (name: "reference", kind: .file)]), logger: logger)
    let voice = OwnVoice(keywords: model.keywords.count)
    let time = SimulatedTime()
    func stream(_ index: Int, _ samples: [Float], _ role: VoiceRole) throws -> ListeningStream {
      try ListeningStream(
        source: TimedSource(samples, time), model: model, threshold: nil,
        publisher: server.publisher(forStream: index), pulse: StreamPulse(name: "\(index)"),
        exchange: PipelineExchange(model), role: role, timekeeper: time)
    }
    let heard = try stream(0, sound, .microphone(voice))
    let said = try stream(1, reference, .reference(voice))
    while try said.advance(), try heard.advance() {}
    let publisher = server.publisher(forStream: 0)
    return (
      heard.summary.detections, publisher.ownVoices, publisher.holds(.falseReference)
    )
  }

  @Test("is known by a loudspeaker's signal, and not by what the microphone hears itself")
  func falseReference() throws {
    let speech = try samples(ofFixture: "keywords.flac")
    let other = try samples(ofFixture: "negative.flac")
    let silence = [Float](repeating: 0, count: speech.count)
    let alone = try hear(speech, beside: silence)
    #expect(alone.detections > 3 && alone.ownVoice == 0 && !alone.warns)
    // Three times the same: a loudspeaker is quieter in the room than its signal is.
    let long = speech + speech + speech
    let echo = try hear(long.map { $0 * 0.3 }, beside: long)
    #expect(echo.ownVoice > 0 && !echo.warns, "\(echo)")
    let itself = try hear(long, beside: long)
    #expect(itself.warns && itself.detections >= alone.detections, "\(itself), alone \(alone)")
    // It is a reference again.
    let repaired = try hear(long + speech, beside: long + other + silence)
    #expect(!repaired.warns, "\(repaired)")
  }

  @Test(
    "Two streams are alike when they are equally loud for nine of ten seconds, until for five of ten they aren't"
  )
  func likeness() {
    var likeness = Likeness()
    for second in 0..<8 {
      #expect(likeness.take(-40, -40.9) == nil, "second \(second)")
    }
    #expect(likeness.take(-40, -60) == nil && likeness.take(-120, -120) == nil)
    #expect(likeness.take(-40, -40) == true)
    for _ in 0..<3 { #expect(likeness.take(-40, -41.1) == nil) }
    #expect(likeness.take(-40, -50) == false)
    for _ in 0..<8 { #expect(likeness.take(-30, -30) == nil) }
    #expect(likeness.take(-30, -30) == true)
    #expect(likeness.take(-30, nil) == false, "it isn't there any more")
  }

  @Test("Loudness is the mean power of whole seconds")
  func loudness() {
    var loudness = Loudness()
    #expect(loudness.add(-20, at: 7.1) == nil && loudness.add(-20, at: 7.6) == nil)
    #expect(loudness.add(.nan, at: 7.7) == nil && loudness.add(-20, at: .nan) == nil)
    let first = loudness.add(-10, at: 8)
    #expect(first?.second == 7 && abs((first?.level ?? 0) + 20) < 1e-4)
    #expect(loudness.add(-30, at: 8.5) == nil)
    let second = loudness.add(-30, at: 11)
    #expect(second?.second == 8 && abs((second?.level ?? 0) + 12.967) < 1e-3)
  }

  @Test("Levels of the reference are known for some seconds")
  func levels() {
    let voice = OwnVoice(keywords: 1)
    #expect(voice.level(of: 5) == nil)
    for second in 1...20 { voice.note(level: Float(-second), of: second) }
    #expect(voice.level(of: 20) == -20 && voice.level(of: 13) == -13)
    #expect(voice.level(of: 12) == nil && voice.level(of: 21) == nil)
  }
}
