import AudioInput
import Glibc
import Simulated
import TestSupport
import Testing

/// What a card gives: rate, channels and format, with ALSA's name for the format.
struct CardFormat: CustomTestStringConvertible {
  let rate: Int
  let channels: Int
  let encoding: SampleEncoding
  let alsaName: String

  var device: String { "card_\(rate)_\(channels)_\(alsaName)" }
  var testDescription: String { "\(rate) Hz, \(channels) ch, \(alsaName)" }

  static let all = [8000, 44100, 48000].flatMap { rate in
    [1, 2, 6].flatMap { channels in
      [
        (SampleEncoding.s16le, "S16_LE"), (.s24le, "S24_3LE"), (.s24In32le, "S24_LE"),
        (.s32le, "S32_LE"), (.f32le, "FLOAT_LE"),
      ].map {
        CardFormat(rate: rate, channels: channels, encoding: $0.0, alsaName: $0.1)
      }
    }
  }

  /// Bits of a sample that say something.
  private var bits: Int {
    switch encoding {
    case .s16le: 16
    case .s32le: 32
    default: 24
    }
  }

  /// What a channel (from 0) holds, as exactly as the format can and a float can.
  func samples(_ channel: Int, count: Int) -> [Float] {
    let steps = Float(1 << (min(bits, 24) - 1))
    return noise(seed: 30 + UInt64(channel), count: count).map {
      ($0 * steps).rounded(.down) / steps
    }
  }

  /// The samples of all channels as the card gives them.
  func bytes(count: Int) -> [UInt8] {
    let all = (0..<channels).map { samples($0, count: count) }
    return (0..<count).flatMap { index in
      all.flatMap { channel -> ArraySlice<UInt8> in
        let sample = channel[index]
        let word =
          encoding == .f32le
          ? sample.bitPattern
          : UInt32(bitPattern: Int32(Double(sample) * Double(1 << (bits - 1))))
        return (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
          .prefix(encoding.bytesPerSample)
      }
    }
  }
}

/// ALSA devices without hardware: plugins that read samples from a file, in a configuration of
/// the test's own.
///
/// The `file` plugin gives its file's samples as fast as they are asked for, then its buffer's old
/// content for ever; so tests read no further than the file.
enum Cards {
  static let mono = noise(seed: 20, count: 16000).map { ($0 * 32768).rounded(.down) / 32768 }
  static let scratch = Scratch()
  /// Samples of each channel in a card of `CardFormat`.
  static let formatFrames = 12_000

  /// Writes the configuration and makes ALSA use it, once for the process.
  static let installed: Bool = {
    func raw(_ channels: Int, _ name: String) -> String {
      let bytes = mono.flatMap { sample in
        (0..<channels).flatMap { channel in
          // Channel 1 has the samples; those behind it have them halved, quartered ...
          let value = Int16(sample * 32768) >> Int16(channel)
          return [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
        }
      }
      return scratch.write(bytes, to: name)
    }
    func fromFile(_ path: String) -> String {
      "{ type file slave.pcm { type null } file /dev/null infile \"\(path)\" format raw }"
    }
    let one = fromFile(raw(1, "one.raw"))
    let two = fromFile(raw(2, "two.raw"))
    func fixed(
      _ slave: String, _ rate: Int, _ channels: Int, _ format: String = "S16_LE"
    ) -> String {
      "{ type plug slave { pcm \(slave) rate \(rate) channels \(channels) format \(format) } }"
    }
    let formats = CardFormat.all.map { format in
      let file = scratch.write(format.bytes(count: formatFrames), to: "\(format.device).raw")
      return "pcm.\(format.device) "
        + fixed(fromFile(file), format.rate, format.channels, format.alsaName)
    }
    let companded = scratch.write((0..<16000).map { UInt8($0 % 256) }, to: "companded.raw")
    let configuration = """
      pcm.one \(one)
      pcm.two \(two)
      pcm.at48000 \(fixed(one, 48000, 1))
      pcm.at44100 \(fixed(one, 44100, 1))
      pcm.at8000 \(fixed(one, 8000, 1))
      pcm.mystery { type no_such_plugin }
      pcm.companded \(fixed(fromFile(companded), 16000, 1, "MU_LAW"))
      \(formats.joined(separator: "\n"))
      """
    let path = scratch.write(configuration.utf8, to: "asound.conf")
    atexit { Cards.scratch.remove() }
    return setenv("ALSA_CONFIG_PATH", path, 1) == 0
  }()
}

@Suite("CaptureSource") struct CaptureSourceTests {
  init() throws {
    try #require(Cards.installed)
  }

