import AudioInput
import Simulated
import Synchronization
import TestSupport
import Testing

/// A device that gives samples until it fails; each sample is its number since the clock began.
private final class ScriptedDevice: AudioSource {
  let sampleRate = 16_000
  let name = "scripted"
  private let time: SimulatedTime
  private let fault: AudioInputError
  private let left: Mutex<Int>
  private let delivered = Mutex(0)
  let isCancelled = Mutex(false)

  init(samples: Int, fault: AudioInputError, time: SimulatedTime) {
    left = Mutex(samples)
    self.fault = fault
    self.time = time
  }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let count = left.withLock { left in
      let count = min(left, buffer.count)
      left -= count
      return count
    }
    guard count > 0 else { throw fault }
    let start = delivered.withLock { delivered in
      defer { delivered += count }
      return delivered
    }
    time.advance(Double(count) / 16_000)
    let end = time.sinceBoot
    for index in 0..<count {
      buffer[index] = Float(((end - 1_000) * 16_000).rounded()) - Float(count - index)
    }
    return AudioBlock(
      count: count, position: SamplePosition(Int64(start)), lostSamples: 0, lossReason: .overrun,
      captured: nil, capturedSinceBoot: end)
  }

  func cancel() { isCancelled.withLock { $0 = true } }
}

@Suite("A device that goes and comes back") struct DeviceSourceTests {
  let time = SimulatedTime()
  private let lost = AudioInputError.deviceLost(device: "d", reason: "unplugged")
  private let missing = AudioInputError.deviceMissing(device: "d", reason: "nobody")

  /// What an observer was told.
  private final class Notes: Sendable {
    let all = Mutex<[(condition: DeviceSource.Condition, position: Int64)]>([])

    func note(_ condition: DeviceSource.Condition, _ position: SamplePosition) {
      all.withLock { $0.append((condition, position.index)) }
    }

    var attempts: [Int] {
      all.withLock { $0 }.compactMap {
        if case .searching(_, let attempt, _) = $0.condition { attempt } else { nil }
      }
    }
  }

  @Test("One stream comes of many devices: what is missing between them is counted by the clock")
  func reopened() throws {
    let (time, missing, notes) = (time, missing, Notes())
    let openings = Mutex(0)
    let source = DeviceSource(
      name: "d", sampleRate: 16_000,
      first: ScriptedDevice(samples: 4_000, fault: lost, time: time), timekeeper: time,
      open: { [lost] () throws(AudioInputError) in
        let number = openings.withLock { openings in
          openings += 1
          return openings
        }
        // Five times it isn't there; then it is, and again after that.
        if number <= 5 { throw missing }
        return ScriptedDevice(samples: 5_000, fault: lost, time: time)
      }, observer: notes.note)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    var (position, gaps, wrong) = (0, [(lost: Int, at: Int)](), 0)
    while position < 200_000 {
      let block = try source.read(into: buffer)
      try #require(block.count > 0)
      if block.lostSamples > 0 { gaps.append((block.lostSamples, position)) }
      position += block.lostSamples
      #expect(block.position.index == Int64(position))
      // A sample's value is where the clock says it lies.
      for index in 0..<block.count where abs(buffer[index] - Float(position + index)) > 1 {
        wrong += 1
      }
      position += block.count
      #expect(block.lostSamples == 0 || block.lossReason == .deviceLost)
    }
    #expect(wrong == 0)
    // The first attempt is made at once a device is lost: 0.25, 0.5, 1, 2, 2 and 2 s of pauses.
    #expect(gaps.first?.at == 4_000)
    #expect(gaps.first.map { abs(Double($0.lost) / 16_000 - 7.75) < 0.01 } == true, "\(gaps)")
    #expect(notes.attempts.prefix(6) == [1, 2, 3, 4, 5, 6])
    #expect(notes.attempts.dropFirst(6).allSatisfy { $0 == 1 }, "samples begin the count anew")
    #expect(gaps.count == notes.all.withLock { $0.count { $0.condition == .listening } } - 1)
  }

  @Test("A device that isn't there at the start is waited for; the stream begins with its samples")
  func waited() throws {
    let (time, missing, notes) = (time, missing, Notes())
    let openings = Mutex(0)
    let source = DeviceSource(
      name: "d", sampleRate: 16_000, timekeeper: time,
      open: { [lost] () throws(AudioInputError) in
        let number = openings.withLock { openings in
          openings += 1
          return openings
        }
        if number <= 1_000 { throw missing }
        return ScriptedDevice(samples: 500, fault: lost, time: time)
      }, observer: notes.note)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    let block = try source.read(into: buffer)
    #expect(block.count == 160 && block.position.index == 0 && block.lostSamples == 0)
    #expect(notes.attempts == Array(1...1_000), "every attempt is told of")
    #expect(source.liveliness == 1_160)
    #expect(abs(time.sinceBoot - 1_000 - 1_995.76) < 0.001, "from the fourth on two seconds each")
  }

  @Test("Cancelled, it ends: while it waits for the device, and while it listens")
  func cancelled() throws {
    let missing = missing
    let waiting = DeviceSource(
      name: "d", sampleRate: 16_000, open: { () throws(AudioInputError) in throw missing },
      observer: { _, _ in })
    onThread { waiting.cancel() }
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    #expect(try waiting.read(into: buffer).count == 0)
    let device = ScriptedDevice(samples: 1_000, fault: lost, time: time)
    let listening = DeviceSource(
      name: "d", sampleRate: 16_000, first: device, timekeeper: time,
      open: { () throws(AudioInputError) in throw missing }, observer: { _, _ in })
    #expect(try listening.read(into: buffer).count == 160)
    listening.cancel()
    #expect(device.isCancelled.withLock { $0 }, "the card stops")
    #expect(try listening.read(into: buffer).count == 0)
  }

  @Test("A real clock's pause ends when it is interrupted, before or during it")
  func interruption() {
    let before = Interruption()
    before.call()
    SystemTime().pause(seconds: 1e9, unless: before)
    let during = Interruption()
    onThread { during.call() }
    SystemTime().pause(seconds: 1e9, unless: during)
    SystemTime().pause(seconds: 0.001, unless: Interruption())
    #expect(before.isCalled && during.isCalled)
  }
}

@Suite("A recording that begins again") struct LoopedSourceTests {
  @Test("is one stream: the same samples round after round, positions going on")
  func rounds() throws {
    let samples = noise(seed: 30, count: 1_000)
    let bytes = samples.withUnsafeBytes { Array($0) }
    let scratch = Scratch()
    let path = scratch.write(waveFile(bytes), to: "round.wav")
    let source = try LoopedSource { () throws(AudioInputError) in
      try SoundFile(path: path, sampleRate: 16_000)
    }
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    var position = 0
    while position < 10_500 {
      let block = try source.read(into: buffer)
      try #require(block.count > 0 && block.position.index == Int64(position))
      for index in 0..<block.count {
        #expect(buffer[index] == samples[(position + index) % samples.count])
      }
      position += block.count
    }
    source.cancel()
    #expect(try source.read(into: buffer).count == 0)
  }

  /// A WAV file of 32-bit floats, mono, at 16 kHz.
  private func waveFile(_ bytes: [UInt8]) -> [UInt8] {
    func little(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    return Array("RIFF".utf8) + little(36 + bytes.count, 4) + Array("WAVEfmt ".utf8)
      + little(16, 4) + little(3, 2) + little(1, 2) + little(16_000, 4) + little(64_000, 4)
      + little(4, 2) + little(32, 2) + Array("data".utf8) + little(bytes.count, 4) + bytes
  }
}
