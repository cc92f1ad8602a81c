import CSndFile
import Glibc

/// Mono samples -> the bytes of a FLAC file, 16 bits a sample.
///
/// Made in memory, so that whoever puts them on a disk learns from the system itself what went wrong
/// there. Full scale ±1 becomes ±32768, rounded to the nearest, what is beyond it clipped; nothing is
/// dithered. Samples that came from 16 bits come out as they were, bit for bit.
package enum FLACFile {
  /// What is encoded at a time.
  private static let blockSize = 4_096

  /// Encodes a recording.
  ///
  /// - Parameters:
  ///   - samples: At least one; a NaN or an infinity becomes 0.
  ///   - sampleRate: Samples a second, at most 655,350: what FLAC's header can say.
  ///   - name: What to call it in errors.
  /// - Returns: The file.
  /// - Throws: `AudioInputError.notEncoded`.
  package static func bytes(
    of samples: [Float], sampleRate: Int, name: String
  ) throws(AudioInputError) -> [UInt8] {
    guard !samples.isEmpty else {
      throw .notEncoded(name: name, reason: "there are no samples")
    }
    var description = SF_INFO()
    description.samplerate = Int32(clamping: sampleRate)
    description.channels = 1
    description.format = Int32(SF_FORMAT_FLAC | SF_FORMAT_PCM_16)
    let file = GrowingFile(expecting: samples.count)
    return try withExtendedLifetime(file) { () throws(AudioInputError) -> [UInt8] in
      var callbacks = GrowingFile.callbacks
      let context = Unmanaged.passUnretained(file).toOpaque()
      let handle: OpaquePointer
      switch SoundOpening.attempt({
        sf_open_virtual(&callbacks, Int32(SFM_WRITE), &description, context)
      }) {
      case .success(let opened): handle = opened
      case .failure(let reason): throw .notEncoded(name: name, reason: reason.description)
      }
      let isWhole = write(samples, to: handle)
      let reason = String(cString: sf_strerror(handle))
      // The header's numbers are written at the end.
      guard sf_close(handle) == 0, isWhole else {
        throw .notEncoded(name: name, reason: reason)
      }
      return file.bytes
    }
  }

  private static func write(_ samples: [Float], to handle: OpaquePointer) -> Bool {
    var block = [Int16](repeating: 0, count: min(blockSize, samples.count))
    var next = 0
    while next < samples.count {
      let count = min(block.count, samples.count - next)
      for i in 0..<count { block[i] = integer(samples[next + i]) }
      guard sf_writef_short(handle, block, Int64(count)) == Int64(count) else { return false }
      next += count
    }
    return true
  }

  /// A sample in 16 bits.
  package static func integer(_ sample: Float) -> Int16 {
    guard sample.isFinite else { return 0 }
    return Int16(max(-32_768, min(32_767, (sample * 32_768).rounded())))
  }
}

/// A file in memory that libsndfile writes.
private final class GrowingFile {
  private(set) var bytes: [UInt8] = []
  private var offset = 0

  /// - Parameter samples: How many will be encoded; speech takes about half of their bytes.
  init(expecting samples: Int) { bytes.reserveCapacity(4_096 + samples) }

  private func write(_ new: UnsafeRawBufferPointer) {
    let covered = min(new.count, bytes.count - offset)
    for i in 0..<covered { bytes[offset + i] = new[i] }
    bytes.append(contentsOf: new[covered...])
    offset += new.count
  }

  private func seek(_ distance: Int64, from origin: Int32) -> Int64 {
    let start: Int
    switch origin {
    case SEEK_SET: start = 0
    case SEEK_CUR: start = offset
    case SEEK_END: start = bytes.count
    default: return -1
    }
    let (target, overflow) = start.addingReportingOverflow(Int(distance))
    guard !overflow, (0...bytes.count).contains(target) else { return -1 }
    offset = target
    return Int64(target)
  }

  static let callbacks = SF_VIRTUAL_IO(
    get_filelen: { file in Int64(at(file).bytes.count) },
    seek: { distance, origin, file in at(file).seek(distance, from: origin) },
    read: { _, _, _ in 0 },
    write: { buffer, count, file in
      at(file).write(UnsafeRawBufferPointer(start: buffer, count: max(Int(count), 0)))
      return count
    },
    tell: { file in Int64(at(file).offset) })

  private static func at(_ file: UnsafeMutableRawPointer?) -> GrowingFile {
    guard let file else { preconditionFailure("libsndfile called back without its file") }
    return Unmanaged<GrowingFile>.fromOpaque(file).takeUnretainedValue()
  }
}