  /// Reads so many samples and ends the source.
  private func hear(
    _ source: CaptureSource, _ count: Int, blockSize: Int = 160
  ) throws -> [Float] {
    let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: blockSize)
    defer {
      source.cancel()
      block.deallocate()
    }
    var samples: [Float] = []
    while samples.count < count {
      let got = try source.read(into: block)
      #expect(got.count == blockSize)
      #expect(got.position == SamplePosition(Int64(samples.count)))
      #expect(got.lostSamples == 0)
      let captured = try #require(got.captured)
      #expect(abs(captured - Double(time(nil))) < 3600)
      samples += block[..<got.count]
    }
    return samples
  }

  @Test("A card's samples arrive with their positions", arguments: [1, 160, 1000])
  func samplesArrive(blockSize: Int) throws {
    let source = try CaptureSource(device: "one", sampleRate: 16000)
    #expect(source.deviceRate == 16000)
    #expect(source.periodSize == 160)
    #expect(try hear(source, 16000, blockSize: blockSize) == Cards.mono)
  }

  @Test("One channel of several can be chosen")
  func secondChannel() throws {
    let source = try CaptureSource(device: "two", sampleRate: 16000, channels: .channel(2))
    #expect(source.deviceChannels == 2)
    let halved = Cards.mono.map { Float(Int16($0 * 32768) >> 1) / 32768 }
    #expect(try hear(source, 16000) == halved)
  }

  @Test(
    "A card's rate, channels and format are its own, and its samples are heard to the last bit",
    arguments: CardFormat.all)
  func native(card: CardFormat) throws {
    let rate = card.rate < 16000 ? card.rate : 16000
    for selection in [ChannelSelection.channel(card.channels), .mix] {
      let source = try CaptureSource(
        device: card.device, sampleRate: rate, channels: selection)
      #expect(source.deviceRate == card.rate)
      #expect(source.deviceChannels == card.channels)
      #expect(source.deviceEncoding == card.encoding)

      let channels = (0..<card.channels).map { card.samples($0, count: Cards.formatFrames) }
      let interleaved = (0..<Cards.formatFrames).flatMap { index in channels.map { $0[index] } }
      let downmix = try Downmix(selection, of: card.channels, in: "expected")
      let resampler = try Resampler(
        from: card.rate, to: rate, blockSize: source.periodSize, name: "expected")
      let count = 3200
      let expected = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      defer { expected.deallocate() }
      var offset = 0
      let got = try resampler.read(into: expected) { block in
        guard let mono = block.baseAddress else { return 0 }
        interleaved.withUnsafeBufferPointer { samples in
          guard let start = samples.baseAddress else { return }
          downmix.apply(start + offset * card.channels, count: block.count, into: mono)
        }
        offset += block.count
        return block.count
      }
      #expect(got == count)
      #expect(try hear(source, count) == Array(expected), "\(selection)")
    }
  }

  @Test("What a card gives in no format known here, ALSA converts")
  func companded() throws {
    let source = try CaptureSource(device: "companded", sampleRate: 16000)
    #expect(source.deviceEncoding == .s16le)
    // Of mu-law's bytes (ITU-T G.711) 0x00 is the lowest, 0x80 the highest, 0x7f is 0. The first
    // period alone: what ALSA's file plugin gives a converting one behind it lies elsewhere in the
    // file.
    let heard = try hear(source, 160)
    #expect(abs(heard[0] + 32124.0 / 32768) < 1e-6)
    #expect(abs(heard[128] - 32124.0 / 32768) < 1e-6)
    #expect(heard[127] == 0)
  }

  @Test("A card with another rate keeps it, and libsoxr resamples", arguments: [44100, 48000])
  func otherRate(rate: Int) throws {
    let source = try CaptureSource(device: "at\(rate)", sampleRate: 16000)
    #expect(source.deviceRate == rate)
    let count = 3200
    let resampler = try Resampler(
      from: rate, to: 16000, blockSize: source.periodSize, name: "expected")
    let expected = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { expected.deallocate() }
    var offset = 0
    let got = try resampler.read(into: expected) { block in
      for index in block.indices { block[index] = Cards.mono[offset + index] }
      offset += block.count
      return block.count
    }
    #expect(got == count)
    #expect(try hear(source, count) == Array(expected))
  }

