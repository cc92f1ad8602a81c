/// How the samples lie that a client sends: PCM, little-endian, channels interleaved.
public struct AudioFormat: Equatable, Sendable {
  /// Samples a second.
  public var rate: Int
  /// Bytes of a sample of one channel: 1 (unsigned), 2, 3 or 4 (signed).
  public var width: Int
  /// Channels of a sample frame.
  public var channels: Int

  /// Samples a second that are taken.
  public static let rates = 4_000...192_000
  /// Bytes of a sample that are taken.
  public static let widths = 1...4
  /// Channels that are taken.
  public static let channelCounts = 1...16

  /// A format; the numbers are within the ranges above.
  public init(rate: Int, width: Int, channels: Int) {
    precondition(
      Self.rates.contains(rate) && Self.widths.contains(width)
        && Self.channelCounts.contains(channels), "Only formats that can be heard")
    self.rate = rate
    self.width = width
    self.channels = channels
  }

  /// Bytes of a sample frame: one sample of each channel.
  public var frameBytes: Int { width * channels }
}

/// Hears what one client sends: made by the program, called by the server on its event loop.
///
/// Nothing here may wait. What is heard goes to the publisher that it was made with:
///
///     begin  ->  state(.running, epoch), then frames and detections      positions from 0
///     end    ->  what the rest of the audio gives, then ended
///     show   ->  the newest frame, or noFrame
public protocol AudioListener: AnyObject {
  /// Begins a new epoch; audio that was not heard yet is forgotten, unless `end` came after it.
  ///
  /// - Parameters:
  ///   - format: Of the audio to come.
  ///   - epoch: Its number.
  /// - Returns: False when there is no room for another beginning: to be tried again after
  ///   `roomMade`.
  func begin(_ format: AudioFormat, epoch: Int) -> Bool

  /// Takes audio of the epoch that `begin` began.
  ///
  /// - Parameter bytes: Whole sample frames.
  /// - Returns: Bytes taken, whole sample frames; fewer than given when two seconds wait to be
  ///   heard: the rest is to be given again after `roomMade`.
  func take(_ bytes: UnsafeRawBufferPointer) -> Int

  /// Says that the epoch's audio is complete.
  ///
  /// - Returns: False as `begin` does.
  func end() -> Bool

  /// Asks for the newest frame, with weights and feature row.
  func show()

  /// What was published has been read: a listener that waited for it goes on.
  func publicationsRead()

  /// The client has gone; nothing is published any more.
  func close()
}

/// Makes listeners for clients.
public protocol AudioListening: Sendable {
  /// Makes a listener; called on the server's event loop when a client sends its first audio.
  ///
  /// - Parameter publisher: Where it says what it hears.
  /// - Returns: The listener.
  /// - Throws: When the system has no thread or memory for it.
  func makeListener(publisher: FramePublisher) throws -> any AudioListener
}
