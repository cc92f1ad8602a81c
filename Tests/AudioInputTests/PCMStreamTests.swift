import AudioInput
import Glibc
import TestSupport
import Testing

@Suite("PCMStream") struct PCMStreamTests {
  /// Integers of one encoding, and what they are as Float.
  private func encode(_ encoding: SampleEncoding, seed: UInt64, count: Int) -> ([UInt8], [Float]) {
    var bytes: [UInt8] = []
    var samples: [Float] = []
    func append(_ value: Int64, bytesEach: Int) {
      for byte in 0..<bytesEach { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
    for draw in noise(seed: seed, count: count) {
      switch encoding {
      case .u8:
        let value = Int64((draw * 128).rounded(.down))
        append(value + 128, bytesEach: 1)
        samples.append(Float(value) / 128)
      case .s16le:
        let value = Int64((draw * 32768).rounded(.down))
        append(value, bytesEach: 2)
        samples.append(Float(value) / 32768)
      case .s24le, .s24In32le:
        let value = Int64((draw * 8_388_608).rounded(.down))
        append(value, bytesEach: encoding.bytesPerSample)
        samples.append(Float(value) / 8_388_608)
      case .s32le:
        let value = Int64((draw * 2_147_483_648).rounded(.down))
        append(value, bytesEach: 4)
        samples.append(Float(value) / 2_147_483_648)
      case .f32le:
        append(Int64(draw.bitPattern), bytesEach: 4)
        samples.append(draw)
      }
    }
    return (bytes, samples)
  }

  /// A pipe into which a thread writes bytes in pieces of the given size, then closes it.
  private func pipe(_ bytes: [UInt8], inPieces size: Int) -> Int32 {
    var ends: [Int32] = [-1, -1]
    #expect(Glibc.pipe(&ends) == 0)
    let writeEnd = ends[1]
    onThread {
      for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = Array(bytes[start..<min(start + size, bytes.count)])
        _ = write(writeEnd, piece, piece.count)
      }
      close(writeEnd)
    }
    return ends[0]
  }

  @Test(
    "Every encoding, cut anywhere, gives its samples", arguments: SampleEncoding.allCases,
    [1, 3, 7, 4096])
  func encodings(encoding: SampleEncoding, pieceSize: Int) throws {
    let (bytes, samples) = encode(encoding, seed: 1, count: 2 * 3001)
    let descriptor = pipe(bytes, inPieces: pieceSize)
    defer { close(descriptor) }
    let source = try PCMStream(
      fileDescriptor: descriptor, format: .init(encoding: encoding, rate: 16000, channels: 2),
      sampleRate: 16000, channels: .channel(2))
    let heard = try readAll(source, blockSize: 333)
    #expect(heard == (0..<3001).map { samples[2 * $0 + 1] })
    #expect(source.leftoverBytes == 0)
  }

  @Test("The extremes of every encoding are full scale")
  func extremes() {
    let cases: [(SampleEncoding, [UInt8], Float)] = [
      (.u8, [0], -1), (.u8, [128], 0), (.u8, [255], 127 / 128),
      (.s16le, [0, 0x80], -1), (.s16le, [0xFF, 0x7F], 32767 / 32768),
      (.s24le, [0, 0, 0x80], -1), (.s24le, [0xFF, 0xFF, 0xFF], -0x1p-23),
      (.s24In32le, [0, 0, 0x80, 0x55], -1), (.s24In32le, [1, 0, 0, 0xFF], 0x1p-23),
      (.s32le, [0, 0, 0, 0x80], -1), (.f32le, [0, 0, 0x80, 0xBF], -1),
    ]
    for (encoding, bytes, expected) in cases {
      var sample: Float = .nan
      #expect(encoding.decode(bytes, count: 1, into: &sample) == 0)
      #expect(sample == expected, "\(encoding) \(bytes)")
    }
  }

  @Test("Resampling doesn't depend on how the pipe is cut or asked", arguments: [1, 160, 5000])
  func resampled(blockSize: Int) throws {
    let (bytes, _) = encode(.s16le, seed: 2, count: 44100)
    func hear(pieceSize: Int, blockSize: Int) throws -> [Float] {
      let descriptor = pipe(bytes, inPieces: pieceSize)
      defer { close(descriptor) }
      return try readAll(
        PCMStream(
          fileDescriptor: descriptor, format: .init(encoding: .s16le, rate: 44100, channels: 1),
          sampleRate: 16000), blockSize: blockSize)
    }
    let whole = try hear(pieceSize: 100_000, blockSize: 100_000)
    #expect(whole.count == 16000)
    #expect(try hear(pieceSize: 997, blockSize: blockSize) == whole)
  }

  @Test("A stream that ends in the middle of a sample says how many bytes were left")
  func leftover() throws {
    let (bytes, samples) = encode(.s24le, seed: 3, count: 100)
    let descriptor = pipe(Array(bytes.dropLast()), inPieces: 10)
    defer { close(descriptor) }
    let source = try PCMStream(
      fileDescriptor: descriptor, format: .init(encoding: .s24le, rate: 16000, channels: 1),
      sampleRate: 16000)
    #expect(try readAll(source) == Array(samples.dropLast()))
    #expect(source.leftoverBytes == 2)
  }

  @Test("Floats that aren't finite become silence and are counted")
  func nonFinite() throws {
    let bytes = [Float.nan, 0.25, -.infinity, 0.5].flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }
    let descriptor = pipe(bytes, inPieces: 5)
    defer { close(descriptor) }
    let source = try PCMStream(
      fileDescriptor: descriptor, format: .init(encoding: .f32le, rate: 16000, channels: 1),
      sampleRate: 16000)
    #expect(try readAll(source) == [0, 0.25, 0, 0.5])
    #expect(source.nonFiniteSamples == 2)
  }

  @Test("A waiting read ends when it is cancelled")
  func cancelled() throws {
    var ends: [Int32] = [-1, -1]
    #expect(Glibc.pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let source = try PCMStream(
      fileDescriptor: ends[0], format: .init(encoding: .s16le, rate: 16000, channels: 1),
      sampleRate: 16000)
    // Whether it comes before or while read waits, read has to return.
    onThread { source.cancel() }
    #expect(readUntilFault(source) == (0, nil))
  }

  @Test("A stream without samples, a closed descriptor and odd formats are errors")
  func errors() throws {
    let format = PCMFormat(encoding: .s16le, rate: 16000, channels: 1)
    let descriptor = pipe([], inPieces: 1)
    defer { close(descriptor) }
    let empty = try PCMStream(fileDescriptor: descriptor, format: format, sampleRate: 16000)
    #expect(readUntilFault(empty) == (0, .empty(name: "standard input")))

    let closed = try PCMStream(fileDescriptor: 9999, format: format, sampleRate: 16000)
    let fault = readUntilFault(closed).fault
    #expect(fault?.description == "standard input: Bad file descriptor")

    for (rate, channels) in [(0, 1), (-5, 1), (.max, 1), (16000, 0), (16000, -1), (16000, 1025)] {
      #expect(throws: AudioInputError.self) {
        try PCMStream(
          fileDescriptor: descriptor,
          format: .init(encoding: .u8, rate: rate, channels: channels), sampleRate: 16000)
      }
    }
  }
}
