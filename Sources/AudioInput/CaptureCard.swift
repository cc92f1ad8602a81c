import CALSA
import Glibc

/// A PCM that is open for capture and set up: a card, or what a test puts in its place.
///
/// The numbers that the calls return are ALSA's: negative ones are errors (`-EPIPE`: it has overrun,
/// `-ESTRPIPE`: the machine slept, `-ENODEV`: it is gone).
package protocol CaptureCard: AnyObject, Sendable {
  /// The PCM's name.
  var name: String { get }
  /// Samples a second.
  var rate: Int { get }
  /// Channels that it delivers.
  var channels: Int { get }
  /// How it delivers samples.
  var encoding: SampleEncoding { get }
  /// Sample frames in a period: what it collects before it wakes anybody.
  var periodSize: Int { get }
  /// Sample frames that its buffer holds.
  var bufferSize: Int { get }

  /// Lets it run.
  func start() -> Int32
  /// Makes it ready to start again after an overrun.
  func prepare() -> Int32
  /// Lets it go on after the machine slept; `-EAGAIN` as long as it isn't awake.
  func resume() -> Int32
  /// Waits for a period; 1 when there is one, 0 when the time is over.
  func wait(milliseconds: Int32) -> Int32
  /// What was captured and not yet read; nil when it doesn't know.
  func backlog() -> CaptureBacklog?
  /// Takes interleaved sample frames; returns how many.
  func read(into bytes: UnsafeMutableRawPointer, frames: Int) -> Int
  /// Words for an error.
  func reason(_ status: Int32) -> String
}

/// How much a card had captured at some moment that nobody has read.
package struct CaptureBacklog: Sendable {
  /// Sample frames, those in flight between the microphone and the card's buffer included.
  package var frames: Int
  /// How many seconds ago that was.
  package var age: Double

  package init(frames: Int, age: Double) {
    self.frames = frames
    self.age = age
  }
}

/// A PCM of ALSA's.
///
/// In: a name ("default", "hw:1,0", one of .asoundrc). The card keeps its native rate, encoding and
/// channels, which are converted here: libsoxr resamples better than ALSA's plugins do, and they would
/// make 16 bits of whatever there is. Closed with the object.
final class ALSACard: CaptureCard, @unchecked Sendable {
  // Unchecked: opened by who makes it, then called by the capture thread only.

  /// A period is what wakes the thread: a hundred times a second.
  private static let periodsPerSecond = 100
  /// The card's buffer, where it can: half a second of scheduling trouble is survived.
  private static let bufferPeriods = 50

  let name: String
  let rate: Int
  let channels: Int
  let encoding: SampleEncoding
  let periodSize: Int
  let bufferSize: Int
  private let pcm: OpaquePointer

  /// Opens a device and settles on a rate, an encoding and a period.
  init(
    name: String, modelRate: Int, channels selection: ChannelSelection
  ) throws(AudioInputError) {
    attnd_alsa_listen()
    let pcm = try Self.openWithKnownEncoding(name)
    var settled = false
    defer { if !settled { snd_pcm_close(pcm) } }
    let setup = try CaptureSetup(
      pcm: pcm, name: name, modelRate: modelRate, channels: selection,
      periodsPerSecond: Self.periodsPerSecond, bufferPeriods: Self.bufferPeriods)
    self.pcm = pcm
    self.name = name
    rate = setup.rate
    channels = setup.channels
    encoding = setup.encoding
    periodSize = setup.periodSize
    bufferSize = setup.bufferSize
    settled = true
  }

  deinit { snd_pcm_close(pcm) }

  func start() -> Int32 {
    attnd_alsa_listen()
    return snd_pcm_start(pcm)
  }

  func prepare() -> Int32 { snd_pcm_prepare(pcm) }

  func resume() -> Int32 { snd_pcm_resume(pcm) }

  func wait(milliseconds: Int32) -> Int32 { snd_pcm_wait(pcm, milliseconds) }

  func backlog() -> CaptureBacklog? {
    var available: snd_pcm_uframes_t = 0
    var stamp = snd_htimestamp_t()
    guard snd_pcm_htimestamp(pcm, &available, &stamp) >= 0, stamp.tv_sec > 0 || stamp.tv_nsec > 0
    else { return nil }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let age = Double(now.tv_sec - stamp.tv_sec) + Double(now.tv_nsec - stamp.tv_nsec) * 1e-9
    // A plugin without timestamps of its own, or with those of another clock.
    guard (0...1).contains(age) else { return nil }
    // What a sound server holds is in the delay alone.
    var delay: snd_pcm_sframes_t = 0
    let hasDelay = snd_pcm_delay(pcm, &delay) >= 0
    return CaptureBacklog(frames: max(Int(clamping: available), hasDelay ? delay : 0), age: age)
  }

  func read(into bytes: UnsafeMutableRawPointer, frames: Int) -> Int {
    Int(snd_pcm_readi(pcm, bytes, snd_pcm_uframes_t(frames)))
  }

  func reason(_ status: Int32) -> String { Self.explanation(alsaReason(status)) }

  /// Opens the handle so that ALSA's plugins convert nothing, or else so that they convert what has no
  /// encoding that is known here, such as a telephone card's mu-law.
  private static func openWithKnownEncoding(
    _ name: String
  ) throws(AudioInputError) -> OpaquePointer {
    let native = try open(name, SND_PCM_NO_AUTO_FORMAT | SND_PCM_NO_AUTO_CHANNELS)
    if CaptureOffer.hasKnownEncoding(native) { return native }
    // Closed first: most cards can be opened only once.
    snd_pcm_close(native)
    return try open(name, 0)
  }

  /// Opens the handle, without waiting for a device in use.
  private static func open(
    _ name: String, _ conversions: Int32
  ) throws(AudioInputError) -> OpaquePointer {
    var pcm: OpaquePointer?
    let status = snd_pcm_open(
      &pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK | conversions)
    if status >= 0, let pcm { return pcm }
    switch status {
    case -ENOENT, -ENODEV, -ENXIO:
      throw .deviceMissing(device: name, reason: explanation(alsaReason(status)))
    case -EBUSY, -EAGAIN:
      throw .deviceBusy(device: name, holders: CaptureHolder.all())
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
}

/// ALSA's words for an error.
func alsaReason(_ status: Int32) -> String {
  snd_strerror(status).map { String(cString: $0) } ?? "error \(status)"
}
