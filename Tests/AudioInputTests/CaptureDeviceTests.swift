import AudioInput
import Glibc
import Simulated
import Testing

@Suite("A card while it runs, on a simulated clock") struct CaptureDeviceTests {
  let time = SimulatedTime()

  /// Everything that a device gave: where each sample lies by the device's account, and where it was
  /// captured by the card's.
  private struct Heard {
    var position = 0
    var losses: [(samples: Int, reason: LossReason)] = []
    var worst = 0

    mutating func take(_ period: CaptureDevice.Period, _ samples: UnsafeMutablePointer<Float>) {
      if period.lostBefore > 0 { losses.append((period.lostBefore, period.lossReason)) }
      position += period.lostBefore
      for index in 0..<period.count {
        let distance = SimulatedCard.distance(of: samples[index], from: position + index)
        worst = max(worst, distance)
      }
      position += period.count
    }
  }

  private func hear(
    _ device: CaptureDevice, seconds: Double, into heard: inout Heard
  ) throws {
    let mono = UnsafeMutablePointer<Float>.allocate(capacity: 48_000)
    defer { mono.deallocate() }
    let end = time.sinceBoot + seconds
    while time.sinceBoot < end { heard.take(try device.read(into: mono), mono) }
  }

  @Test("Without trouble nothing is lost, and every sample lies where it was captured")
  func calm() throws {
    let card = SimulatedCard(time: time)
    let device = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    try device.start()
    var heard = Heard()
    try hear(device, seconds: 60, into: &heard)
    #expect(heard.losses.isEmpty && heard.worst == 0)
    #expect(heard.position == card.captured)
  }

  @Test(
    "A reader that sleeps too long loses samples, which are counted, and positions go on",
    arguments: [0.1, 0.5, 3, 86_400], [16_000, 44_100])
  func overrun(seconds: Double, rate: Int) throws {
    let card = SimulatedCard(rate: rate, time: time)
    let device = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    try device.start()
    var heard = Heard()
    try hear(device, seconds: 1, into: &heard)
    time.advance(seconds)
    try hear(device, seconds: 1, into: &heard)
    #expect(heard.losses.count == 1 && heard.losses.first?.reason == .overrun)
    // The clock tells to a sample, or two where the rate is no whole number of its ticks.
    #expect(heard.worst <= 2, "a sample lies \(heard.worst) samples from where it was captured")
  }

  @Test("A machine that sleeps loses what it slept through, and says so")
  func asleep() throws {
    let card = SimulatedCard(time: time)
    let device = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    try device.start()
    var heard = Heard()
    try hear(device, seconds: 1, into: &heard)
    card.trouble = .asleep(until: time.sinceBoot + 3_600)
    try hear(device, seconds: 3_602, into: &heard)
    #expect(heard.losses.count == 1 && heard.losses.first?.reason == .suspended)
    #expect(heard.worst <= 1 && heard.position > 3_600 * 16_000)
  }

  @Test("A card that is unplugged, or gives nothing for five seconds, is lost")
  func lost() throws {
    let card = SimulatedCard(time: time)
    let device = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    try device.start()
    var heard = Heard()
    try hear(device, seconds: 1, into: &heard)
    card.trouble = .deaf
    let before = time.sinceBoot
    #expect(throws: AudioInputError.deviceSilent(device: "simulated", seconds: 5)) {
      try hear(device, seconds: 100, into: &heard)
    }
    #expect((5..<5.5).contains(time.sinceBoot - before))
    card.trouble = .gone
    #expect(throws: AudioInputError.deviceLost(device: "simulated", reason: "No such device")) {
      try hear(device, seconds: 1, into: &heard)
    }
  }

  @Test("The time of capture is the clock's when the last sample was taken")
  func captured() throws {
    let card = SimulatedCard(periods: 50, time: time)
    let device = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    let start = time.sinceBoot
    try device.start()
    let mono = UnsafeMutablePointer<Float>.allocate(capacity: 48_000)
    defer { mono.deallocate() }
    var position = 0
    for turn in 0..<1_000 {
      // A reader that is late finds several periods; those that wait are younger.
      if turn % 7 == 0 { time.advance(0.037) }
      let period = try device.read(into: mono)
      position += period.count
      #expect(abs(period.captured - start - Double(position) / 16_000) < 1.1 / 16_000)
    }
  }

  @Test(
    "Every format of a card, with one channel or several, gives the samples that were captured",
    arguments: [SampleEncoding.s16le, .s24le, .s24In32le, .s32le], [1, 2, 6])
  func formats(encoding: SampleEncoding, channels: Int) throws {
    for selection in [ChannelSelection.mix] + (1...channels).map({ .channel($0) }) {
      for rate in [8_000, 44_100, 48_000] {
        let time = SimulatedTime()
        let card = SimulatedCard(
          rate: rate, channels: channels, encoding: encoding, time: time)
        let device = try CaptureDevice(card: card, channels: selection, timekeeper: time)
        try device.start()
        let mono = UnsafeMutablePointer<Float>.allocate(capacity: card.periodSize)
        defer { mono.deallocate() }
        var (position, worst) = (0, Float(0))
        while position < rate {
          let period = try device.read(into: mono)
          for index in 0..<period.count {
            let levels = (0..<channels).map {
              Float(SimulatedCard.level(of: position + index, channel: $0)) / 256
            }
            let expected =
              switch selection {
              case .mix: levels.reduce(0, +) / Float(channels)
              case .channel(let number): levels[number - 1]
              }
            worst = max(worst, abs(mono[index] - expected))
          }
          position += period.count
        }
        #expect(worst < 1e-6, "\(selection) at \(rate) Hz: off by \(worst)")
      }
    }
  }

  @Test("A buffer of less than two periods is refused")
  func smallBuffer() throws {
    let card = SimulatedCard(periods: 1, time: time)
    #expect(throws: AudioInputError.self) {
      _ = try CaptureDevice(card: card, channels: .mix, timekeeper: time)
    }
  }
}

