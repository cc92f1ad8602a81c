import AudioInput
import Glibc
import Simulated
import Synchronization
import Testing

/// A microphone in a made-up world: one thread, one seed, whatever happens to cards in months happens
/// within minutes of stream time.
///
/// The card's samples are numbers that tell when they were captured; the reader checks each against the
/// position that the source gives it.
private final class MicrophoneWorld {
  let time = SimulatedTime()
  private var draws: SampleRingTests.Draws
  private var card: SimulatedCard?
  /// When the machine's microphone was first heard.
  private var origin: Double?
  /// From when on a device can be opened.
  private var presentFrom = 0.0
  private(set) var troubles: [String: Int] = [:]

  init(seed: UInt64) { draws = .init(state: seed) }

  func source() -> DeviceSource {
    // The world outlives its source, and everything is one thread.
    nonisolated(unsafe) let world = self
    return DeviceSource(
      name: "simulated", sampleRate: 16_000, timekeeper: time,
      open: { () throws(AudioInputError) in try world.open() }, observer: { _, _ in })
  }

  private func open() throws(AudioInputError) -> any AudioSource {
    guard time.sinceBoot >= presentFrom else {
      throw .deviceMissing(device: "simulated", reason: "unplugged")
    }
    origin = origin ?? card?.born
    let card = SimulatedCard(
      periods: 8 + draws.next(40), countingFrom: origin, time: time)
    self.card = card
    return try CaptureSource(
      card: card, sampleRate: 16_000, channels: .mix, timekeeper: time,
      idle: { [unowned self] capture in
        happen()
        capture()
      })
  }

  /// Now and then something happens.
  private func happen() {
    guard let card, draws.next(2_000) == 0 else { return }
    func note(_ trouble: String) { troubles[trouble, default: 0] += 1 }
    switch draws.next(6) {
    case 0:
      note("overrun")
      time.advance(0.4 + Double(draws.next(5_000)) / 1_000)
    case 1:
      note("sleep")
      card.trouble = .asleep(until: time.sinceBoot + Double(draws.next(10_000)))
    case 2:
      note("unplugged")
      card.trouble = .gone
      presentFrom = time.sinceBoot + Double(draws.next(100_000)) / 1_000
    case 3:
      note("deaf")
      card.trouble = .deaf
    case 4:
      note("late")
      time.advance(Double(draws.next(60)) / 1_000)
    default:
      note("clock set")
      let step = Double(draws.next(7_200)) - 3_600
      time.step(step)
    }
  }
}

@Suite("A microphone in a simulated world") struct CaptureSimulationTests {
  @Test(
    "Whatever happens to the card, every sample lies where it was captured, and time never runs back",
    arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
  func positions(seed: UInt64) throws {
    let world = MicrophoneWorld(seed: seed)
    let source = world.source()
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    var (end, worst, heard, lost) = (Int64(0), 0, 0, 0)
    while heard < 16_000 * 600 {
      let block = try source.read(into: buffer)
      try #require(block.count > 0, "seed \(seed)")
      try #require(
        block.position.index == end + Int64(block.lostSamples),
        "seed \(seed), sample \(end): position \(block.position.index), lost \(block.lostSamples)")
      for index in [0, block.count - 1] {
        let place = Int(block.position.index) + index
        worst = max(worst, SimulatedCard.distance(of: buffer[index], from: place))
      }
      end = block.position.advanced(by: block.count).index
      heard += block.count
      lost += block.lostSamples
    }
    // Every hole is estimated to a sample, and estimates of many holes may add up.
    let holes = world.troubles.values.reduce(0, +)
    let hours = Double(end) / 16_000 / 3_600
    print(
      "seed \(seed): \((hours * 10).rounded() / 10) h of stream time, \(holes) troubles, "
        + "off by \(worst) samples at most")
    #expect(
      worst <= 2 + holes,
      "seed \(seed): a sample lies \(worst) samples from where it was captured; \(world.troubles)")
    #expect(holes > 3 && lost > 0, "seed \(seed): \(world.troubles)")
  }

  @Test("The same seed is the same world")
  func repeatable() throws {
    func positions() throws -> [Int64] {
      let world = MicrophoneWorld(seed: 9)
      let source = world.source()
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
      defer { buffer.deallocate() }
      return try (0..<20_000).map { _ in try source.read(into: buffer).position.index }
    }
    #expect(try positions() == positions())
  }
}
