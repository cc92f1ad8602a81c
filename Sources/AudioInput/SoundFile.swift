import CSndFile
import Glibc
import Synchronization

/// A recording in any format that libsndfile reads, from a path or from memory -> mono samples.
///
/// Owns libsndfile's handle and block buffers, sized when it is opened. Opening reads the header, or
/// the whole of a small file; decoding happens in `read`, on the reader's thread, a block of some
/// thousand samples at a time.
public final class SoundFile: AudioSource, @unchecked Sendable {
  // Unchecked: one thread reads; what other threads may touch (`cancelled`) is atomic, the rest of
  // what they may see is immutable.

  /// Samples per second that `read` delivers.
  public let sampleRate: Int
  /// The path, or the name given with the bytes.
  public let name: String
  /// Samples per second in the file.
  public let fileRate: Int
  /// Channels in the file.
  public let fileChannels: Int
  /// Container and encoding in libsndfile's words, such as "WAV (Microsoft), Signed 16 bit PCM".
  public var formatName: String { Self.formatName(format) }
  /// Samples (of each channel) that the header promises, at the file's rate.
  ///
  /// Nil when it doesn't say; an estimate for some MP3 files.
  public let framesTotal: Int64?
  /// Samples (of each channel) decoded so far, at the file's rate.
  public private(set) var framesRead: Int64 = 0
  /// NaNs, infinities and absurd numbers that were replaced by 0 so far.
  public private(set) var nonFiniteSamples = 0

  private let format: Int32
  private let handle: OpaquePointer
  private let memory: UnsafeMutablePointer<MemoryFile>?
  private let missing: (promised: Int64, present: Int64)?
  private let lengthIsEstimate: Bool
  private let downmix: Downmix
  private let resampler: Resampler
  private let interleaved: UnsafeMutableBufferPointer<Float>
  private let cancelled = Atomic(false)
  private var fault: AudioInputError?
  private var position = SamplePosition(0)

  /// Files up to this size are read at once, two minutes of 16-bit sound at 16 kHz: libsndfile would
  /// ask the system for every 4 KB of them, which took as long as decoding.
  private static let largestInMemory: off_t = 4 << 20

  /// Seconds that the header promises; nil when it doesn't say.
  public var durationSeconds: Double? {
    framesTotal.map { Double($0) / Double(fileRate) }
  }

