import AttentionSocket
import JSONText
import TestSupport
import Testing

private let keywords = [KeywordDescription(name: "alexa", phrase: "alexa", threshold: 0.5)]

/// A choice that can be told from others.
private func choice(_ number: Int) -> KeywordChoice {
  KeywordChoice(all: keywords, context: .number(String(number)))
}

@Suite("The timeline of a client's audio")
struct AudioTimelineTests {
  @Test("knows the chunk that holds the deciding sample, and its edges")
  func chunks() {
    var timeline = AudioTimeline(choice(0))
    timeline.begin(epoch: 0, rate: 16_000)
    for chunk in 0..<10 { timeline.append(sampleFrames: 1_024, timestamp: 5_000 + 64 * chunk) }
    func timestamp(_ sample: Int) -> Int? {
      timeline.moment(sample: sample, sampleRate: 16_000, epoch: 0).timestamp
    }
    // A position is just after the last sample that was seen.
    #expect(timestamp(1) == 5_000)
    #expect(timestamp(1_024) == 5_000)
    #expect(timestamp(1_025) == 5_064)
    #expect(timestamp(10_240) == 5_576)
    #expect(timestamp(99_999) == 5_576, "a resampler may be ahead of what was sent")
  }

  @Test("has no time for chunks that came without one")
  func withoutTimestamps() {
    var timeline = AudioTimeline(choice(0))
    timeline.begin(epoch: 0, rate: 16_000)
    timeline.append(sampleFrames: 100, timestamp: nil)
    timeline.append(sampleFrames: 100, timestamp: nil)
    timeline.append(sampleFrames: 100, timestamp: 7)
    timeline.append(sampleFrames: 0, timestamp: 8)
    func timestamp(_ sample: Int) -> Int? {
      timeline.moment(sample: sample, sampleRate: 16_000, epoch: 0).timestamp
    }
    #expect(timestamp(200) == nil)
    #expect(timestamp(201) == 7)
    #expect(timestamp(300) == 7)
  }

  @Test("counts each epoch from 0, at its own rate")
  func epochs() {
    var timeline = AudioTimeline(choice(0))
    timeline.begin(epoch: 0, rate: 48_000)
    timeline.append(sampleFrames: 48_000, timestamp: 1)
    timeline.begin(epoch: 1, rate: 8_000)
    timeline.append(sampleFrames: 4_000, timestamp: 2)
    timeline.append(sampleFrames: 4_000, timestamp: 3)
    func timestamp(_ sample: Int, _ epoch: Int) -> Int? {
      timeline.moment(sample: sample, sampleRate: 16_000, epoch: epoch).timestamp
    }
    #expect(timestamp(16_000, 0) == 1)
    #expect(timestamp(8_000, 1) == 2)
    #expect(timestamp(8_002, 1) == 3)
    #expect(timestamp(8_002, 7) == nil, "an epoch that never was")
  }

  @Test("applies a choice from the next sample on")
  func choices() {
    var timeline = AudioTimeline(choice(0))
    timeline.begin(epoch: 0, rate: 16_000)
    timeline.append(sampleFrames: 100, timestamp: nil)
    timeline.choose(choice(1))
    timeline.choose(choice(2))
    timeline.append(sampleFrames: 100, timestamp: nil)
    func chosen(_ sample: Int) -> KeywordChoice {
      timeline.moment(sample: sample, sampleRate: 16_000, epoch: 0).keywords
    }
    #expect(chosen(100) == choice(0))
    #expect(chosen(101) == choice(2))
    #expect(timeline.keywords == choice(2))
  }

  /// Everything remembered, nothing forgotten: what the timeline must say.
  private struct Diary {
    var starts: [(epoch: Int, total: Int, rate: Int)] = []
    var stamps: [Int?] = []
    var choices: [Int] = []
    var chosen = 0
  }

  @Test(
    "says of random conversations what a diary of every sample says", .seed(5), arguments: 0..<8)
  func random(_ run: Int) {
    var random = SplitMix64(seed: SeedTrait.current &+ UInt64(run))
    var timeline = AudioTimeline(choice(0))
    var diary = Diary()
    for _ in 0..<400 {
      switch Int.random(in: 0..<12, using: &random) {
      case 0:
        let rate = [8_000, 16_000, 44_100].randomElement(using: &random) ?? 16_000
        let epoch = diary.starts.count
        timeline.begin(epoch: epoch, rate: rate)
        diary.starts.append((epoch, diary.stamps.count, rate))
      case 1:
        diary.chosen += 1
        timeline.choose(choice(diary.chosen))
      default:
        guard !diary.starts.isEmpty else { continue }
        let count = Int.random(in: 0...300, using: &random)
        let stamp = Bool.random(using: &random) ? diary.stamps.count : nil
        timeline.append(sampleFrames: count, timestamp: stamp)
        diary.stamps += Array(repeating: stamp, count: count)
        diary.choices += Array(repeating: diary.chosen, count: count)
      }
      guard let now = diary.starts.last, diary.stamps.count > now.total else { continue }
      // A decision within the last second, which nothing may have been forgotten of.
      let heard = (diary.stamps.count - now.total) * 16_000 / now.rate
      guard heard > 0 else { continue }
      let sample = Int.random(in: max(1, heard - 15_000)...heard, using: &random)
      let place = now.total + Int(Double(sample - 1) * Double(now.rate) / 16_000)
      let moment = timeline.moment(sample: sample, sampleRate: 16_000, epoch: now.epoch)
      #expect(moment.timestamp == diary.stamps[place], "run \(run), sample \(sample)")
      // Of more than sixteen choices within a second the oldest are forgotten.
      if diary.chosen - diary.choices[place] < 15 {
        #expect(moment.keywords == choice(diary.choices[place]), "run \(run), sample \(sample)")
      }
      timeline.forget(before: heard, sampleRate: 16_000, epoch: now.epoch)
    }
  }
}
