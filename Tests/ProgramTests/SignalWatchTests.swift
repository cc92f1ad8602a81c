import Glibc
import TestSupport
import Testing
import attnd

/// What became of a signal, each change with the second it came in.
private func watch(
  _ sound: [Float], rate: Int = 16_000, piece: Int = 160
) throws -> [String] {
  var watch = try SignalWatch(sampleRate: rate)
  var changes: [String] = []
  sound.withUnsafeBufferPointer { all in
    var start = 0
    while start < all.count {
      let end = min(all.count, start + piece)
      watch.push(UnsafeBufferPointer(rebasing: all[start..<end])) { trouble, holds in
        changes.append("\(trouble) \(holds ? "on" : "off") \(end / rate)")
      }
      start = end
    }
  }
  return changes
}

private func noise(_ count: Int, _ level: Float, _ random: inout SplitMix64) -> [Float] {
  random.floats(count, scale: level)
}

private func sine(_ seconds: Int, _ hertz: Double, _ amplitude: Double) -> [Float] {
  (0..<16_000 * seconds).map { Float(amplitude * sin(2 * .pi * hertz * Double($0) / 16_000)) }
}

/// Noise through a low-pass of 255 taps, 4 kHz at 16 kHz: as what comes through 8 kHz.
private func telephone(_ sound: [Float]) -> [Float] {
  let half = 127
  let taps = (-half...half).map { n -> Float in
    let x = 2 * 0.2375 * Double(n)
    let sinc = n == 0 ? 1 : sin(.pi * x) / (.pi * x)
    let phase = Double(n + half) / Double(2 * half)
    // Blackman: 74 dB down.
    let window = 0.42 - 0.5 * cos(2 * .pi * phase) + 0.08 * cos(4 * .pi * phase)
    return Float(2 * 0.2375 * sinc * window)
  }
  return sound.indices.map { i in
    var sum: Float = 0
    for (k, tap) in taps.enumerated() where i >= k { sum += tap * sound[i - k] }
    return sum
  }
}

@Suite("What deafens people is found in the samples", .seed(62))
struct SignalWatchTests {
  @Test(
    "Ten seconds of one value are silence, a sample less is none", arguments: [0, 0.3] as [Float])
  func silence(value: Float) throws {
    var random = SplitMix64()
    let sound = noise(16_000, 0.01, &random)
    func quiet(_ samples: Int) throws -> [String] {
      try watch(sound + Array(repeating: value, count: samples) + sound)
        .filter { $0.hasPrefix("silence") }
    }
    #expect(try quiet(159_999).isEmpty)
    #expect(try quiet(160_160) == ["silence on 11", "silence off 11"])
    #expect(try quiet(480_000) == ["silence on 11", "silence off 31"])
  }

  @Test("The quietest microphone is not silence") func quietRoom() throws {
    var random = SplitMix64()
    // One step of sixteen bits, now and then.
    let sound = (0..<16_000 * 12).map { _ in
      random.next() % 1_000 == 0 ? Float(0x1p-15) : 0
    }
    #expect(try watch(sound).isEmpty)
  }

  @Test("Runs at full scale clip from a share of 1/400 on", arguments: [39, 42])
  func clipping(samples: Int) throws {
    var random = SplitMix64()
    var sound = noise(16_000 * 6, 0.3, &random)
    for run in 0..<samples / 3 {
      for k in 0..<3 { sound[16_000 + 1_000 * run + k] = run % 2 == 0 ? 1 : -1 }
    }
    #expect(try watch(sound) == (samples < 40 ? [] : ["clipping on 2", "clipping off 5"]))
  }

  @Test("Peaks that touch full scale do not clip") func loud() throws {
    #expect(try watch(sine(4, 3_000, 1)).filter { $0.hasPrefix("clipping") }.isEmpty)
    #expect(try watch(sine(4, 300, 1.5).map { min(1, max(-1, $0)) }).first == "clipping on 1")
  }

