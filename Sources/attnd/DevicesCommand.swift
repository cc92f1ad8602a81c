import ArgumentParser
import AudioInput

/// The capture devices that ALSA knows.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices",
    abstract: "List the capture devices.",
    discussion: """
      The names in the first column are what 'attnd run --device' takes; 'default' is what the
      system is set to. What a card offers is asked of the card; one that another program holds
      cannot be asked and is listed without.
      """)

  @Flag(help: "Print an object a line, for programs.")
  var json = false

  func run() throws {
    let devices = CaptureDeviceDescription.all()
    if json {
      for device in devices { try StandardOutput.write(device.jsonLine) }
      return
    }
    guard !devices.isEmpty else {
      throw Failure(
        .unavailable,
        "no capture device: ALSA knows none; is a microphone connected, and the user in the group audio?")
    }
    let width = devices.map(\.name.count).max() ?? 0
    for device in devices {
      try StandardOutput.write("\(pad(device.name, width))  \(device.text)\n")
    }
  }
}
