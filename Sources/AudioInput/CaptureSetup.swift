import CALSA
import Glibc

extension SampleEncoding {
  /// ALSA's format and ours, in the order in which they are tried.
  ///
  /// 16 bits come first: what nearly every microphone gives natively, and what a recording made
  /// beside it can hold without loss.
  static let alsaFormats: [(format: snd_pcm_format_t, encoding: SampleEncoding)] = [
    (SND_PCM_FORMAT_S16_LE, .s16le), (SND_PCM_FORMAT_S24_3LE, .s24le),
    (SND_PCM_FORMAT_S24_LE, .s24In32le), (SND_PCM_FORMAT_S32_LE, .s32le),
    (SND_PCM_FORMAT_FLOAT_LE, .f32le),
  ]
}

/// What a device can do: the ranges that ALSA's hardware parameters leave open.
public struct CaptureOffer: Hashable, Sendable, CustomStringConvertible {
  /// The lowest and highest rate, in Hz; not each rate between need be there.
  public let rates: ClosedRange<Int>
  /// The least and most channels.
  public let channels: ClosedRange<Int>
  /// Those of our encodings that it has.
  public let encodings: [SampleEncoding]

  /// "8000 to 48000 Hz, 1 to 2 channels, s16le s32le".
  public var description: String {
    func text(_ range: ClosedRange<Int>) -> String {
      range.lowerBound == range.upperBound
        ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
    }
    let formats = encodings.map(\.rawValue).joined(separator: " ")
    return "\(text(rates)) Hz, \(text(channels)) channel\(channels.upperBound == 1 ? "" : "s"), "
      + (formats.isEmpty ? "no format known here" : formats)
  }

  /// Whether an open device has one of our encodings.
  ///
  /// - Parameter pcm: The device.
  /// - Returns: True, too, where it can't be asked: whatever comes next says why.
  static func hasKnownEncoding(_ pcm: OpaquePointer) -> Bool {
    var allocated: OpaquePointer?
    guard snd_pcm_hw_params_malloc(&allocated) == 0, let parameters = allocated else { return true }
    defer { snd_pcm_hw_params_free(parameters) }
    guard snd_pcm_hw_params_any(pcm, parameters) >= 0 else { return true }
    return !CaptureOffer(of: pcm, parameters: parameters).encodings.isEmpty
  }

  /// Asks an open device.
  init(of pcm: OpaquePointer, parameters: OpaquePointer) {
    var low: UInt32 = 0
    var high: UInt32 = 0
    func range() -> ClosedRange<Int> { Int(low)...max(Int(low), Int(high)) }
    var direction: Int32 = 0
    snd_pcm_hw_params_get_rate_min(parameters, &low, &direction)
    snd_pcm_hw_params_get_rate_max(parameters, &high, &direction)
    // A direction of -1: the end itself is excluded; plug says "8000 and a little" so.
    if direction < 0 && high > 0 { high -= 1 }
    rates = range()
    snd_pcm_hw_params_get_channels_min(parameters, &low)
    snd_pcm_hw_params_get_channels_max(parameters, &high)
    channels = range()
    encodings = SampleEncoding.alsaFormats
      .filter { snd_pcm_hw_params_test_format(pcm, parameters, $0.format) == 0 }
      .map(\.encoding)
  }
}

/// The negotiation with a device, step by step, each narrowing what is left; and its outcome.
struct CaptureSetup {
  let rate: Int
  let channels: Int
  let encoding: SampleEncoding
  let periodSize: Int
  let bufferSize: Int

  /// Settles rate, channels, encoding, period and buffer, and installs them.
  init(
    pcm: OpaquePointer, name: String, modelRate: Int, channels selection: ChannelSelection,
    periodsPerSecond: Int, bufferPeriods: Int
  ) throws(AudioInputError) {
    func check(_ status: Int32, _ step: String) throws(AudioInputError) {
      guard status >= 0 else {
        throw .deviceFailed(device: name, step: step, reason: alsaReason(status))
      }
    }
    var allocated: OpaquePointer?
    try check(snd_pcm_hw_params_malloc(&allocated), "allocating")
    defer { snd_pcm_hw_params_free(allocated) }
    guard let parameters = allocated else {
      throw .deviceFailed(device: name, step: "allocating", reason: alsaReason(-ENOMEM))
    }
    try check(snd_pcm_hw_params_any(pcm, parameters), "asking what it offers")
    // Native rates only; a plugin that can't say so is left alone.
    snd_pcm_hw_params_set_rate_resample(pcm, parameters, 0)
    let offer = CaptureOffer(of: pcm, parameters: parameters)

    try check(
      snd_pcm_hw_params_set_access(pcm, parameters, SND_PCM_ACCESS_RW_INTERLEAVED),
      "choosing interleaved samples")
    encoding = try Self.settleEncoding(pcm, parameters, offer, name)
    channels = try Self.settleChannels(pcm, parameters, offer, selection, name)
    rate = try Self.settleRate(pcm, parameters, offer, modelRate, name)

    var period = snd_pcm_uframes_t(max(rate / periodsPerSecond, 1))
    try check(
      snd_pcm_hw_params_set_period_size_near(pcm, parameters, &period, nil), "choosing a period")
    var buffer = period * snd_pcm_uframes_t(bufferPeriods)
    try check(
      snd_pcm_hw_params_set_buffer_size_near(pcm, parameters, &buffer), "choosing a buffer")
    try check(snd_pcm_hw_params(pcm, parameters), "setting it up")
    // A second is more than any card's period; a plugin's boundless one stays a bounded buffer.
    periodSize = min(max(Int(period), 1), rate)
    bufferSize = Int(clamping: buffer)
    try Self.settleWaking(pcm, periodSize, check)
  }

