import AttentionSocket
import AudioInput
import Logging
import Synchronization

/// Where a stream of the daemon gets its sound from, opened as far as it can be before there is
/// somebody to tell.
struct StreamInput {
  let name: String
  let kind: StreamDescription.Kind
  /// Whether it gives what the machine itself plays.
  var isReference = false
  /// The source, which tells by the publisher and the log what becomes of it.
  let source: (FramePublisher, StreamPulse, Logger) -> any AudioSource
}

extension Settings {
  /// Opens what the daemon listens to.
  ///
  /// A device that isn't there, or is in use, is waited for unless it is required; one that can't do
  /// what the model needs is an error, and so is a file that can't be read.
  ///
  /// - Parameters:
  ///   - rate: Samples a second that the model wants.
  ///   - pace: Speed of a recording.
  ///   - loops: Whether a recording begins again when it has ended.
  /// - Returns: An input for each stream; none when only clients bring sound.
  /// - Throws: `AudioInputError` when one can't be opened.
  func openInputs(rate: Int, pace: RunCommand.Pace, loops: Bool) throws -> [StreamInput] {
    switch source {
    case .none: return []
    case .devices(let choices):
      var inputs = try choices.map { try open($0, rate: rate) }
      if let reference {
        var input = try open(DeviceChoice(reference: reference), rate: rate)
        input.isReference = true
        inputs.append(input)
      }
      return inputs
    case .file(let path):
      let open: DeviceSource.Opening = { [channels] () throws(AudioInputError) in
        try SoundFile(path: path, sampleRate: rate, channels: channels)
      }
      let file: any AudioSource = loops ? try LoopedSource(open) : try open()
      let paced: any AudioSource = pace == .fastest ? file : PacedSource(file)
      return [StreamInput(name: "file", kind: .file) { _, _, _ in paced }]
    case .standardInput:
      let stream = try PCMStream(
        fileDescriptor: 0, format: pcm, sampleRate: rate, channels: channels)
      return [StreamInput(name: "stdin", kind: .pipe) { _, _, _ in stream }]
    }
  }

  private func open(_ choice: DeviceChoice, rate: Int) throws -> StreamInput {
    let channels = choice.channels ?? channels
    let open: DeviceSource.Opening = { () throws(AudioInputError) in
      try CaptureSource(device: choice.device, sampleRate: rate, channels: channels)
    }
    var first: (any AudioSource)?
    do throws(AudioInputError) {
      first = try open()
    } catch {
      guard error.mayPass, !requiresDevice else { throw error }
    }
    let opened = first
    return StreamInput(name: choice.name, kind: .device) { publisher, pulse, logger in
      let reports = DeviceReports(
        stream: choice.name, publisher: publisher, pulse: pulse, logger: logger)
      return DeviceSource(
        name: "device \(choice.device)", sampleRate: rate, first: opened, open: open
      ) { condition, position in
        reports.tell(condition, device: choice.device, at: position)
      }
    }
  }
}

/// What becomes of a device, in words: to subscribers each time, to the log when it is news.
package final class DeviceReports: Sendable {
  private struct Known {
    /// Whether the stream has ever had sound.
    var hasListened = false
    /// The trouble that the log has.
    var logged: String?
  }

  private let stream: String
  private let publisher: FramePublisher
  private let pulse: StreamPulse
  private let logger: Logger
  private let known = Mutex(Known())

  package init(stream: String, publisher: FramePublisher, pulse: StreamPulse, logger: Logger) {
    self.stream = stream
    self.publisher = publisher
    self.pulse = pulse
    self.logger = logger
  }

  /// - Parameters:
  ///   - condition: What has become of it.
  ///   - device: The device.
  ///   - position: Where the stream stands.
  package func tell(
    _ condition: DeviceSource.Condition, device: String, at position: SamplePosition
  ) {
    let sample = Int(position.index)
    switch condition {
    case .listening:
      known.withLock { known in
        known.hasListened = true
        known.logged = nil
      }
      publisher.state(
        .running, reason: .ok, text: "listening to device \(device)", epoch: 0, sample: sample)
      logger.info("stream \(stream): listening to device \(device)")
    case .searching(let error, let attempt, let pause):
      pulse.looked()
      let text = "\(error)"
      let (hasListened, isNews) = known.withLock { known in
        defer { known.logged = text }
        return (known.hasListened, known.logged != text)
      }
      publisher.state(
        hasListened ? .recovering : .waiting, reason: error.told,
        text: "\(text); trying again in \(fixed(pause, 2)) s", epoch: 0, sample: sample,
        attempt: attempt)
      if isNews {
        logger.warning("stream \(stream): \(text); looking for it until it is there")
      }
    }
  }
}

extension AudioInputError {
  /// What subscribers are told.
  fileprivate var told: StateReason {
    switch self {
    case .deviceBusy: .deviceBusy
    case .devicePermission: .noPermission
    default: .deviceLost
    }
  }
}