  /// Opens a file.
  ///
  /// - Parameters:
  ///   - path: Where it lies.
  ///   - sampleRate: Samples per second that `read` is to deliver.
  ///   - channels: Which of its channels to listen to.
  /// - Throws: `AudioInputError`, when it can't be opened, isn't sound, or hasn't the channel.
  public convenience init(
    path: String, sampleRate: Int, channels: ChannelSelection = .mix
  ) throws(AudioInputError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      switch errno {
      case ENOENT, ENOTDIR: throw .fileMissing(path: path)
      case EACCES: throw .filePermission(path: path)
      default: throw .inputOutput(name: path, code: errno)
      }
    }
    try self.init(
      descriptor: descriptor, path: path, sampleRate: sampleRate, channels: channels)
  }

  /// Opens a recording that lies in memory.
  ///
  /// - Parameters:
  ///   - bytes: The file's content; must stay where it is as long as the source lives.
  ///   - name: What to call it in messages.
  ///   - sampleRate: Samples per second that `read` is to deliver.
  ///   - channels: Which of its channels to listen to.
  /// - Throws: `AudioInputError`, when it can't be opened, isn't sound, or hasn't the channel.
  public convenience init(
    bytes: UnsafeRawBufferPointer, name: String, sampleRate: Int,
    channels: ChannelSelection = .mix
  ) throws(AudioInputError) {
    guard !bytes.isEmpty else { throw .empty(name: name) }
    try self.init(
      MemoryFile(bytes: bytes, isOwned: false), name: name, sampleRate: sampleRate,
      channels: channels)
  }

  /// Takes over a file in memory and frees it, now or when the source goes.
  private convenience init(
    _ file: MemoryFile, name: String, sampleRate: Int, channels: ChannelSelection
  ) throws(AudioInputError) {
    let memory = UnsafeMutablePointer<MemoryFile>.allocate(capacity: 1)
    memory.initialize(to: file)
    let bytes = file.bytes
    let missing = WaveHeader.missingBytes(fileSize: Int64(bytes.count)) { offset, buffer in
      guard offset <= bytes.count - buffer.count else { return false }
      buffer.copyMemory(from: .init(rebasing: bytes[Int(offset)...].prefix(buffer.count)))
      return true
    }
    var description = SF_INFO()
    var callbacks = MemoryFile.callbacks
    let handle: OpaquePointer
    switch SoundOpening.attempt({
      sf_open_virtual(&callbacks, Int32(SFM_READ), &description, memory)
    }) {
    case .success(let opened): handle = opened
    case .failure(let reason):
      MemoryFile.free(memory)
      throw .notSound(name: name, reason: reason.description)
    }
    try self.init(
      handle: handle, description: description, memory: memory, missing: missing, name: name,
      sampleRate: sampleRate, channels: channels)
  }

  /// Takes over an open file and closes it, now or when the source goes.
  private convenience init(
    descriptor: Int32, path: String, sampleRate: Int, channels: ChannelSelection
  ) throws(AudioInputError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .inputOutput(name: path, code: code)
    }
    let kind = status.st_mode & S_IFMT
    guard kind != S_IFDIR, kind != S_IFREG || status.st_size > 0 else {
      close(descriptor)
      throw kind == S_IFDIR ? .isDirectory(path: path) : .empty(name: path)
    }
    if kind == S_IFREG, status.st_size <= Self.largestInMemory {
      let file = MemoryFile(reading: descriptor, count: Int(status.st_size))
      let code = errno
      close(descriptor)
      guard let file else { throw .inputOutput(name: path, code: code) }
      try self.init(file, name: path, sampleRate: sampleRate, channels: channels)
      return
    }
    var missing: (promised: Int64, present: Int64)?
    if kind == S_IFREG {
      missing = WaveHeader.missingBytes(fileSize: Int64(status.st_size)) { offset, buffer in
        pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) == buffer.count
      }
    }
    // A pipe may have nothing in it for as long as it likes; only its own reader waits for it.
    var arrival = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&arrival, 1, -1) < 0, errno == EINTR {}
    var description = SF_INFO()
    let handle: OpaquePointer
    switch SoundOpening.attempt({
      sf_open_fd(descriptor, Int32(SFM_READ), &description, 1)
    }) {
    case .success(let opened): handle = opened
    case .failure(let reason):
      // libsndfile has closed the descriptor.
      throw .notSound(name: path, reason: reason.description)
    }
    try self.init(
      handle: handle, description: description, memory: nil, missing: missing, name: path,
      sampleRate: sampleRate, channels: channels)
  }

  /// Takes over libsndfile's handle; every number of its description is checked here.
  private init(
    handle: OpaquePointer, description: SF_INFO, memory: UnsafeMutablePointer<MemoryFile>?,
    missing: (promised: Int64, present: Int64)?, name: String, sampleRate: Int,
    channels: ChannelSelection
  ) throws(AudioInputError) {
    var opened = false
    defer {
      if !opened {
        sf_close(handle)
        memory.map(MemoryFile.free)
      }
    }
    let count = Int(description.channels)
    guard (1...maximumChannels).contains(count) else {
      throw .channelCountOutOfRange(name: name, channels: count)
    }
    guard description.frames != 0 else { throw .empty(name: name) }

    self.handle = handle
    self.memory = memory
    self.name = name
    self.sampleRate = sampleRate
    fileRate = Int(description.samplerate)
    fileChannels = count
    format = description.format
    let container = description.format & Int32(SF_FORMAT_TYPEMASK)
    lengthIsEstimate = container == Int32(SF_FORMAT_MPEG)
    // libsndfile says "unknown" by the largest number; anything near it would be a lie as well.
    framesTotal = (1..<(Int64(1) << 50)).contains(description.frames) ? description.frames : nil
    self.missing = missing
    downmix = try Downmix(channels, of: count, in: name)
    // 128 KB of decoded samples at a time.
    let blockSize = min(4096, 32768 / count)
    resampler = try Resampler(
      from: fileRate, to: sampleRate, blockSize: blockSize, name: name)
    interleaved = .allocate(capacity: blockSize * count)
    opened = true
  }

  deinit {
    sf_close(handle)
    memory.map(MemoryFile.free)
    interleaved.deallocate()
  }

  /// Decodes the next samples; see `AudioSource`.
  ///
  /// - Throws: `broken` or `cutShort` behind the last sample that could be decoded.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let count = try resampler.read(into: buffer, from: decode)
    if count == 0, buffer.count > 0, let fault { throw fault }
    let start = position
    position = start.advanced(by: count)
    return AudioBlock(count: count, position: start)
  }

  /// Ends the source at the next block.
  public func cancel() {
    cancelled.store(true, ordering: .relaxed)
  }

  /// Fills a block with mono samples at the file's rate; at the end, judges how it ended.
  private func decode(into block: UnsafeMutableBufferPointer<Float>) -> Int {
    guard !cancelled.load(ordering: .relaxed), let buffer = interleaved.baseAddress,
      let mono = block.baseAddress
    else { return 0 }
    // One channel needs no mixing and no copy.
    let source = fileChannels == 1 ? mono : buffer
    // libsndfile's count is trusted no further than the buffer.
    let got = min(max(Int(sf_readf_float(handle, source, Int64(block.count))), 0), block.count)
    nonFiniteSamples += silenceNonFinite(source, count: got * fileChannels)
    if fileChannels > 1 { downmix.apply(source, count: got, into: mono) }
    framesRead += Int64(got)
    if got < block.count {
      fault = faultAtEnd()
    }
    return got
  }

  private func faultAtEnd() -> AudioInputError? {
    if sf_error(handle) != SF_ERR_NO_ERROR {
      return .broken(
        name: name, sample: framesRead, fileRate: fileRate,
        reason: String(cString: sf_strerror(handle)))
    }
    if let missing, missing.present > 0 {
      let promised = Double(framesRead) * (Double(missing.promised) / Double(missing.present))
      return .cutShort(
        name: name, sample: framesRead, promised: Int64(promised.rounded()), fileRate: fileRate)
    }
    if let framesTotal, framesRead < framesTotal, !lengthIsEstimate {
      return .cutShort(name: name, sample: framesRead, promised: framesTotal, fileRate: fileRate)
    }
    return framesRead == 0 ? .empty(name: name) : nil
  }

  private static func formatName(_ format: Int32) -> String {
    let parts = [SF_FORMAT_TYPEMASK, SF_FORMAT_SUBMASK].map { mask in
      var description = SF_FORMAT_INFO()
      description.format = format & Int32(mask)
      let size = Int32(MemoryLayout<SF_FORMAT_INFO>.size)
      sf_command(nil, Int32(SFC_GET_FORMAT_INFO), &description, size)
      return description.name.map { String(cString: $0) } ?? "unknown"
    }
    return parts.joined(separator: ", ")
  }
}

