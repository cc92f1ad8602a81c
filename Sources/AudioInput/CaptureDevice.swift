import Glibc
import Synchronization

/// A card while it runs: periods of mono samples at the card's rate, each with the time of its last
/// sample and the loss before its first.
///
/// Recovers by itself from overruns and from the machine's sleep. Owns its buffers; called by the
/// capture thread only.
package final class CaptureDevice: @unchecked Sendable {
  // Unchecked: made by who makes the source, then the capture thread's; `interruptions` is anybody's.

  /// One period of samples; `count` is 0 when nothing came within the waiting time.
  package struct Period {
    package var count = 0
    /// Samples that are missing before it.
    package var lostBefore = 0
    /// Why they are missing.
    package var lossReason = LossReason.overrun
    /// When the last sample was captured, in seconds since boot.
    package var captured = 0.0
  }

  /// With one the card would overrun while it is read.
  private static let minimumPeriods = 2
  /// How long a read waits before it lets the thread look whether it should stop.
  private static let waitMilliseconds: Int32 = 100
  /// After so long without a sample a device counts as failed: it must not be open and deaf.
  package static let silentSeconds = 5
  /// The oldest that a sample may be: more is a driver's mistake.
  private static let longestBacklog = 10

  let card: any CaptureCard
  /// Times the card overran or was suspended.
  let interruptions = Atomic(0)

  private let downmix: Downmix
  private let timekeeper: any Timekeeper
  private let bytes: UnsafeMutableRawBufferPointer
  private let interleaved: UnsafeMutablePointer<Float>
  private var clock: CaptureClock
  /// What stopped the card since the last period.
  private var interruption: LossReason?
  private var heardAt = 0.0
  private let never = Interruption()

  /// - Parameters:
  ///   - card: The card, not yet running.
  ///   - selection: Which of its channels to listen to.
  ///   - timekeeper: What time it is.
  /// - Throws: When the card hasn't got that channel, or too small a buffer.
  package init(
    card: any CaptureCard, channels selection: ChannelSelection, timekeeper: any Timekeeper
  ) throws(AudioInputError) {
    guard card.bufferSize >= Self.minimumPeriods * card.periodSize else {
      throw .deviceRefused(
        device: card.name, offers: "a buffer of \(card.bufferSize) samples",
        needs: "\(Self.minimumPeriods) periods of \(card.periodSize)")
    }
    downmix = try Downmix(selection, of: card.channels, in: "device \(card.name)")
    self.card = card
    self.timekeeper = timekeeper
    clock = CaptureClock(rate: card.rate)
    let samples = card.periodSize * card.channels
    bytes = .allocate(byteCount: samples * card.encoding.bytesPerSample, alignment: 16)
    // A plugin that claims samples without writing any (type null does) then gives silence.
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    interleaved = .allocate(capacity: samples)
  }

  deinit {
    bytes.deallocate()
    interleaved.deallocate()
  }

  /// Lets the card run.
  ///
  /// - Throws: `deviceFailed`.
  package func start() throws(AudioInputError) {
    heardAt = timekeeper.sinceBoot
    let status = card.start()
    guard status >= 0 else {
      throw .deviceFailed(device: card.name, step: "starting", reason: card.reason(status))
    }
  }

  /// Waits for a period and takes it; recovers from overruns and suspension.
  ///
  /// - Parameter mono: Receives up to `periodSize` samples.
  /// - Returns: What came; a count of 0 when nothing did and the card still runs.
  /// - Throws: `deviceLost`, or `deviceSilent`.
  package func read(into mono: UnsafeMutablePointer<Float>) throws(AudioInputError) -> Period {
    let ready = card.wait(milliseconds: Self.waitMilliseconds)
    guard ready > 0, let start = bytes.baseAddress else {
      try recover(from: ready)
      return Period()
    }
    let backlog = card.backlog()
    let asked = timekeeper.sinceBoot
    let got = card.read(into: start, frames: card.periodSize)
    guard got > 0 else {
      try recover(from: Int32(truncatingIfNeeded: got))
      return Period()
    }
    let count = min(got, card.periodSize)
    heardAt = asked
    // The last sample that was read is older than the newest by what waits behind it.
    let behind = min(max((backlog?.frames ?? count) - count, 0), Self.longestBacklog * card.rate)
    let captured = asked - (backlog?.age ?? 0) - Double(behind) / Double(card.rate)
    let lost = clock.advance(
      by: count, lastSample: captured, afterGap: interruption != nil)
    let reason = interruption ?? .overrun
    interruption = nil
    _ = card.encoding.decode(start, count: count * card.channels, into: interleaved)
    downmix.apply(interleaved, count: count, into: mono)
    return Period(count: count, lostBefore: lost, lossReason: reason, captured: captured)
  }

  /// Sets the card going again after an overrun or a suspension; throws when it is gone.
  private func recover(from status: Int32) throws(AudioInputError) {
    switch status {
    case 0, -EAGAIN, -EINTR:
      guard timekeeper.sinceBoot - heardAt < Double(Self.silentSeconds) else {
        throw .deviceSilent(device: card.name, seconds: Self.silentSeconds)
      }
    case -EPIPE:
      try restart(after: .overrun)
    case -ESTRPIPE:
      // Awake again? If not yet, the next read comes back here.
      let resumed = card.resume()
      heardAt = timekeeper.sinceBoot
      if resumed == -EAGAIN {
        timekeeper.pause(seconds: 0.1, unless: never)
      } else if resumed < 0 {
        try restart(after: .suspended)
      } else {
        note(.suspended)
      }
    default:
      throw .deviceLost(device: card.name, reason: alsaReason(status))
    }
  }

  private func note(_ reason: LossReason) {
    interruptions.wrappingAdd(1, ordering: .relaxed)
    interruption = reason
  }

  private func restart(after reason: LossReason) throws(AudioInputError) {
    note(reason)
    let prepared = card.prepare()
    let status = prepared < 0 ? prepared : card.start()
    guard status >= 0 else {
      throw .deviceLost(device: card.name, reason: alsaReason(status))
    }
  }
}
