import AudioInput
import CSndFile
import Glibc
import Synchronization
import TestSupport
import Testing

/// A file format to write and what may be expected of it.
struct FormatCase: CustomTestStringConvertible {
  let name: String
  let format: Int
  let rate: Int
  var channels = 1
  /// The least ratio of a 0.5 tone to everything else after resampling to 16 kHz.
  let snrDecibels: Double
  /// Samples by which a decoder's padding may lengthen it.
  var padding = 0

  var testDescription: String { "\(name), \(rate) Hz, \(channels) ch" }

  // A tone at half of full scale in b bits stands 6.02 b + 1.76 - 6.02 dB over the rounding noise
  // (Bennett); less 1 dB for the noise's own spread. Without rounding the limit is libsoxr HQ's 20
  // bits, 116 dB for a tone at half scale; we ask for 110. Lossy codecs: what was found, less 5.
  static let all: [FormatCase] = [
    .init(name: "u8.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_U8, rate: 16000, snrDecibels: 43),
    .init(name: "s16.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 8000, snrDecibels: 91),
    .init(name: "s16.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, snrDecibels: 91),
    .init(name: "s16.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 44100, snrDecibels: 91),
    .init(
      name: "s16.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 48000, channels: 2,
      snrDecibels: 91),
    .init(name: "s24.wav", format: SF_FORMAT_WAV | SF_FORMAT_PCM_24, rate: 44100, snrDecibels: 110),
    .init(name: "f32.wav", format: SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate: 48000, snrDecibels: 110),
    .init(name: "f32.wav", format: SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate: 22050, snrDecibels: 110),
    .init(
      name: "s16.rf64", format: SF_FORMAT_RF64 | SF_FORMAT_PCM_16, rate: 16000, snrDecibels: 91),
    .init(
      name: "s16.aiff", format: SF_FORMAT_AIFF | SF_FORMAT_PCM_16, rate: 32000, snrDecibels: 91),
    .init(
      name: "s16.flac", format: SF_FORMAT_FLAC | SF_FORMAT_PCM_16, rate: 16000, channels: 6,
      snrDecibels: 91),
    .init(
      name: "s24.flac", format: SF_FORMAT_FLAC | SF_FORMAT_PCM_24, rate: 96000, snrDecibels: 110),
    .init(name: "ulaw.au", format: SF_FORMAT_AU | SF_FORMAT_ULAW, rate: 8000, snrDecibels: 33),
    .init(
      name: "vorbis.ogg", format: SF_FORMAT_OGG | SF_FORMAT_VORBIS, rate: 44100, channels: 2,
      snrDecibels: 20),
    .init(
      name: "opus.ogg", format: SF_FORMAT_OGG | SF_FORMAT_OPUS, rate: 48000, snrDecibels: 20,
      padding: 1000),
    .init(
      name: "layer3.mp3", format: SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, rate: 44100,
      snrDecibels: 20, padding: 1200),
  ]
}

@Suite("SoundFile") struct SoundFileTests {
  let scratch = Scratch()

  @Test("A tone keeps its length, level and frequency", arguments: FormatCase.all)
  func toneSurvives(_ format: FormatCase) throws {
    let seconds = 2
    let mono = tone(997, rate: format.rate, count: seconds * format.rate)
    let interleaved = mono.flatMap { sample in (0..<format.channels).map { _ in sample } }
    let written = scratch.writeSound(
      interleaved, format.format, rate: format.rate, channels: format.channels, to: format.name)
    // A build of libsndfile without MP3 or Opus has nothing to test here.
    guard let path = written else { return }

    let source = try SoundFile(path: path, sampleRate: 16000)
    #expect(source.fileRate == format.rate)
    #expect(source.fileChannels == format.channels)
    let samples = try readAll(source)

    #expect((0...format.padding).contains(samples.count - seconds * 16000), "\(samples.count)")
    // The ends carry the filters' and codecs' transients.
    let (amplitude, snr) = fitTone(997, rate: 16000, to: samples[2000..<30000])
    #expect(abs(20 * log10(amplitude / 0.5)) < 0.1, "\(amplitude)")
    #expect(snr > format.snrDecibels, "\(snr) dB")
  }

  @Test("An impulse stays where it was in time", arguments: [8000, 11025, 44100, 48000, 96000])
  func impulseStays(rate: Int) throws {
    var samples = [Float](repeating: 0, count: rate)
    samples[rate / 5] = 0.9
    let path = try #require(
      scratch.writeSound(samples, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate: rate, to: "impulse.wav"))
    let heard = try readAll(SoundFile(path: path, sampleRate: 16000))
    #expect(heard.count == 16000)
    let peak = try #require(heard.indices.max { abs(heard[$0]) < abs(heard[$1]) })
    #expect(peak == 3200)
  }

  @Test(
    "The number of samples is the rounded ratio", arguments: [0, 1, 2, 3, 100, 4095, 4096, 4097])
  func lengthIsRounded(extra: Int) throws {
    let count = 4096 * 3 + extra
    let path = try #require(
      scratch.writeSound(
        noise(seed: 1, count: count), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 44100, to: "n.wav"))
    let samples = try readAll(SoundFile(path: path, sampleRate: 16000))
    #expect(samples.count == Int((Double(count) * 16000 / 44100).rounded()))
  }

  @Test(
    "Samples don't depend on how they are asked for", arguments: [16000, 44100],
    [1, 7, 160, 1600, 16000])
  func anyBlockSize(rate: Int, blockSize: Int) throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 2, count: 30011), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: rate, to: "n.wav"))
    let whole = try readAll(SoundFile(path: path, sampleRate: 16000), blockSize: 100_000)
    let pieces = try readAll(SoundFile(path: path, sampleRate: 16000), blockSize: blockSize)
    #expect(pieces == whole)
  }

  @Test("A channel can be chosen, and the mix is their mean")
  func channels() throws {
    let channels = [1, 2, 3].map { noise(seed: UInt64($0), count: 5000).map { $0 / 4 } }
    let interleaved = (0..<5000).flatMap { index in channels.map { $0[index] } }
    let path = try #require(
      scratch.writeSound(
        interleaved, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate: 16000, channels: 3, to: "three.wav"))
    for number in 1...3 {
      let source = try SoundFile(path: path, sampleRate: 16000, channels: .channel(number))
      #expect(try readAll(source) == channels[number - 1])
    }
    let mix = try readAll(SoundFile(path: path, sampleRate: 16000))
    for index in mix.indices {
      let mean = (channels[0][index] + channels[1][index] + channels[2][index]) / 3
      #expect(abs(mix[index] - mean) <= 2 * mean.ulp + .leastNormalMagnitude)
    }
    let error = #expect(throws: AudioInputError.self) {
      try SoundFile(path: path, sampleRate: 16000, channels: .channel(4))
    }
    #expect(error?.description == "\(path): has no channel 4, expected 1 to 3, or mix")
    #expect(throws: AudioInputError.self) {
      try SoundFile(path: path, sampleRate: 16000, channels: .channel(0))
    }
  }

  @Test("Channel selections parse as they print")
  func selectionText() {
    #expect(ChannelSelection("mix") == .mix)
    #expect(ChannelSelection("2") == .channel(2))
    #expect(ChannelSelection.channel(7).description == "7")
    for wrong in ["0", "-1", "left", "", "1.5"] {
      #expect(ChannelSelection(wrong) == nil)
    }
  }

  @Test(
    "A file in memory gives the same bits as on disk",
    arguments: [
      SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
      SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III,
    ])
  func memoryEqualsFile(format: Int) throws {
    guard
      let path = scratch.writeSound(
        noise(seed: 3, count: 20000), format, rate: 44100, to: "same")
    else { return }
    let onDisk = try readAll(SoundFile(path: path, sampleRate: 16000))
    let inMemory = try bytesOfFile(path).withUnsafeBytes { bytes in
      try readAll(SoundFile(bytes: bytes, name: "demo", sampleRate: 16000))
    }
    #expect(inMemory == onDisk)
  }

  @Test("What a file says about itself")
  func facts() throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 4, count: 24000 * 2), SF_FORMAT_WAV | SF_FORMAT_PCM_24, rate: 48000,
        channels: 2, to: "facts.wav"))
    let source = try SoundFile(path: path, sampleRate: 16000)
    #expect(source.framesTotal == 24000)
    #expect(source.durationSeconds == 0.5)
    #expect(source.formatName == "WAV (Microsoft), Signed 24 bit PCM")
    #expect(source.name == path)
    _ = try readAll(source)
    #expect(source.framesRead == 24000)
  }

  @Test("NaNs, infinities and absurd numbers become silence and are counted")
  func nonFinite() throws {
    var samples = noise(seed: 5, count: 9000)
    let bad: [Int: Float] = [0: .nan, 100: .infinity, 4096: -.infinity, 8999: 1e30]
    for (index, value) in bad { samples[index] = value }
    let path = try #require(
      scratch.writeSound(samples, SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate: 16000, to: "nan.wav"))
    let source = try SoundFile(path: path, sampleRate: 16000)
    let heard = try readAll(source)
    #expect(source.nonFiniteSamples == bad.count)
    for index in bad.keys { samples[index] = 0 }
    #expect(heard == samples)
  }

  @Test("A cancelled file ends")
  func cancelled() throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 6, count: 90000), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "c.wav"))
    let source = try SoundFile(path: path, sampleRate: 16000)
    source.cancel()
    #expect(readUntilFault(source) == (0, nil))
  }
}