  private static func settleEncoding(
    _ pcm: OpaquePointer, _ parameters: OpaquePointer, _ offer: CaptureOffer, _ name: String
  ) throws(AudioInputError) -> SampleEncoding {
    for (format, encoding) in SampleEncoding.alsaFormats
    where snd_pcm_hw_params_set_format(pcm, parameters, format) == 0 {
      return encoding
    }
    let known = SampleEncoding.alsaFormats.map(\.encoding.rawValue).joined(separator: ", ")
    throw .deviceRefused(device: name, offers: offer.description, needs: "one of \(known)")
  }

  /// For the mix one channel where there is such a mode, else as few as there are; for a chosen
  /// channel as few as include it.
  private static func settleChannels(
    _ pcm: OpaquePointer, _ parameters: OpaquePointer, _ offer: CaptureOffer,
    _ selection: ChannelSelection, _ name: String
  ) throws(AudioInputError) -> Int {
    var count: UInt32 = 1
    if case .channel(let number) = selection {
      guard (1...maximumChannels).contains(number) else {
        throw .channelOutOfRange(
          name: "device \(name)", channel: number, channels: offer.channels.upperBound)
      }
      count = UInt32(number)
    }
    guard snd_pcm_hw_params_set_channels_min(pcm, parameters, &count) == 0,
      snd_pcm_hw_params_set_channels_first(pcm, parameters, &count) == 0
    else {
      throw .channelOutOfRange(
        name: "device \(name)", channel: Int(count), channels: offer.channels.upperBound)
    }
    guard (1...UInt32(maximumChannels)).contains(count) else {
      throw .channelCountOutOfRange(name: "device \(name)", channels: Int(count))
    }
    return Int(count)
  }

  /// The model's rate, else the lowest whole multiple, else the lowest rate above it.
  ///
  /// A lower rate would leave the model's upper bins empty, which it never saw in training.
  private static func settleRate(
    _ pcm: OpaquePointer, _ parameters: OpaquePointer, _ offer: CaptureOffer, _ modelRate: Int,
    _ name: String
  ) throws(AudioInputError) -> Int {
    guard supportedSampleRates.contains(modelRate) else {
      throw .rateOutOfRange(name: "model", rate: modelRate)
    }
    for multiple in 1...6 {
      let candidate = UInt32(multiple * modelRate)
      if snd_pcm_hw_params_set_rate(pcm, parameters, candidate, 0) == 0 {
        return Int(candidate)
      }
    }
    var rate = UInt32(modelRate)
    guard snd_pcm_hw_params_set_rate_min(pcm, parameters, &rate, nil) == 0,
      snd_pcm_hw_params_set_rate_first(pcm, parameters, &rate, nil) == 0,
      supportedSampleRates.contains(Int(rate)), Int(rate) >= modelRate
    else {
      throw .deviceRefused(
        device: name, offers: offer.description, needs: "\(modelRate) Hz or more")
    }
    return Int(rate)
  }

  /// Wakes the reader for every period.
  private static func settleWaking(
    _ pcm: OpaquePointer, _ periodSize: Int,
    _ check: (Int32, String) throws(AudioInputError) -> Void
  ) throws(AudioInputError) {
    var parameters: OpaquePointer?
    try check(snd_pcm_sw_params_malloc(&parameters), "allocating")
    defer { snd_pcm_sw_params_free(parameters) }
    try check(snd_pcm_sw_params_current(pcm, parameters), "asking how it wakes")
    try check(
      snd_pcm_sw_params_set_avail_min(pcm, parameters, snd_pcm_uframes_t(periodSize)),
      "choosing how it wakes")
    try check(snd_pcm_sw_params(pcm, parameters), "setting how it wakes")
  }
}
