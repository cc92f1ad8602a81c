import Glibc

/// Why a source can't be opened or goes no further, with the facts for one clear line.
public enum AudioInputError: Error, Equatable, CustomStringConvertible, Sendable {
  /// There is no such file.
  case fileMissing(path: String)
  /// The file may not be read by this user.
  case filePermission(path: String)
  /// The path names a directory.
  case isDirectory(path: String)
  /// There are no samples in it.
  case empty(name: String)
  /// libsndfile doesn't know the format, or finds the header damaged.
  case notSound(name: String, reason: String)
  /// Decoding stopped at a sample (counted at the file's rate) before the end.
  case broken(name: String, sample: Int64, fileRate: Int, reason: String)
  /// The file ends before the number of samples that its header promises.
  case cutShort(name: String, sample: Int64, promised: Int64, fileRate: Int)
  /// A sample rate that no microphone or recording has.
  case rateOutOfRange(name: String, rate: Int)
  /// More channels than a source may have, or none.
  case channelCountOutOfRange(name: String, channels: Int)
  /// A channel was asked for that the source hasn't.
  case channelOutOfRange(name: String, channel: Int, channels: Int)
  /// libsoxr failed.
  case resampler(name: String, reason: String)
  /// The system couldn't open or read; `code` is its errno.
  case inputOutput(name: String, code: Int32)
  /// There is no such capture device.
  case deviceMissing(device: String, reason: String)
  /// Other programs have the device; who, where the system tells.
  case deviceBusy(device: String, holders: [CaptureHolder])
  /// This user may not open the device.
  case devicePermission(device: String)
  /// The device offers nothing that the model can use.
  case deviceRefused(device: String, offers: String, needs: String)
  /// The device was unplugged, or its driver gave up.
  case deviceLost(device: String, reason: String)
  /// The device is open and yet delivers nothing.
  case deviceSilent(device: String, seconds: Int)
  /// ALSA refused a step of opening or starting the device.
  case deviceFailed(device: String, step: String, reason: String)
  /// libsndfile can't make a file of the samples.
  case notEncoded(name: String, reason: String)

  /// One line: the widest thing first, then what was found, what was expected, what to do.
  public var description: String {
    switch self {
    case .fileMissing(let path):
      "sound file \(path): no such file"
    case .filePermission(let path):
      "sound file \(path): permission denied"
    case .isDirectory(let path):
      "sound file \(path): is a directory, expected a file"
    case .empty(let name):
      "\(name): holds no samples"
    case .notSound(let name, let reason):
      "\(name): not a sound file that can be read: \(reason)"
    case .broken(let name, let sample, let fileRate, let reason):
      "\(name): broken at \(place(sample, fileRate)): \(reason)"
    case .cutShort(let name, let sample, let promised, let fileRate):
      "\(name): ends at \(place(sample, fileRate)), its header promises \(promised) samples"
    case .rateOutOfRange(let name, let rate):
      "\(name): sample rate is \(rate) Hz, expected \(supportedSampleRates.lowerBound) to "
        + "\(supportedSampleRates.upperBound) Hz"
    case .channelCountOutOfRange(let name, let channels):
      "\(name): has \(channels) channels, expected 1 to \(maximumChannels)"
    case .channelOutOfRange(let name, let channel, let channels):
      "\(name): has no channel \(channel), expected 1"
        + (channels > 1 ? " to \(channels), or mix" : " or mix")
    case .resampler(let name, let reason):
      "\(name): resampling failed: \(reason)"
    case .inputOutput(let name, let code):
      "\(name): \(systemReason(code))"
    case .deviceMissing(let device, let reason):
      "device \(device): not found (\(reason)); 'attnd devices' lists what there is"
    case .deviceBusy(let device, let holders):
      holders.isEmpty
        ? "device \(device): in use by another program; 'fuser -v /dev/snd/*' names it"
        : "device \(device): in use; capturing now: "
          + holders.map(\.description).joined(separator: ", ")
    case .devicePermission(let device):
      "device \(device): permission denied; add the user to the group audio and log in again"
    case .deviceRefused(let device, let offers, let needs):
      "device \(device): offers \(offers), the model needs \(needs)"
    case .deviceLost(let device, let reason):
      "device \(device): lost (\(reason))"
    case .deviceSilent(let device, let seconds):
      "device \(device): delivered nothing for \(seconds) s; is it muted, suspended or unplugged?"
    case .deviceFailed(let device, let step, let reason):
      "device \(device): \(step) failed: \(reason)"
    case .notEncoded(let name, let reason):
      "\(name): can't be encoded: \(reason)"
    }
  }
}

extension AudioInputError {
  /// Whether the device may be there again later, as it is or with another plugged in.
  ///
  /// What a device offers and what was asked for don't change by themselves.
  public var mayPass: Bool {
    switch self {
    case .deviceMissing, .deviceBusy, .devicePermission, .deviceLost, .deviceSilent, .deviceFailed:
      true
    default: false
    }
  }
}

/// The most channels a source may have: libsndfile's own limit.
let maximumChannels = 1024

/// A sample's number and its time: "sample 8000 (0.500 s)".
private func place(_ sample: Int64, _ rate: Int) -> String {
  let (seconds, rest) = sample.quotientAndRemainder(dividingBy: Int64(max(rate, 1)))
  let milliseconds = Int(Double(rest) / Double(max(rate, 1)) * 1000)
  return "sample \(sample) (\(seconds).\(String(1000 + milliseconds).dropFirst()) s)"
}

/// The system's words for an errno.
func systemReason(_ code: Int32) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
    guard let start = text.baseAddress, strerror_r(code, start, text.count) == 0 else {
      return "error \(code)"
    }
    return String(cString: start)
  }
}