  @Test("The share that clips is that of the last second") func share() throws {
    var watch = try SignalWatch(sampleRate: 16_000)
    let second = (0..<16_000).map { $0 % 8 < 4 ? Float(1) : 0.1 }
    second.withUnsafeBufferPointer { watch.push($0) { _, _ in } }
    #expect(watch.clippedShare == 0.5)
  }

  @Test(
    "A mean is told of from 0.02 on, and where it outweighs the sound",
    arguments: [
      (0.019, 0.001, false), (0.021, 0.001, true), (0.1, 0.15, true), (0.1, 0.2, false),
    ])
  func offset(mean: Double, scale: Double, isTold: Bool) throws {
    var random = SplitMix64()
    let sound = noise(16_000 * 8, Float(scale), &random)
    let shifted = sound.map { $0 + Float(mean) }
    let told = try watch(shifted + noise(16_000 * 8, 0.1, &random))
      .filter { $0.hasPrefix("offset") }
    #expect(told == (isTold ? ["offset on 4", "offset off 12"] : []))
  }

  @Test("What came through 8 kHz is told of after five loud seconds, and its end")
  func narrowBand() throws {
    var random = SplitMix64()
    let wide = noise(16_000 * 6, 0.2, &random)
    let narrow = telephone(noise(16_000 * 6, 0.2, &random))
    #expect(try watch(wide + wide).isEmpty)
    #expect(try watch(narrow + wide) == ["narrowBand on 4", "narrowBand off 9"])
  }

  @Test("Neither a quiet room nor a bass is a telephone") func gentle() throws {
    var random = SplitMix64()
    // The telephone's silence: too quiet to tell.
    #expect(try watch(telephone(noise(16_000 * 8, 0.004, &random))).isEmpty)
    var low: Float = 0
    var lower: Float = 0
    // Two poles at 300 Hz: 45 dB down at 4 kHz, gently.
    let bass = noise(16_000 * 12, 1, &random).map { sample -> Float in
      low += 0.11 * (sample - low)
      lower += 0.11 * (low - lower)
      return lower
    }
    #expect(try watch(bass).isEmpty)
  }

  @Test("A model of 8 kHz expects nothing above 4") func telephoneModel() throws {
    var random = SplitMix64()
    #expect(try watch(noise(8_000 * 12, 0.2, &random), rate: 8_000).isEmpty)
  }

  @Test("How the samples are cut changes nothing", arguments: [1, 7, 159, 512, 4_096, 200_000])
  func pieces(size: Int) throws {
    var random = SplitMix64()
    let sound =
      telephone(noise(16_000 * 6, 0.2, &random)) + sine(3, 300, 1.5).map { min(1, max(-1, $0)) }
      + Array(repeating: Float(0.25), count: 16_000 * 11) + noise(16_000 * 6, 0.2, &random)
    func order(_ piece: Int) throws -> [String] {
      try watch(sound, piece: piece).map { String($0.prefix { $0 != " " }) }
    }
    let changes = try order(160)
    #expect(Set(changes) == ["narrowBand", "clipping", "offset", "silence"])
    // Within one piece what begins and ends isn't told.
    if size <= 4_096 { #expect(try order(size).sorted() == changes.sorted()) }
  }

  @Test("The project's own recordings have nothing wrong") func fixtures() throws {
    for name in ["keywords.flac", "demo.flac", "negative.flac", "noise.flac"] {
      #expect(try watch(samples(ofFixture: name)).isEmpty, "\(name)")
    }
  }

  @Test("Watching allocates nothing") func noAllocations() throws {
    var random = SplitMix64()
    let sound = noise(16_000 * 6, 0.9, &random)
    var watch = try SignalWatch(sampleRate: 16_000)
    var changes = 0
    expectNoAllocations("watching six seconds") {
      sound.withUnsafeBufferPointer { all in
        for start in stride(from: 0, to: all.count, by: 160) {
          watch.push(UnsafeBufferPointer(rebasing: all[start..<start + 160])) { _, _ in
            changes += 1
          }
        }
      }
    }
    #expect(changes == 0)
  }
}
