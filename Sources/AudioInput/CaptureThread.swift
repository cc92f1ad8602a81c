import CALSA
import Glibc
import Synchronization

/// Card -> ring, and nothing else.
///
/// Owns the device while it runs. Runs on a thread of its own, in real time where the system lets
/// it (SCHED_FIFO needs CAP_SYS_NICE or an rtprio limit); otherwise the card's half second of
/// buffer has to do.
final class CaptureThread: @unchecked Sendable {
  // Unchecked: `device`, `period` and the flags are the thread's, `handle` is the owner's.

  /// Above ordinary real-time work of a desktop, below the kernel's interrupt threads (50).
  private static let priority: Int32 = 20

  let device: CaptureDevice
  private let ring: SampleRing
  private let period: UnsafeMutableBufferPointer<Float>
  private let stopping = Atomic(false)
  private var handle: pthread_t?
  private var hasStarted = false
  private var hasEnded = false

  init(device: CaptureDevice, ring: SampleRing) {
    precondition(
      ring.blockSize >= device.card.periodSize, "a period must fit into the ring's block")
    self.device = device
    self.ring = ring
    period = .allocate(capacity: device.card.periodSize)
  }

  deinit {
    period.deallocate()
  }

  /// Starts the thread, which keeps this object alive until it ends.
  func start() throws(AudioInputError) {
    let realTime = create(realTime: true)
    let status = realTime == EPERM ? create(realTime: false) : realTime
    guard status == 0 else {
      throw .deviceFailed(
        device: device.card.name, step: "starting its thread", reason: systemReason(status))
    }
  }

  /// Asks the thread to end, and returns at once.
  func requestStop() {
    stopping.store(true, ordering: .relaxed)
  }

  /// Waits until the thread has ended: a waiting time of the device at most.
  func join() {
    guard let handle else { return }
    pthread_join(handle, nil)
    self.handle = nil
  }

  private func create(realTime: Bool) -> Int32 {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    if realTime {
      var parameters = sched_param()
      parameters.sched_priority = Self.priority
      pthread_attr_setinheritsched(&attributes, Int32(PTHREAD_EXPLICIT_SCHED))
      pthread_attr_setschedpolicy(&attributes, SCHED_FIFO)
      pthread_attr_setschedparam(&attributes, &parameters)
    }
    var thread = pthread_t()
    let retained = Unmanaged.passRetained(self)
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        pthread_setname_np(pthread_self(), "attnd-capture")
        Unmanaged<CaptureThread>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, retained.toOpaque())
    if status == 0 {
      handle = thread
    } else {
      retained.release()
    }
    return status
  }

  private func run() {
    while step() {}
  }

  /// Starts the card the first time, then moves a period from it into the ring, if one comes in time.
  ///
  /// - Returns: Whether there may be more; false once the ring knows that nothing follows.
  func step() -> Bool {
    guard !hasEnded, let start = period.baseAddress else { return false }
    do throws(AudioInputError) {
      if !hasStarted {
        hasStarted = true
        try device.start()
      }
      if stopping.load(ordering: .relaxed) {
        hasEnded = true
        ring.finish()
        return false
      }
      let got = try device.read(into: start)
      if got.count > 0 {
        ring.write(
          UnsafeBufferPointer(start: start, count: got.count), captured: got.captured,
          lostBefore: got.lostBefore, lossReason: got.lossReason)
      }
      return true
    } catch {
      hasEnded = true
      ring.finish(error)
      return false
    }
  }
}
