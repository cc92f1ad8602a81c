/// What a WAV header promises and the file doesn't hold.
///
/// libsndfile quietly shortens a recording that was cut off to what is there. This reads just
/// enough of the header (RIFF chunks: name, 32-bit little-endian size, content padded to an even
/// length) to tell.
enum WaveHeader {
  /// Sizes from here on mean "not known": programs that write WAV into a pipe put 0x7FFFFFFF less
  /// the header, 0x80000000 or 0xFFFFFFFF, and none goes back to correct it.
  private static let unknownSize: UInt32 = 0x7FFF_0000

  /// More chunks than any recorder writes before its samples; a bound for hostile files.
  private static let maximumChunks = 64

  /// Compares the bytes of samples that the header promises with those that there are.
  ///
  /// - Parameters:
  ///   - fileSize: The file's length in bytes.
  ///   - read: Fills a buffer from an offset; false when that many bytes aren't there.
  /// - Returns: Both numbers when some are missing, nil when none are or nobody can tell.
  static func missingBytes(
    fileSize: Int64, read: (Int64, UnsafeMutableRawBufferPointer) -> Bool
  ) -> (promised: Int64, present: Int64)? {
    withUnsafeTemporaryAllocation(byteCount: 12, alignment: 4) { bytes in
      func word(_ index: Int) -> UInt32 {
        UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
      }
      guard read(0, bytes), word(0) == fourCharacters("RIFF"), word(2) == fourCharacters("WAVE")
      else { return nil }
      var offset: Int64 = 12
      let header = UnsafeMutableRawBufferPointer(rebasing: bytes[..<8])
      for _ in 0..<maximumChunks where read(offset, header) {
        let size = word(1)
        let start = offset + 8
        if word(0) == fourCharacters("data") {
          guard size < unknownSize, Int64(size) > fileSize - start else { return nil }
          return (Int64(size), fileSize - start)
        }
        offset = start + Int64(size) + Int64(size & 1)
      }
      return nil
    }
  }

  private static func fourCharacters(_ name: StaticString) -> UInt32 {
    name.withUTF8Buffer { $0.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
  }
}
