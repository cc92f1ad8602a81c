import AudioInput
import Testing

@Suite("FLACFile") struct FLACFileTests {
  private func decoded(_ bytes: [UInt8], rate: Int = 16_000) throws -> [Float] {
    try bytes.withUnsafeBytes { bytes in
      let file = try SoundFile(bytes: bytes, name: "made", sampleRate: rate)
      #expect(file.fileRate == rate && file.fileChannels == 1)
      #expect(file.formatName == "FLAC (Free Lossless Audio Codec), Signed 16 bit PCM")
      var samples = [Float](repeating: 0, count: Int(file.framesTotal ?? 0) + 1)
      let count = try samples.withUnsafeMutableBufferPointer { try file.read(into: $0).count }
      return Array(samples.prefix(count))
    }
  }

  @Test("Every sample of 16 bits comes out as it went in", arguments: [1, 4_095, 4_096, 4_097])
  func everySample(count: Int) throws {
    let all = (0..<65_536).map { Float($0 - 32_768) / 32_768 }
    #expect(try decoded(FLACFile.bytes(of: all, sampleRate: 16_000, name: "made")) == all)
    let few = Array(all.prefix(count))
    #expect(try decoded(FLACFile.bytes(of: few, sampleRate: 16_000, name: "made")) == few)
  }

  @Test(
    "What lies between is rounded, what lies beyond is clipped, what is no number is silence",
    arguments: [
      (0.5 / 32_768, 1), (0.49 / 32_768, 0), (-0.5 / 32_768, -1), (1, 32_767), (0.99999, 32_767),
      (-1, -32_768), (2, 32_767), (-1e30, -32_768), (.nan, 0), (.infinity, 0), (-.infinity, 0),
    ] as [(Float, Int16)])
  func rounded(sample: Float, integer: Int16) {
    #expect(FLACFile.integer(sample) == integer)
  }

  @Test("A tone takes less than it would as PCM; rates may be any that FLAC can say")
  func rates() throws {
    let tone = (0..<48_000).map { 0.3 * Float(($0 % 100) - 50) / 50 }
    for rate in [1_000, 8_000, 44_100, 384_000, 655_350] {
      let bytes = try FLACFile.bytes(of: tone, sampleRate: rate, name: "made")
      #expect(bytes.count < tone.count * MemoryLayout<Int16>.size * 3 / 4)
      #expect(try decoded(bytes, rate: rate).count == tone.count)
    }
  }

  @Test("What FLAC can't hold is an error that says so")
  func refused() {
    #expect(throws: AudioInputError.notEncoded(name: "made", reason: "there are no samples")) {
      try FLACFile.bytes(of: [], sampleRate: 16_000, name: "made")
    }
    #expect(throws: AudioInputError.self) {
      try FLACFile.bytes(of: [0], sampleRate: 768_000, name: "made")
    }
  }
}