  @Test("A card that is too slow, missing or misconfigured is refused with one line")
  func refused() {
    func message(_ device: String, _ channels: ChannelSelection = .mix) -> String {
      do {
        _ = try CaptureSource(device: device, sampleRate: 16000, channels: channels)
        return "opened"
      } catch {
        return error.description
      }
    }
    #expect(
      message("nosuch")
        == "device nosuch: not found (Unknown PCM nosuch); 'attnd devices' lists what there is")
    let slow = message("at8000")
    #expect(slow.hasPrefix("device at8000: offers 8000 Hz, "), "\(slow)")
    #expect(slow.hasSuffix(", the model needs 16000 Hz or more"), "\(slow)")
    #expect(message("mystery").hasPrefix("device mystery: "))
    #expect(message("one", .channel(0)).hasPrefix("device one: has no channel 0, expected 1"))
    #expect(message("one", .channel(.max)).hasPrefix("device one: has no channel "))
    #expect(message("").hasPrefix("device : "))
  }

}

@Suite("CaptureSource counts what is lost") struct CaptureGapTests {
  private func write(_ samples: [Float], to ring: SampleRing, lostBefore: Int = 0) {
    samples.withUnsafeBufferPointer { all in
      for start in stride(from: 0, to: all.count, by: ring.blockSize) {
        let part = all[start..<min(start + ring.blockSize, all.count)]
        ring.write(
          UnsafeBufferPointer(rebasing: part), captured: 0,
          lostBefore: start == 0 ? lostBefore : 0)
      }
    }
  }

