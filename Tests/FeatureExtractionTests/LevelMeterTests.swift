import FeatureExtraction
import Glibc
import TestSupport
import Testing

@Suite("Level meter")
struct LevelMeterTests {
  static func level(_ samples: [Float], pieces: Int = .max) -> Float {
    var meter = LevelMeter()
    var rest = samples[...]
    while !rest.isEmpty {
      let piece = rest.prefix(pieces)
      meter.push(piece.span)
      rest = rest.dropFirst(pieces)
    }
    return meter.read()
  }

  @Test("A full-scale square is at 0 dBFS, a full-scale sine 3 dB below, halves 6 dB below")
  func knownLevels() {
    let square = (0..<1_600).map { $0 / 20 % 2 == 0 ? Float(1) : -1 }
    let sine = (0..<1_600).map { Float(sin(2 * Double.pi * Double($0) / 16)) }
    #expect(Self.level(square) == 0)
    #expect(abs(Self.level(sine) + 3.0103) < 1e-4)
    #expect(abs(Self.level(square.map { 0.5 * $0 }) + 6.0206) < 1e-4)
  }

  @Test("Silence, and no samples at all, are at -120 dBFS")
  func silence() {
    #expect(Self.level([]) == -120)
    #expect(Self.level([Float](repeating: 0, count: 1_000)) == -120)
    #expect(Self.level([Float](repeating: 1e-9, count: 1_000)) == -120)
  }

  @Test("Reading begins anew")
  func readingBeginsAnew() {
    var meter = LevelMeter()
    meter.push([1, -1, 1, -1].span)
    #expect(meter.read() == 0)
    #expect(meter.read() == -120)
    meter.push([0.5].span)
    #expect(abs(meter.read() + 6.0206) < 1e-4)
  }

  @Test("The level depends on no cut by more than rounding", .seed(95))
  func cuts() {
    var random = SplitMix64()
    let samples = random.floats(5_000, scale: 0.3)
    let whole = Self.level(samples)
    for pieces in [1, 7, 160, 4_999] {
      #expect(abs(Self.level(samples, pieces: pieces) - whole) < 1e-4, "pieces of \(pieces)")
    }
  }

  @Test("A meter that isn't read for an hour still tells the level")
  func longTime() {
    var meter = LevelMeter()
    let hop = [Float](repeating: 0.3, count: 160)
    for _ in 0..<360_000 { meter.push(hop.span) }
    let level = meter.read()
    #expect(abs(level + 10.4576) < 1e-4, "got \(level)")
  }

  @Test("A NaN or an infinity reads as 300 dBFS and is gone at the next reading")
  func notANumber() {
    for bad in [Float.nan, .infinity, 3e38] {
      var meter = LevelMeter()
      meter.push([0, bad, 0].span)
      let level = meter.read()
      #expect(level > 200 && level.isFinite, "\(bad): \(level)")
      #expect(meter.read() == -120)
    }
  }
}
