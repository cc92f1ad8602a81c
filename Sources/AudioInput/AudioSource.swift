/// Where sound comes from: a card, a file or a pipe, as mono samples at one rate.
///
/// In: whatever the device or the file holds. Out: Float samples, full scale ±1, in stream order.
/// Lossy decoders and resampling may overshoot full scale a little; every sample is finite.
///
/// One thread reads. `cancel()` may come from any other.
public protocol AudioSource: AnyObject, Sendable {
  /// Samples per second that `read` delivers.
  var sampleRate: Int { get }

  /// What to call the source in a message.
  var name: String { get }

  /// Fills a buffer with the stream's next samples; waits for them where they aren't there yet.
  ///
  /// A block of fewer samples than asked for comes before a gap, or is the last: the call after it gives
  /// a block of none, or throws what ended the source. Read until either, or a fault behind the last
  /// sample (a file cut in the middle, a card unplugged) goes unseen.
  ///
  /// - Parameter buffer: Receives the samples. Any size gives the same stream.
  /// - Returns: What was written, and where it lies in the stream.
  /// - Throws: `AudioInputError` when the source failed; everything before the fault has been
  ///   delivered.
  /// - Complexity: No allocation after the first call. Where rates differ, libsoxr's queues grow to
  ///   their size in the stream's first quarter of a second, and anew behind a gap.
  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock

  /// Ends the source: a waiting `read` returns soon, with what it has.
  func cancel()
}

/// A place in a stream: the number of samples before it, delivered or lost.
public struct SamplePosition: Comparable, Hashable, Sendable {
  /// Samples since the stream's beginning.
  public let index: Int64

  /// Makes the position behind `index` samples.
  public init(_ index: Int64) {
    self.index = index
  }

  /// The position so many samples later.
  public func advanced(by samples: Int) -> SamplePosition {
    SamplePosition(index &+ Int64(samples))
  }

  /// The position as stream time.
  public func seconds(at sampleRate: Int) -> Double {
    Double(index) / Double(sampleRate)
  }

  /// Orders positions as they follow each other in the stream.
  public static func < (left: SamplePosition, right: SamplePosition) -> Bool {
    left.index < right.index
  }
}

/// What one `read` delivered: samples that follow each other without a gap.
public struct AudioBlock: Sendable {
  /// Samples written into the buffer.
  public let count: Int

  /// Where the first of them lies in the stream.
  public let position: SamplePosition

  /// Samples missing between the block before and this one, already counted in `position`.
  public let lostSamples: Int

  /// Why they are missing.
  public let lossReason: LossReason

  /// When the last sample was captured, in Unix seconds; nil for files and pipes.
  public let captured: Double?

  /// The same in seconds since boot, by a clock that never steps.
  package let capturedSinceBoot: Double?

  /// Describes a block.
  public init(
    count: Int, position: SamplePosition, lostSamples: Int = 0, lossReason: LossReason = .overrun,
    captured: Double? = nil
  ) {
    self.init(
      count: count, position: position, lostSamples: lostSamples, lossReason: lossReason,
      captured: captured, capturedSinceBoot: nil)
  }

  package init(
    count: Int, position: SamplePosition, lostSamples: Int, lossReason: LossReason,
    captured: Double?, capturedSinceBoot: Double?
  ) {
    self.count = count
    self.position = position
    self.lostSamples = lostSamples
    self.lossReason = lossReason
    self.captured = captured
    self.capturedSinceBoot = capturedSinceBoot
  }
}

/// Why samples of a microphone are missing.
public enum LossReason: Sendable {
  /// The card's buffer was full: nobody read it in time.
  case overrun
  /// The machine slept.
  case suspended
  /// The device was gone for a while.
  case deviceLost
  /// Whoever hears the samples was too late for them; they were counted.
  case overload

  /// Whether the number of missing samples was counted, or else told by a clock.
  public var isExact: Bool { self == .overload }
}

/// Which of a source's channels is listened to.
public enum ChannelSelection: Hashable, Sendable, LosslessStringConvertible {
  /// The mean of all channels.
  case mix
  /// One channel, counted from 1.
  case channel(Int)

  /// Parses "mix" or a channel's number, from 1.
  public init?(_ description: String) {
    if description == "mix" {
      self = .mix
    } else if let number = Int(description), number >= 1 {
      self = .channel(number)
    } else {
      return nil
    }
  }

  /// What `init(_:)` parses.
  public var description: String {
    switch self {
    case .mix: "mix"
    case .channel(let number): String(number)
    }
  }
}

/// The rates that sources and models may have, in Hz: telephone codecs to the fastest converters.
///
/// A header beyond them is damaged or lies, and the resampler's filters grow with the ratio.
public let supportedSampleRates = 1_000...768_000
