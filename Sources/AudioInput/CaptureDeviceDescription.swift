import CALSA
import Glibc

/// A capture device that ALSA knows of, as `attnd devices` lists it.
public struct CaptureDeviceDescription: Hashable, Sendable {
  /// What came of looking at the hardware behind a name.
  public enum Hardware: Hashable, Sendable {
    /// Not looked at: a plugin that takes any rate and converts.
    case plugin
    /// A card, and what it offers.
    case offers(CaptureOffer)
    /// A card that another program has open.
    case busy
    /// A card that can't be opened, and ALSA's reason.
    case refused(String)
  }

  /// What to give as the device: "default", "hw:CARD=Device,DEV=0".
  public let name: String
  /// ALSA's words for it, on one line; may be empty.
  public let description: String
  /// The card behind it.
  public let hardware: Hardware

  /// Lists what can capture, in ALSA's order: plugins and servers first, then the cards.
  ///
  /// Cards (names that begin with "hw:") are opened for a moment to ask what they offer.
  ///
  /// - Returns: The devices; none when there is neither a card nor a sound server.
  /// - Throws: `deviceFailed` when ALSA can't read its configuration.
  public static func list() throws(AudioInputError) -> [CaptureDeviceDescription] {
    attnd_alsa_listen()
    var hints: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    let status = snd_device_name_hint(-1, "pcm", &hints)
    guard status >= 0, let hints else {
      throw .deviceFailed(device: "list", step: "listing", reason: alsaReason(status))
    }
    defer { snd_device_name_free_hint(hints) }
    var found: [CaptureDeviceDescription] = []
    var next = hints
    while let hint = next.pointee {
      next += 1
      // A name without a direction works in both.
      guard text(hint, "IOID") != "Output", let name = text(hint, "NAME"), name != "null" else {
        continue
      }
      guard let hardware = name.hasPrefix("hw:") ? hardware(behind: name) : .plugin else {
        continue
      }
      found.append(
        CaptureDeviceDescription(
          name: name, description: oneLine(text(hint, "DESC") ?? ""), hardware: hardware))
    }
    return found
  }

  /// Looks at a card; nil when it has no inputs.
  private static func hardware(behind name: String) -> Hardware? {
    var pcm: OpaquePointer?
    let status = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK)
    guard status >= 0, let pcm else {
      switch status {
      case -EBUSY: return .busy
      case -ENOENT: return nil
      default: return .refused(alsaReason(status))
      }
    }
    defer { snd_pcm_close(pcm) }
    var parameters: OpaquePointer?
    guard snd_pcm_hw_params_malloc(&parameters) >= 0, let parameters else {
      return .refused(alsaReason(-ENOMEM))
    }
    defer { snd_pcm_hw_params_free(parameters) }
    let asked = snd_pcm_hw_params_any(pcm, parameters)
    return asked < 0
      ? .refused(alsaReason(asked)) : .offers(CaptureOffer(of: pcm, parameters: parameters))
  }

  private static func text(_ hint: UnsafeRawPointer, _ field: String) -> String? {
    guard let value = snd_device_name_get_hint(hint, field) else { return nil }
    defer { free(value) }
    return String(cString: value)
  }

  private static func oneLine(_ text: String) -> String {
    text.split(separator: "\n").joined(separator: ", ")
  }
}