@Suite("SoundFile refuses with one clear line") struct SoundFileErrorTests {
  let scratch = Scratch()

  private func message(_ path: String) -> String? {
    do {
      _ = try SoundFile(path: path, sampleRate: 16000)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("what isn't there, isn't readable, isn't a file")
  func paths() {
    let missing = scratch.path("missing.wav")
    #expect(message(missing) == "sound file \(missing): no such file")
    #expect(
      message(scratch.folder) == "sound file \(scratch.folder): is a directory, expected a file")
    let locked = scratch.write([1, 2, 3], to: "locked.wav")
    chmod(locked, 0)
    if geteuid() != 0 {
      #expect(message(locked) == "sound file \(locked): permission denied")
    }
  }

  @Test("what holds nothing")
  func empty() throws {
    let nothing = scratch.write([], to: "nothing.wav")
    #expect(message(nothing) == "\(nothing): holds no samples")
    let header = try #require(
      scratch.writeSound([], SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "header.wav"))
    #expect(message(header) == "\(header): holds no samples")
    #expect(throws: AudioInputError.empty(name: "demo")) {
      try SoundFile(
        bytes: UnsafeRawBufferPointer(start: nil, count: 0), name: "demo", sampleRate: 16000)
    }
  }

  @Test("what is text")
  func text() {
    let notes = scratch.write("These are notes, not a recording.\n".utf8, to: "notes.wav")
    let line = message(notes) ?? ""
    #expect(line.hasPrefix("\(notes): not a sound file that can be read: "))
    #expect(!line.contains("\n"))
  }

  @Test("what is text, while other threads open what is sound")
  func textAmongSound() async throws {
    let notes = scratch.write("These are notes, not a recording.\n".utf8, to: "notes.wav")
    let sound = try #require(
      scratch.writeSound(
        [0.1, 0.2], SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "sound.wav"))
    let alone = try #require(message(notes))
    let others = await withTaskGroup(of: Set<String>.self) { group in
      for index in 0..<4 {
        group.addTask {
          var seen: Set<String> = []
          for _ in 0..<5_000 {
            // Two threads open sound, two what is none.
            if let line = message(index < 2 ? sound : notes) { seen.insert(line) }
          }
          return seen
        }
      }
      return await group.reduce(into: Set<String>()) { $0.formUnion($1) }
    }
    #expect(others == [alone])
  }

  @Test("a pipe without a writer's word keeps nobody else from opening")
  func silentPipe() throws {
    let pipe = scratch.path("pipe.wav")
    try #require(mkfifo(pipe, 0o600) == 0)
    let sound = try #require(
      scratch.writeSound(
        [0.1, 0.2], SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "sound.wav"))
    final class Outcome: Sendable {
      let line = Mutex<String??>(nil)
    }
    let outcome = Outcome()
    // A thread of its own: it waits, and the tests' threads are few.
    onThread { [self] in
      let line = message(pipe)
      outcome.line.withLock { $0 = .some(line) }
    }
    // It can be opened for writing as soon as the reader has it open; then it is given time to wait.
    var writer: Int32 = -1
    while writer < 0 {
      usleep(10_000)
      writer = open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      try #require(writer >= 0 || errno == ENXIO)
    }
    usleep(50_000)
    #expect(message(sound) == nil)
    #expect(outcome.line.withLock { $0 } == nil, "the pipe said nothing yet")
    write(writer, "nothing that is sound", 21)
    close(writer)
    var line: String??
    while line == nil {
      usleep(10_000)
      line = outcome.line.withLock { $0 }
    }
    #expect(line??.hasPrefix("\(pipe): not a sound file that can be read: ") == true)
  }

  @Test("a WAV cut in the middle, behind its last sample", arguments: [1, 100, 9999])
  func cutWave(missing: Int) throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 7, count: 10000), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "w.wav"))
    let whole = bytesOfFile(path)
    let cut = scratch.write(whole.dropLast(2 * missing), to: "cut.wav")
    let there = 10000 - missing
    let (samples, fault) = readUntilFault(try SoundFile(path: cut, sampleRate: 16000))
    #expect(samples == there)
    #expect(
      fault
        == .cutShort(name: cut, sample: Int64(there), promised: 10000, fileRate: 16000))
    let inMemory = try Array(whole.dropLast(2 * missing)).withUnsafeBytes { bytes in
      readUntilFault(try SoundFile(bytes: bytes, name: cut, sampleRate: 16000)).fault
    }
    #expect(inMemory == fault)
  }

  @Test("its message says where")
  func cutMessage() {
    let fault = AudioInputError.cutShort(
      name: "talk.wav", sample: 19744, promised: 48000, fileRate: 16000)
    #expect(
      fault.description
        == "talk.wav: ends at sample 19744 (1.234 s), its header promises 48000 samples")
  }

  @Test("a WAV written into a pipe, which promises everything, is whole")
  func streamedWave() throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 8, count: 5000), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "s.wav"))
    for size: UInt32 in [0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF] {
      var bytes = bytesOfFile(path)
      let data = try #require(
        bytes.indices.dropLast(4).first { Array(bytes[$0..<$0 + 4]) == Array("data".utf8) })
      for byte in 0..<4 { bytes[data + 4 + byte] = UInt8(truncatingIfNeeded: size >> (8 * byte)) }
      let streamed = scratch.write(bytes, to: "streamed-\(size).wav")
      #expect(readUntilFault(try SoundFile(path: streamed, sampleRate: 16000)) == (5000, nil))
    }
  }

  @Test("a FLAC cut in the middle, behind its last whole block")
  func cutFlac() throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 9, count: 50000), SF_FORMAT_FLAC | SF_FORMAT_PCM_16, rate: 16000, to: "f.flac"))
    let whole = bytesOfFile(path)
    let cut = scratch.write(whole.prefix(whole.count / 2), to: "cut.flac")
    let (samples, fault) = readUntilFault(try SoundFile(path: cut, sampleRate: 16000))
    #expect((1..<50000).contains(samples))
    switch fault {
    case .cutShort(_, let sample, _, _), .broken(_, let sample, _, _):
      #expect(sample == Int64(samples))
    default:
      Issue.record("no fault was reported, but \(String(describing: fault))")
    }
  }

  @Test("numbers in the header that no recording has")
  func absurdHeader() throws {
    let path = try #require(
      scratch.writeSound(
        noise(seed: 10, count: 500), SF_FORMAT_WAV | SF_FORMAT_PCM_16, rate: 16000, to: "h.wav"))
    let whole = bytesOfFile(path)
    // Offsets in a canonical 44-byte header: channels 22, rate 24, block 32, bits 34.
    for (offset, value) in [
      (22, 0), (22, 1024), (22, 0xFFFF), (24, 0), (24, 1), (26, 0x7FFF), (26, 0xFFFF), (32, 0),
      (32, 0xFFFF), (34, 0), (34, 0xFFFF), (40, 1), (42, 0x7000), (16, 0), (18, 0xFFFF), (4, 0),
    ] {
      var bytes = whole
      bytes[offset] = UInt8(value & 255)
      bytes[offset + 1] = UInt8(value >> 8)
      let damaged = scratch.write(bytes, to: "damaged.wav")
      // Either it is refused, or what can be had is had; it never crashes or hangs.
      if let source = try? SoundFile(path: damaged, sampleRate: 16000) {
        #expect(readUntilFault(source).samples < 20000)
      }
    }
    for rate in [0, -1, 999, 768_001, .max] {
      #expect(throws: AudioInputError.rateOutOfRange(name: path, rate: rate)) {
        try SoundFile(path: path, sampleRate: rate)
      }
    }
  }

  @Test("bytes changed at random", arguments: [UInt64(11), 12, 13])
  func randomDamage(seed: UInt64) throws {
    let formats = [
      SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
      SF_FORMAT_AIFF | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
    ]
    for format in formats {
      let path = try #require(
        scratch.writeSound(noise(seed: seed, count: 3000), format, rate: 16000, to: "r"))
      let whole = bytesOfFile(path)
      let draws = noise(seed: seed, count: 400).map { abs($0) }
      for round in 0..<100 {
        var bytes = whole
        for change in 0..<2 {
          let place = Int(draws[4 * round + 2 * change] * Float(min(bytes.count, 200)))
          bytes[place] = UInt8(draws[4 * round + 2 * change + 1] * 255)
        }
        bytes.withUnsafeBytes { memory in
          if let source = try? SoundFile(bytes: memory, name: "damaged", sampleRate: 16000) {
            let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4000)
            defer { block.deallocate() }
            block.initialize(repeating: 0)
            // A few blocks: a damaged rate or length may promise hours of silence.
            for _ in 0..<10 { _ = try? source.read(into: block) }
            #expect(block.allSatisfy { $0.isFinite })
          }
        }
      }
    }
  }
}
