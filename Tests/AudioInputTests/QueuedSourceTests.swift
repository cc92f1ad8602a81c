import AudioInput
import Glibc
import TestSupport
import Testing

/// Reads hops as they become ready; `nil` from `more` is the end of what is written.
private func samples(
  of source: QueuedSource, hop: Int, writing pieces: [ArraySlice<UInt8>]
) throws -> [Float] {
  var samples: [Float] = []
  let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: hop)
  defer { buffer.deallocate() }
  func readReady() throws -> Bool {
    while try source.prepare(hop) {
      let block = try source.read(into: buffer)
      #expect(block.position.index == Int64(samples.count))
      samples += buffer[..<block.count]
      if block.count < hop { return false }
    }
    return true
  }
  for var piece in pieces {
    while !piece.isEmpty {
      let taken = piece.withUnsafeBytes { source.write($0) }
      piece = piece.dropFirst(taken)
      _ = try readReady()
      if !piece.isEmpty { #expect(source.tookRoom(), "the writer waits, and there is room") }
    }
  }
  source.finish()
  #expect(try !readReady(), "the end is reached")
  return samples
}

private func pieces(_ bytes: [UInt8], of size: Int) -> [ArraySlice<UInt8>] {
  stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
}

@Suite("A queued source")
struct QueuedSourceTests {
  @Test(
    "gives what a pipe of the same bytes gives, however they are cut",
    arguments: [
      PCMFormat(encoding: .s16le, rate: 16_000, channels: 1),
      PCMFormat(encoding: .u8, rate: 8_000, channels: 1),
      PCMFormat(encoding: .s24le, rate: 48_000, channels: 2),
      PCMFormat(encoding: .s32le, rate: 44_100, channels: 3),
      PCMFormat(encoding: .s16le, rate: 4_000, channels: 16),
      PCMFormat(encoding: .s32le, rate: 192_000, channels: 1),
    ], [1, 97, 1_024, 1 << 20])
  func samplesOfAPipe(format: PCMFormat, framesEach: Int) throws {
    let frameBytes = format.encoding.bytesPerSample * format.channels
    // More than the queue of two seconds holds, and an end in the middle of a block.
    let frames = framesEach == 1 ? 5_003 : 5 * format.rate / 2 + 3
    var random = SplitMix64(seed: 7)
    let bytes = (0..<frames * frameBytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let scratch = Scratch()
    let path = scratch.path("pcm")
    let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    defer { close(file) }
    try #require(bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == bytes.count)
    lseek(file, 0, SEEK_SET)
    let pipe = try PCMStream(fileDescriptor: file, format: format, sampleRate: 16_000)
    var expected: [Float] = []
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 4_096)
    defer { buffer.deallocate() }
    while case let block = try pipe.read(into: buffer), block.count > 0 {
      expected += buffer[..<block.count]
    }

    let source = try QueuedSource(format: format, sampleRate: 16_000, most: 480, name: "test")
    let found = try samples(
      of: source, hop: 160, writing: pieces(bytes, of: framesEach * frameBytes))
    #expect(found.count == expected.count)
    #expect(found == expected, "the same bits")
  }

  @Test("takes two seconds and not a sample more until somebody reads")
  func bound() throws {
    let source = try QueuedSource(
      format: PCMFormat(encoding: .s16le, rate: 16_000, channels: 2), sampleRate: 16_000, most: 480,
      name: "test")
    let bytes = [UInt8](repeating: 0, count: 4 * 40_000)
    #expect(bytes.withUnsafeBytes { source.write($0) } == 4 * 32_000)
    #expect(bytes.withUnsafeBytes { source.write($0) } == 0)
    #expect(!source.tookRoom(), "half of it must be free first")
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 400)
    defer { buffer.deallocate() }
    for _ in 0..<40 {
      #expect(try source.prepare(400))
      #expect(try source.read(into: buffer).count == 400)
    }
    #expect(source.tookRoom())
    #expect(!source.tookRoom(), "said once")
    #expect(bytes.withUnsafeBytes { source.write($0) } == 4 * 16_000)
  }

  @Test("isn't ready before a hop is there, and gives what is left at the end")
  func ready() throws {
    let source = try QueuedSource(
      format: PCMFormat(encoding: .u8, rate: 16_000, channels: 1), sampleRate: 16_000, most: 480,
      name: "test")
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 160)
    defer { buffer.deallocate() }
    let bytes = [UInt8](repeating: 192, count: 170)
    #expect(bytes[..<159].withUnsafeBytes { source.write($0) } == 159)
    #expect(try !source.prepare(160))
    #expect(bytes[159...].withUnsafeBytes { source.write($0) } == 11)
    #expect(try source.prepare(160))
    #expect(try source.read(into: buffer).count == 160)
    #expect(try !source.prepare(160))
    source.finish()
    #expect(try source.prepare(160))
    #expect(try source.read(into: buffer).count == 10)
    #expect(buffer[..<10].allSatisfy { $0 == 0.5 })
    #expect(try source.prepare(160))
    #expect(try source.read(into: buffer).count == 0)
  }
}
