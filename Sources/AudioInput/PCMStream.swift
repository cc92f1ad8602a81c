import Glibc

/// What raw samples on a pipe mean; nothing in them says so.
public struct PCMFormat: Hashable, Sendable {
  /// How each sample is written.
  public let encoding: SampleEncoding
  /// Samples per second and channel.
  public let rate: Int
  /// Channels, interleaved.
  public let channels: Int

  /// Describes raw samples; the numbers are checked when a stream is opened.
  public init(encoding: SampleEncoding, rate: Int, channels: Int) {
    self.encoding = encoding
    self.rate = rate
    self.channels = channels
  }
}

/// Raw samples from a pipe, a socket or standard input -> mono samples.
///
/// In: bytes, in pieces of any size. Out: samples, as soon as 10 ms of them have come. Owns its
/// buffers, not the descriptor. Waiting is done in `poll`, so that `cancel()` ends it.
public final class PCMStream: AudioSource, @unchecked Sendable {
  // Unchecked: one thread reads; `cancel` only writes to a pipe.

  /// Samples per second that `read` delivers.
  public let sampleRate: Int
  /// What to call the stream in a message.
  public let name: String
  /// What the bytes mean.
  public let format: PCMFormat
  /// NaNs, infinities and absurd numbers that were replaced by 0 so far.
  public private(set) var nonFiniteSamples = 0
  /// Bytes behind the last whole sample, when the stream ended in the middle of one.
  public private(set) var leftoverBytes = 0

  private let descriptor: Int32
  private let wakeUp: WakeUpPipe
  private let downmix: Downmix
  private let resampler: Resampler
  private let bytes: UnsafeMutableRawBufferPointer
  private let interleaved: UnsafeMutablePointer<Float>
  private var fault: AudioInputError?
  private var position = SamplePosition(0)

  /// Reads raw samples from a descriptor.
  ///
  /// - Parameters:
  ///   - fileDescriptor: Open for reading; stays the caller's, who closes it after the source.
  ///   - format: What the bytes mean.
  ///   - name: What to call the stream in messages.
  ///   - sampleRate: Samples per second that `read` is to deliver.
  ///   - channels: Which of its channels to listen to.
  /// - Throws: `AudioInputError`, when the format's numbers are out of range or it hasn't the
  ///   channel.
  public init(
    fileDescriptor: Int32, format: PCMFormat, name: String = "standard input", sampleRate: Int,
    channels: ChannelSelection = .mix
  ) throws(AudioInputError) {
    guard (1...maximumChannels).contains(format.channels) else {
      throw .channelCountOutOfRange(name: name, channels: format.channels)
    }
    descriptor = fileDescriptor
    self.format = format
    self.name = name
    self.sampleRate = sampleRate
    downmix = try Downmix(channels, of: format.channels, in: name)
    let blockSize = max(format.rate / 100, 1)
    resampler = try Resampler(
      from: format.rate, to: sampleRate, blockSize: blockSize, name: name)
    wakeUp = try WakeUpPipe(name: name)
    let samples = blockSize * format.channels
    interleaved = .allocate(capacity: samples)
    bytes = .allocate(byteCount: samples * format.encoding.bytesPerSample, alignment: 16)
  }

  deinit {
    interleaved.deallocate()
    bytes.deallocate()
  }

  /// Waits for the next samples; see `AudioSource`.
  ///
  /// - Throws: `inputOutput` when reading failed, `empty` when the stream ended without a sample.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let count = try resampler.read(into: buffer, from: receive)
    if count == 0, buffer.count > 0, let fault { throw fault }
    let start = position
    position = start.advanced(by: count)
    return AudioBlock(count: count, position: start)
  }

  /// Ends the stream: a waiting `read` returns soon.
  public func cancel() {
    wakeUp.signal()
  }

  /// Fills a block with mono samples at the stream's rate.
  private func receive(into block: UnsafeMutableBufferPointer<Float>) -> Int {
    guard let start = bytes.baseAddress, let mono = block.baseAddress else { return 0 }
    var filled = 0
    while filled < bytes.count {
      let got = readOnce(UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
      guard got > 0 else { break }
      filled += got
    }
    let bytesPerFrame = format.encoding.bytesPerSample * format.channels
    let count = filled / bytesPerFrame
    leftoverBytes = filled % bytesPerFrame
    nonFiniteSamples += format.encoding.decode(
      start, count: count * format.channels, into: interleaved)
    downmix.apply(interleaved, count: count, into: mono)
    if count == 0 && fault == nil && resampler.taken == 0 && !wakeUp.isSignalled {
      fault = .empty(name: name)
    }
    return count
  }

  /// Waits for bytes and takes what has come; 0 at the end, on a failure and when cancelled.
  private func readOnce(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
    while true {
      guard wakeUp.wait(for: descriptor) else { return 0 }
      let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if got >= 0 { return got }
      guard errno == EINTR || errno == EAGAIN else {
        fault = .inputOutput(name: name, code: errno)
        return 0
      }
    }
  }
}
