import AudioInput
import Simulated
import TestSupport

/// A microphone of a made-up world: a card that is unplugged and comes back as another one.
final class Microphone {
  /// What the sound is like.
  enum Mood: CaseIterable {
    case lively, silent, overdriven, offset
  }

  private static let rates = [8_000, 16_000, 44_100, 48_000]
  private static let encodings: [SampleEncoding] = [.s16le, .s24le, .s24In32le, .s32le, .f32le]

  private static let levels: [Float] = [0.5, 0.01, 0.1, 0.003]

  var mood = Mood.lively
  /// From when on it can be opened.
  var presentFrom = 0.0
  /// Called when the stream would wait for sound, with what the capture thread would do next.
  var whileIdle: (_ capture: () -> Void) -> Void = { $0() }
  private(set) var card: SimulatedCard?

  private let time: SimulatedTime
  private let sampleRate: Int
  private var random: SplitMix64
  /// When the first card was first heard: all count their samples from there.
  private var origin: Double?

  init(sampleRate: Int, time: SimulatedTime, seed: UInt64) {
    self.sampleRate = sampleRate
    self.time = time
    random = SplitMix64(seed: seed)
  }

  /// Opens it, each time as a card of another form.
  func open() throws(AudioInputError) -> any AudioSource {
    guard time.sinceBoot >= presentFrom else {
      throw .deviceMissing(device: "microphone", reason: "unplugged")
    }
    origin = origin ?? card?.born
    let rate = Self.rates[Int.random(in: 0..<Self.rates.count, using: &random)]
    let encoding = Self.encodings[Int.random(in: 0..<Self.encodings.count, using: &random)]
    let card = SimulatedCard(
      rate: rate, channels: Int.random(in: 1...2, using: &random), encoding: encoding,
      periods: Int.random(in: 8...48, using: &random), countingFrom: origin,
      signal: { [unowned self] in sound(at: $0, of: rate, channel: $1) }, time: time)
    self.card = card
    return try CaptureSource(
      card: card, sampleRate: sampleRate, channels: .mix, timekeeper: time,
      idle: { [unowned self] in whileIdle($0) })
  }

  /// Noise, loud and quiet by turns, that follows from the place in the stream.
  private func sound(at sample: Int, of rate: Int, channel: Int) -> Float {
    var noise = SplitMix64(seed: UInt64(truncatingIfNeeded: sample &* 2 &+ channel))
    // A fortieth of a second each.
    let piece = sample &* 40 / rate
    var draw = SplitMix64(seed: UInt64(truncatingIfNeeded: piece / 3))
    let value = noise.signedUnit() * Self.levels[Int(draw.next() % 4)]
    return switch mood {
    case .lively: value
    case .silent: 0
    case .overdriven: value < 0 ? -0.9999 : 0.9999
    case .offset: value * 0.2 + 0.6
    }
  }
}