@Suite("Samples that a card drops without a word") struct SilentLossTests {
  /// Periods of 10 ms from a card whose crystal is off by `drift`, with what the driver says of each.
  ///
  /// - Returns: Samples that were found missing.
  private func missing(
    seconds: Double, drift: Double = 0, late: (Int) -> Double = { _ in 0 },
    dropped: (Int) -> Double = { _ in 0 }
  ) -> Int {
    var clock = CaptureClock(rate: 16_000)
    var (now, lost) = (50.0, 0)
    for period in 0..<Int(seconds * 100) {
      now += 0.01 * (1 + drift) + dropped(period)
      lost += clock.advance(by: 160, lastSample: now + late(period), afterGap: false)
    }
    return lost
  }

  @Test("A crystal that is off, and a driver that is uncertain, lose nothing")
  func calm() {
    for drift in [-5e-4, -1e-5, 0, 1e-5, 5e-4] {
      #expect(missing(seconds: 7_200, drift: drift) == 0, "drift \(drift)")
    }
    var draws = SampleRingTests.Draws(state: 5)
    #expect(missing(seconds: 3_600, late: { _ in Double(draws.next(90)) / 1_000 }) == 0)
    #expect(missing(seconds: 3_600, late: { $0 % 30_000 < 60 ? 0.7 : 0 }) == 0, "for a moment")
  }

  @Test(
    "Samples that were dropped without a word are found within two seconds",
    arguments: [0.15, 0.88, 60])
  func silent(seconds: Double) {
    var draws = SampleRingTests.Draws(state: 6)
    let lost = missing(
      seconds: 62, late: { _ in Double(draws.next(20)) / 1_000 },
      dropped: { $0 == 5_999 ? seconds : 0 })
    #expect(abs(Double(lost) / 16_000 - seconds) < 0.03, "\(lost) samples for \(seconds) s")
  }

  @Test("A burst after a pause, of whose age the driver knows nothing, loses only what is missing")
  func burst() {
    var clock = CaptureClock(rate: 16_000)
    var (now, lost) = (50.0, 0)
    func hear(_ periods: Int, apart: Double) {
      for _ in 0..<periods {
        now += apart
        lost += clock.advance(by: 160, lastSample: now, afterGap: false)
      }
    }
    hear(500, apart: 0.01)
    // Three seconds nobody reads; 2.1 s of them were kept.
    now += 3
    hear(210, apart: 0.000_01)
    hear(500, apart: 0.01)
    #expect(abs(Double(lost) / 16_000 - 0.9) < 0.02, "\(lost) samples")
  }

  @Test("What was found missing isn't found again, and drops add up")
  func severalDrops() {
    let lost = missing(seconds: 600, drift: 1e-4, dropped: { $0 % 6_000 == 3_000 ? 0.5 : 0 })
    #expect(abs(Double(lost) / 16_000 - 5) < 0.1)
  }
}

@Suite("Who has a capture device") struct CaptureHolderTests {
  @Test("is read where the kernel tells it")
  func holders() {
    let scratch = Scratch()
    var folders: [String] = []
    defer {
      scratch.remove()
      for folder in folders.reversed() { rmdir(folder) }
      rmdir(scratch.folder)
    }
    func file(_ path: String, _ text: String) {
      var folder = scratch.folder
      for part in path.split(separator: "/").dropLast() {
        folder += "/" + part
        if mkdir(folder, 0o700) == 0 { folders.append(folder) }
      }
      _ = scratch.write(text.utf8, to: path)
    }
    file("asound/card1/pcm0c/sub0/status", "state: RUNNING\nowner_pid   : 77\ntrigger_time: 1\n")
    file("asound/card1/pcm0p/sub0/status", "state: RUNNING\nowner_pid   : 78\n")
    file("asound/card0/pcm2c/sub0/status", "closed\n")
    file("asound/card12/pcm3c/sub1/status", "owner_pid   : 9\n")
    file("proc/77/comm", "arecord\n")
    let holders = CaptureHolder.all(
      cards: scratch.folder + "/asound", processes: scratch.folder + "/proc")
    #expect(
      holders.map(\.description) == [
        "arecord (process 77, hw:1,0)", "a program (process 9, hw:12,3)",
      ])
    let error = AudioInputError.deviceBusy(device: "hw:1", holders: holders)
    #expect(
      "\(error)".hasSuffix(
        "capturing now: arecord (process 77, hw:1,0), a program (process 9, hw:12,3)"))
    #expect(CaptureHolder.all(cards: "/nowhere", processes: "/nowhere").isEmpty)
  }
}
