import Synchronization

/// A capture device that may go and come back: opened by name, again and again, for ever.
///
/// In: something that opens the device. Out: one stream of samples, through whatever becomes of the
/// device: while it is gone, `read` waits and looks for it; when it is back, what is missing is a gap
/// that the clock tells, and positions go on. Nothing but `cancel` ends it.
///
/// Owns the open device. One thread reads; the observer is called on that thread.
public final class DeviceSource: AudioSource, @unchecked Sendable {
  // Unchecked: one thread reads; `open` is handed over to it before, what others ask is atomic.

  /// What has become of the device.
  public enum Condition: Sendable, Equatable {
    /// It gives samples.
    case listening
    /// It can't be opened, or gives nothing any more; `attempt` counts from 1, and the next one comes
    /// after `pause` seconds.
    case searching(AudioInputError, attempt: Int, pause: Double)
  }

  /// Told of a change, and where in the stream it stands; on the thread that reads.
  public typealias Observer = @Sendable (Condition, SamplePosition) -> Void

  /// Opens the device.
  public typealias Opening = @Sendable () throws(AudioInputError) -> any AudioSource

  /// From the first attempt to the second; then twice that, and so on.
  private static let shortestPause = 0.25
  /// Between attempts: a microphone that is plugged in again is heard after so long.
  private static let longestPause = 2.0

  /// Samples per second that `read` delivers.
  public let sampleRate: Int
  /// The device, for messages.
  public let name: String

  private let open: Opening
  private let observer: Observer
  private let timekeeper: any Timekeeper
  private let interruption = Interruption()
  /// The open device, for `cancel`.
  private let shared = Mutex<(any AudioSource)?>(nil)

  // The reader's.
  private var device: (any AudioSource)?
  /// Where the open device's first sample lies in the stream.
  private var base: Int64 = 0
  /// Just after the last sample that was delivered.
  private var end = SamplePosition(0)
  /// When that was captured, in seconds since boot; nil before there was any.
  private var lastCaptured: Double?
  private var attempts = 0
  private var isListening = false

  private let progress = Atomic(0)

  /// Takes over a device that is open, or looks for one.
  ///
  /// - Parameters:
  ///   - name: The device, for messages.
  ///   - sampleRate: Samples per second that the devices deliver.
  ///   - first: The device, if it is open already.
  ///   - open: Opens it, on the thread that reads.
  ///   - observer: Told of every change, and of every attempt that failed.
  public convenience init(
    name: String, sampleRate: Int, first: (any AudioSource)? = nil, open: @escaping Opening,
    observer: @escaping Observer
  ) {
    self.init(
      name: name, sampleRate: sampleRate, first: first, timekeeper: SystemTime(), open: open,
      observer: observer)
  }

  package init(
    name: String, sampleRate: Int, first: (any AudioSource)? = nil, timekeeper: any Timekeeper,
    open: @escaping Opening, observer: @escaping Observer
  ) {
    self.name = name
    self.sampleRate = sampleRate
    self.open = open
    self.observer = observer
    self.timekeeper = timekeeper
    device = first
    shared.withLock { $0 = first }
  }

  /// Grows with every sample and every attempt; any thread may ask.
  ///
  /// A source of which it stands still hears nothing and looks for nothing.
  public var liveliness: Int { progress.load(ordering: .relaxed) }

  /// Waits for the next samples, and for the device if it is gone; see `AudioSource`.
  ///
  /// A device that comes back while a block is being filled ends the block early: less than was asked
  /// for isn't the end.
  ///
  /// - Parameter buffer: Receives the samples.
  /// - Returns: What was written; a count of 0 only after `cancel`.
  /// - Throws: Nothing: a device that fails is looked for.
  public func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    while !interruption.isCalled {
      guard let device = device ?? reopened() else { continue }
      do throws(AudioInputError) {
        let block = try device.read(into: buffer)
        if block.count > 0 { return place(block) }
        // Nothing and no error: it was cancelled, or is a device that simply ends.
        if interruption.isCalled { break }
        throw .deviceLost(device: name, reason: "it has ended")
      } catch {
        lose(error)
      }
    }
    return AudioBlock(count: 0, position: end)
  }

  /// Ends the source: a waiting `read` returns soon, and the card stops.
  public func cancel() {
    interruption.call()
    shared.withLock { $0 }?.cancel()
  }

  private func reopened() -> (any AudioSource)? {
    do throws(AudioInputError) {
      let opened = try open()
      shared.withLock { $0 = opened }
      // Who cancels now has either seen it, or is seen.
      if interruption.isCalled { opened.cancel() }
      device = opened
      return opened
    } catch {
      lose(error)
      return nil
    }
  }

  /// The device is gone, or not there: says so, and waits a while.
  private func lose(_ error: AudioInputError) {
    device = nil
    shared.withLock { $0 = nil }
    isListening = false
    attempts += 1
    progress.wrappingAdd(1, ordering: .relaxed)
    var pause = Self.shortestPause
    for _ in 1..<min(attempts, 8) where pause < Self.longestPause { pause *= 2 }
    pause = min(pause, Self.longestPause)
    observer(.searching(error, attempt: attempts, pause: pause), end)
    timekeeper.pause(seconds: pause, unless: interruption)
  }

  /// Puts a device's block where it belongs in the stream.
  private func place(_ block: AudioBlock) -> AudioBlock {
    var missing = block.lostSamples
    var reason = block.lossReason
    if !isListening {
      isListening = true
      attempts = 0
      if let gap = gap(before: block) {
        missing = gap
        reason = .deviceLost
      }
      base = end.index + Int64(missing) - block.position.index
      observer(.listening, SamplePosition(base + block.position.index))
    }
    let start = SamplePosition(base + block.position.index)
    end = start.advanced(by: block.count)
    lastCaptured = block.capturedSinceBoot ?? timekeeper.sinceBoot
    progress.wrappingAdd(block.count, ordering: .relaxed)
    return AudioBlock(
      count: block.count, position: start, lostSamples: missing, lossReason: reason,
      captured: block.captured, capturedSinceBoot: block.capturedSinceBoot)
  }

  /// Samples between the last that was heard and a new device's first; nil before there was any.
  private func gap(before block: AudioBlock) -> Int? {
    guard let lastCaptured else { return nil }
    let now = block.capturedSinceBoot ?? timekeeper.sinceBoot
    let elapsed = ((now - lastCaptured) * Double(sampleRate)).rounded() - Double(block.count)
    // A bound for a clock gone mad, as in `CaptureClock`.
    guard elapsed > 0, elapsed < 0x1p40 else { return 0 }
    return Int(elapsed)
  }
}
