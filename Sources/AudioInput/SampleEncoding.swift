/// How a sample lies in memory, on a pipe or in a card's buffer.
///
/// The names are those of arecord, ffmpeg and sox, in lower case.
public enum SampleEncoding: String, CaseIterable, Sendable {
  /// 8 bits, 128 is silence.
  case u8
  /// 16 bits, signed, little-endian.
  case s16le
  /// 24 bits in three bytes, signed, little-endian.
  case s24le
  /// 24 bits in the lower three of four bytes, signed, little-endian; the fourth is ignored.
  case s24In32le = "s24_32le"
  /// 32 bits, signed, little-endian.
  case s32le
  /// 32-bit float, little-endian, full scale ±1.
  case f32le

  /// Bytes that a sample of one channel takes.
  public var bytesPerSample: Int {
    switch self {
    case .u8: 1
    case .s16le: 2
    case .s24le: 3
    case .s24In32le, .s32le, .f32le: 4
    }
  }

  /// Decodes samples, full scale ±1; integers are exact but for 32 bits, which round to 24.
  ///
  /// - Parameters:
  ///   - bytes: `count` samples, at any alignment.
  ///   - count: How many.
  ///   - samples: Receives them; must not overlap `bytes`.
  /// - Returns: How many weren't finite and became 0.
  package func decode(
    _ bytes: UnsafeRawPointer, count: Int, into samples: UnsafeMutablePointer<Float>
  ) -> Int {
    switch self {
    case .u8:
      for index in 0..<count {
        let value = bytes.load(fromByteOffset: index, as: UInt8.self)
        samples[index] = Float(Int32(value) &- 128) * 0x1p-7
      }
    case .s16le:
      for index in 0..<count {
        let value = bytes.loadUnaligned(fromByteOffset: 2 &* index, as: Int16.self)
        samples[index] = Float(Int16(littleEndian: value)) * 0x1p-15
      }
    case .s24le:
      for index in 0..<count {
        let low = bytes.loadUnaligned(fromByteOffset: 3 &* index, as: UInt16.self)
        let high = bytes.load(fromByteOffset: 3 &* index &+ 2, as: Int8.self)
        samples[index] = Float(Int32(high) << 16 | Int32(UInt16(littleEndian: low))) * 0x1p-23
      }
    case .s24In32le:
      for index in 0..<count {
        let value = bytes.loadUnaligned(fromByteOffset: 4 &* index, as: Int32.self)
        samples[index] = Float(Int32(littleEndian: value) << 8) * 0x1p-31
      }
    case .s32le:
      for index in 0..<count {
        let value = bytes.loadUnaligned(fromByteOffset: 4 &* index, as: Int32.self)
        samples[index] = Float(Int32(littleEndian: value)) * 0x1p-31
      }
    case .f32le:
      for index in 0..<count {
        let bits = bytes.loadUnaligned(fromByteOffset: 4 &* index, as: UInt32.self)
        samples[index] = Float(bitPattern: UInt32(littleEndian: bits))
      }
      return silenceNonFinite(samples, count: count)
    }
    return 0
  }
}
