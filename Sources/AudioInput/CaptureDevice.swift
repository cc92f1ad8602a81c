import CALSA
import Glibc
import Synchronization

/// An open ALSA capture device: card -> mono samples at the card's rate.
///
/// In: a PCM's name ("default", "hw:1,0", one of .asoundrc). Out: periods of samples with the time
/// of the last and the loss before the first. Owns the ALSA handle and its buffers. Opened by who
/// makes the source, then called by the capture thread only.
///
/// The card keeps its native rate: ALSA's own resampler is switched off, libsoxr does better.
final class CaptureDevice: @unchecked Sendable {
  /// One period of samples; `count` is 0 when nothing came within the waiting time.
  struct Period {
    var count = 0
    var lostBefore = 0
    /// When the last sample was captured, in Unix seconds.
    var captured = 0.0
  }

  /// A period is what wakes the thread: a hundred times a second.
  private static let periodsPerSecond = 100
  /// The card's buffer, where it can: half a second of scheduling trouble is survived.
  private static let bufferPeriods = 50
  /// With one the card would overrun while it is read.
  private static let minimumPeriods = 2
  /// How long a read waits before it lets the thread look whether it should stop.
  private static let waitMilliseconds: Int32 = 100
  /// After so long without a sample a device counts as failed: it must not be open and deaf.
  private static let silentSeconds = 5

  let name: String
  let rate: Int
  let channels: Int
  let encoding: SampleEncoding
  /// Samples in a period; `read` never delivers more.
  let periodSize: Int
  /// Samples that the card's buffer holds.
  let bufferSize: Int
  /// Times the card overran or was suspended.
  let interruptions = Atomic(0)

  private let pcm: OpaquePointer
  private let downmix: Downmix
  private let bytes: UnsafeMutableRawBufferPointer
  private let interleaved: UnsafeMutablePointer<Float>
  private var clock: CaptureClock
  private var afterGap = false
  private var heardAt = 0.0

  /// Opens a device and settles on a rate, an encoding and a period.
  init(
    name: String, modelRate: Int, channels selection: ChannelSelection
  ) throws(AudioInputError) {
    attnd_alsa_listen()
    let pcm = try Self.open(name)
    var settled = false
    defer { if !settled { snd_pcm_close(pcm) } }
    let setup = try CaptureSetup(
      pcm: pcm, name: name, modelRate: modelRate, channels: selection,
      periodsPerSecond: Self.periodsPerSecond, bufferPeriods: Self.bufferPeriods)
    guard setup.bufferSize >= Self.minimumPeriods * setup.periodSize else {
      throw .deviceRefused(
        device: name, offers: "a buffer of \(setup.bufferSize) samples",
        needs: "\(Self.minimumPeriods) periods of \(setup.periodSize)")
    }
    downmix = try Downmix(selection, of: setup.channels, in: "device \(name)")
    self.pcm = pcm
    self.name = name
    rate = setup.rate
    channels = setup.channels
    encoding = setup.encoding
    periodSize = setup.periodSize
    bufferSize = setup.bufferSize
    clock = CaptureClock(rate: setup.rate)
    let samples = setup.periodSize * setup.channels
    bytes = .allocate(byteCount: samples * setup.encoding.bytesPerSample, alignment: 16)
    // A plugin that claims samples without writing any (type null does) then gives silence.
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    interleaved = .allocate(capacity: samples)
    settled = true
  }

  deinit {
    snd_pcm_close(pcm)
    bytes.deallocate()
    interleaved.deallocate()
  }

  /// Lets the card run.
  func start() throws(AudioInputError) {
    attnd_alsa_listen()
    heardAt = seconds(of: CLOCK_MONOTONIC)
    try check(snd_pcm_start(pcm), "starting")
  }