/// A file in memory, for libsndfile's callbacks.
private struct MemoryFile {
  let bytes: UnsafeRawBufferPointer
  /// Whether the bytes are freed with it.
  let isOwned: Bool
  var offset = 0

  init(bytes: UnsafeRawBufferPointer, isOwned: Bool) {
    self.bytes = bytes
    self.isOwned = isOwned
  }

  /// Reads a file from its beginning, as much of it as there is by now.
  ///
  /// Nil when it can't be read; `errno` says why. Read, not mapped: a mapped file that somebody
  /// shortens ends the process.
  init?(reading descriptor: Int32, count: Int) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    var filled = 0
    while filled < count {
      let got = pread(
        descriptor, buffer.baseAddress.map { $0 + filled }, count - filled, off_t(filled))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else {
        let code = errno
        buffer.deallocate()
        errno = code
        return nil
      }
      if got == 0 { break }
      filled += got
    }
    self.init(bytes: UnsafeRawBufferPointer(rebasing: buffer[..<filled]), isOwned: true)
  }

  static func free(_ memory: UnsafeMutablePointer<MemoryFile>) {
    if memory.pointee.isOwned { memory.pointee.bytes.deallocate() }
    memory.deallocate()
  }

  static let callbacks = SF_VIRTUAL_IO(
    get_filelen: { file in Int64(at(file).pointee.bytes.count) },
    seek: { offset, origin, file in
      let size = at(file).pointee.bytes.count
      let start: Int
      switch origin {
      case SEEK_SET: start = 0
      case SEEK_CUR: start = at(file).pointee.offset
      case SEEK_END: start = size
      default: return -1
      }
      let (target, overflow) = start.addingReportingOverflow(Int(offset))
      guard !overflow, (0...size).contains(target) else { return -1 }
      at(file).pointee.offset = target
      return Int64(target)
    },
    read: { buffer, count, file in
      let left = at(file).pointee.bytes[at(file).pointee.offset...]
      let part = left.prefix(max(Int(count), 0))
      UnsafeMutableRawBufferPointer(start: buffer, count: part.count)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
      at(file).pointee.offset += part.count
      return Int64(part.count)
    },
    write: nil,
    tell: { file in Int64(at(file).pointee.offset) })

  private static func at(_ file: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<MemoryFile> {
    guard let file else { preconditionFailure("libsndfile called back without its file") }
    return file.assumingMemoryBound(to: MemoryFile.self)
  }
}