  @Test("A gap between two blocks moves the position")
  func betweenBlocks() throws {
    let ring = SampleRing(blockSize: 100, blockCount: 16)
    let source = try CaptureSource(
      name: "card", ring: ring, deviceRate: 16000, sampleRate: 16000)
    write(noise(seed: 1, count: 200), to: ring)
    write(noise(seed: 2, count: 200), to: ring, lostBefore: 5000)
    ring.finish()
    let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: 200)
    defer { block.deallocate() }
    let first = try source.read(into: block)
    #expect(first.count == 200 && first.lostSamples == 0)
    let second = try source.read(into: block)
    #expect(second.count == 200 && second.lostSamples == 5000)
    #expect(second.position == SamplePosition(5200))
    #expect(Array(block) == noise(seed: 2, count: 200))
    #expect(source.lostSamples == 5000)
    #expect(try source.read(into: block).count == 0)
  }

  @Test("A gap within a block ends it: nothing of what was heard before is lost")
  func withinBlock() throws {
    var random = SplitMix64(seed: 71)
    for _ in 0..<200 {
      let ring = SampleRing(blockSize: 100, blockCount: 128)
      let source = try CaptureSource(
        name: "card", ring: ring, deviceRate: 16000, sampleRate: 16000)
      // Where each sample belongs in the stream.
      var expected: [Float] = []
      var end = 0
      for stretch in 0..<Int.random(in: 1...5, using: &random) {
        let lost = stretch == 0 ? 0 : Int.random(in: 1...500, using: &random)
        let samples = (0..<Int.random(in: 1...700, using: &random)).map { Float(end + lost + $0) }
        write(samples, to: ring, lostBefore: lost)
        expected += samples
        end += lost + samples.count
      }
      ring.finish()
      var heard: [Float] = []
      var position = 0
      let block = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: Int.random(in: 1...600, using: &random))
      defer { block.deallocate() }
      while case let got = try source.read(into: block), got.count > 0 {
        #expect(got.position.index == Int64(position + got.lostSamples))
        #expect(block[0] == Float(got.position.index))
        heard += block[..<got.count]
        position += got.lostSamples + got.count
      }
      #expect(heard == expected)
      #expect(source.lostSamples == end - expected.count)
    }
  }

  @Test("Resampled stretches begin anew, in their place", arguments: [44100, 48000])
  func resampled(rate: Int) throws {
    let lost = 12345
    let ring = SampleRing(blockSize: rate / 100, blockCount: 256)
    let source = try CaptureSource(
      name: "card", ring: ring, deviceRate: rate, sampleRate: 16000)
    let before = noise(seed: 6, count: rate)
    let after = noise(seed: 7, count: rate)
    write(before, to: ring)
    write(after, to: ring, lostBefore: lost)
    ring.finish()

    let fresh = SampleRing(blockSize: rate / 100, blockCount: 128)
    let alone = try CaptureSource(
      name: "card", ring: fresh, deviceRate: rate, sampleRate: 16000)
    write(after, to: fresh)
    fresh.finish()
    let expected = UnsafeMutableBufferPointer<Float>.allocate(capacity: 16000)
    let heard = UnsafeMutableBufferPointer<Float>.allocate(capacity: 16000)
    defer {
      expected.deallocate()
      heard.deallocate()
    }
    #expect(try alone.read(into: expected).count == 16000)
    #expect(try source.read(into: heard).count == 16000)
    let second = try source.read(into: heard)
    let place = Int((Double(rate + lost) * 16000 / Double(rate)).rounded())
    #expect(second.count == 16000)
    #expect(second.position == SamplePosition(Int64(place)))
    #expect(second.lostSamples == place - 16000)
    #expect(Array(heard) == Array(expected))
  }

  @Test("A reader that is too late finds a gap, and positions still fit")
  func overflow() throws {
    let ring = SampleRing(blockSize: 100, blockCount: 4)
    let source = try CaptureSource(
      name: "card", ring: ring, deviceRate: 16000, sampleRate: 16000)
    let samples = (0..<1000).map { Float($0) }
    write(samples, to: ring)
    #expect(source.droppedSamples == 600)
    let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: 400)
    defer { block.deallocate() }
    #expect(try source.read(into: block).count == 400)
    #expect(Array(block) == Array(samples[..<400]))
    write([1000, 1001], to: ring)
    ring.finish()
    let next = try source.read(into: block)
    #expect(next.count == 2 && next.lostSamples == 600)
    #expect(next.position == SamplePosition(1000))
    #expect(block[0] == 1000)
  }

  @Test("The time of capture is that of the block's last sample", arguments: [16000, 48000])
  func captured(rate: Int) throws {
    let ring = SampleRing(blockSize: rate / 100, blockCount: 128)
    let source = try CaptureSource(
      name: "card", ring: ring, deviceRate: rate, sampleRate: 16000, timekeeper: SimulatedTime())
    let silence = [Float](repeating: 0, count: rate / 100)
    for period in 1...100 {
      silence.withUnsafeBufferPointer { ring.write($0, captured: Double(period) * 0.01) }
    }
    ring.finish()
    let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: 70)
    defer { block.deallocate() }
    while case let got = try source.read(into: block), got.count > 0 {
      let end = got.position.advanced(by: got.count).seconds(at: 16000)
      let captured = try #require(got.captured)
      // Since boot, to which the system's idea of the time is added.
      #expect(abs(captured - 1_700_000_000 - end) < 1e-6)
    }
  }

  @Test(
    "A card that fails while it runs: its last samples, then the reason",
    arguments: [
      16000, 48000,
    ])
  func lostCard(rate: Int) throws {
    let ring = SampleRing(blockSize: 100, blockCount: 16)
    let source = try CaptureSource(name: "card", ring: ring, deviceRate: rate, sampleRate: 16000)
    write(noise(seed: 8, count: 900), to: ring)
    ring.finish(.deviceLost(device: "hw:1", reason: "No such device"))
    let (samples, fault) = readUntilFault(source)
    #expect(samples == 900 * 16000 / rate)
    #expect(fault?.description == "device hw:1: lost (No such device)")
  }

  @Test("A waiting read ends when it is cancelled")
  func cancelled() throws {
    let ring = SampleRing(blockSize: 100, blockCount: 4)
    let source = try CaptureSource(
      name: "card", ring: ring, deviceRate: 16000, sampleRate: 16000)
    onThread { source.cancel() }
    #expect(readUntilEnd(source) == 0)
  }

  private func readUntilEnd(_ source: CaptureSource) -> Int? {
    let (samples, fault) = readUntilFault(source)
    return fault == nil ? samples : nil
  }
}

@Suite("Capture devices") struct CaptureDeviceListTests {
  @Test("Listing works where there is no card")
  func list() throws {
    try #require(Cards.installed)
    let devices = try CaptureDeviceDescription.list()
    #expect(devices.allSatisfy { !$0.name.isEmpty && !$0.description.contains("\n") })
  }
}