  /// Waits for a period and takes it; recovers from overruns and suspension.
  ///
  /// - Parameter mono: Receives up to `periodSize` samples.
  /// - Returns: What came; a count of 0 when nothing did and the card still runs.
  /// - Throws: `deviceLost`, or `deviceSilent`.
  func read(into mono: UnsafeMutablePointer<Float>) throws(AudioInputError) -> Period {
    let ready = snd_pcm_wait(pcm, Self.waitMilliseconds)
    guard ready > 0 else {
      try recover(from: ready)
      return Period()
    }
    let got = Int(snd_pcm_readi(pcm, bytes.baseAddress, snd_pcm_uframes_t(periodSize)))
    guard got > 0, let start = bytes.baseAddress else {
      try recover(from: Int32(truncatingIfNeeded: got))
      return Period()
    }
    let count = min(got, periodSize)
    heardAt = seconds(of: CLOCK_MONOTONIC)
    // How long ago the last sample was captured: those behind it wait in the card, or further off.
    var waiting: snd_pcm_sframes_t = 0
    if snd_pcm_delay(pcm, &waiting) < 0 { waiting = 0 }
    let age = Double(min(max(waiting, 0), 10 * rate)) / Double(rate)
    // Time spent suspended counts as lost, so not CLOCK_MONOTONIC.
    let lost = clock.advance(
      by: count, lastSample: seconds(of: CLOCK_BOOTTIME) - age, afterGap: afterGap)
    afterGap = false
    _ = encoding.decode(start, count: count * channels, into: interleaved)
    downmix.apply(interleaved, count: count, into: mono)
    return Period(
      count: count, lostBefore: lost, captured: seconds(of: CLOCK_REALTIME) - age)
  }

  /// Sets the card going again after an overrun or a suspension; throws when it is gone.
  private func recover(from status: Int32) throws(AudioInputError) {
    switch status {
    case 0, -EAGAIN, -EINTR:
      guard seconds(of: CLOCK_MONOTONIC) - heardAt < Double(Self.silentSeconds) else {
        throw .deviceSilent(device: name, seconds: Self.silentSeconds)
      }
    case -EPIPE:
      try restart()
    case -ESTRPIPE:
      // Awake again? If not yet, the next read comes back here.
      let resumed = snd_pcm_resume(pcm)
      heardAt = seconds(of: CLOCK_MONOTONIC)
      if resumed == -EAGAIN {
        poll(nil, 0, Self.waitMilliseconds)
      } else if resumed < 0 {
        try restart()
      } else {
        interruptions.wrappingAdd(1, ordering: .relaxed)
        afterGap = true
      }
    default:
      throw .deviceLost(device: name, reason: alsaReason(status))
    }
  }

  private func restart() throws(AudioInputError) {
    interruptions.wrappingAdd(1, ordering: .relaxed)
    afterGap = true
    let prepared = snd_pcm_prepare(pcm)
    let status = prepared < 0 ? prepared : snd_pcm_start(pcm)
    guard status >= 0 else {
      throw .deviceLost(device: name, reason: alsaReason(status))
    }
  }

  /// Opens the handle, without waiting for a device in use.
  private static func open(_ name: String) throws(AudioInputError) -> OpaquePointer {
    var pcm: OpaquePointer?
    let status = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK)
    if status >= 0, let pcm { return pcm }
    switch status {
    case -ENOENT, -ENODEV, -ENXIO:
      throw .deviceMissing(device: name, reason: explanation(alsaReason(status)))
    case -EBUSY, -EAGAIN:
      throw .deviceBusy(device: name)
    case -EACCES, -EPERM:
      throw .devicePermission(device: name)
    default:
      throw .deviceFailed(
        device: name, step: "opening", reason: explanation(alsaReason(status)))
    }
  }

  /// What ALSA said when a call failed, or else its name for the error.
  private static func explanation(_ otherwise: String) -> String {
    let heard = String(cString: attnd_alsa_heard())
    return heard.isEmpty ? otherwise : heard
  }

  private func check(_ status: Int32, _ step: String) throws(AudioInputError) {
    guard status >= 0 else {
      throw .deviceFailed(device: name, step: step, reason: Self.explanation(alsaReason(status)))
    }
  }
}

/// ALSA's words for an error.
func alsaReason(_ status: Int32) -> String {
  snd_strerror(status).map { String(cString: $0) } ?? "error \(status)"
}

private func seconds(of clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
