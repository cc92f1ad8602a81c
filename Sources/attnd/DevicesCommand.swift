import ArgumentParser
import AudioInput
import JSONText

/// The capture devices that ALSA knows.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List the capture devices.",
    discussion: """
      The names in the first column are what 'attnd run --device' takes; 'default' is what the \
      system is set to. What a card offers is asked of the card; one that another program holds \
      cannot be asked and is listed without.
      """)

  @Flag(help: "Print an object a line, for programs.")
  var json = false

  func run() throws {
    let devices = try CaptureDeviceDescription.list()
    if json {
      for device in devices { try StandardOutput.write(jsonLine(device)) }
      return
    }
    guard !devices.isEmpty else {
      throw Failure(
        .unavailable,
        "no capture device: ALSA knows none; is a microphone connected, and the user in the group"
          + " audio?")
    }
    let width = devices.map(\.name.count).max() ?? 0
    for device in devices {
      try StandardOutput.write("\(pad(device.name, width))  \(text(device))\n")
    }
  }

  private func text(_ device: CaptureDeviceDescription) -> String {
    switch device.hardware {
    case .plugin: device.description
    case .offers(let offer): "\(device.description): \(offer)"
    case .busy: "\(device.description): in use by another program"
    case .refused(let reason): "\(device.description): \(reason)"
    }
  }

  private func jsonLine(_ device: CaptureDeviceDescription) -> String {
    var json = JSONWriter()
    json.object { json in
      json.field("name", device.name)
      json.field("description", device.description)
      switch device.hardware {
      case .plugin: break
      case .offers(let offer): json.field("offers", "\(offer)")
      case .busy: json.field("problem", "in use by another program")
      case .refused(let reason): json.field("problem", reason)
      }
    }
    return json.text + "\n"
  }
}
