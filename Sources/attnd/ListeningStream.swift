import AttentionSocket
import AudioInput
import ModelFile
import StreamingAttention

/// A stream of the daemon while it is heard: its source, its pipeline, and all that learns of what comes
/// of it.
///
/// Somebody calls `advance` until it ends: a thread of the daemon, or a world that tests make up. After
/// `init` it allocates nothing and takes no lock.
package final class ListeningStream {
  private let source: any AudioSource
  private let isDevice: Bool
  private let publisher: FramePublisher
  private let pulse: StreamPulse
  private let exchange: PipelineExchange
  private let recorder: ClipRecorder?
  private let role: VoiceRole
  private let timekeeper: any Timekeeper
  // Apart from each other: one speaks while another one is at work.
  private var pipeline: Pipeline
  private var watch: SignalWatch
  private var output: StreamOutput
  private var ear: VoiceEar
  /// Processor time when the last step was done.
  private var worked: UInt64?

  /// Number of the model that is listened with, in the exchange's history.
  package private(set) var model = 0

  /// - Parameters:
  ///   - source: Where the sound comes from.
  ///   - model: What to listen for at first.
  ///   - threshold: In place of every keyword's own; nil for those.
  ///   - publisher: Where to say what is heard.
  ///   - pulse: How the stream does.
  ///   - exchange: Where a new pipeline is found.
  ///   - recorder: Who keeps the sound around detections; nil where nobody does.
  ///   - role: What it has to do with the machine's own voice.
  ///   - timekeeper: What time it is.
  /// - Throws: What the parts find wrong with their numbers.
  package init(
    source: any AudioSource, model: ModelFile, threshold: Float?, publisher: FramePublisher,
    pulse: StreamPulse, exchange: PipelineExchange, recorder: ClipRecorder? = nil,
    role: VoiceRole = .none, timekeeper: any Timekeeper = SystemTime()
  ) throws {
    pipeline = try Pipeline(model, threshold: threshold, timekeeper: timekeeper)
    watch = try SignalWatch(sampleRate: model.sampleRate)
    output = StreamOutput(model: model, publisher: publisher)
    // A device says itself when it is there.
    isDevice = source is DeviceSource
    self.source = recorder?.source ?? source
    self.publisher = publisher
    self.pulse = pulse
    self.exchange = exchange
    self.recorder = recorder
    self.role = role
    ear = VoiceEar(role, keywords: model.keywords.count)
    self.timekeeper = timekeeper
  }

  /// Samples of the stream so far, the lost ones included.
  package var position: Int { pipeline.position }

  /// What has come of it so far.
  package var summary: StreamSummary { output.summary }

  /// Hears the source to its end.
  ///
  /// - Throws: `AudioInputError` when the source fails.
  package func listen() throws(AudioInputError) {
    begin()
    do throws(AudioInputError) {
      while try advance() {}
    } catch {
      say(.stopped, .endOfFile, "\(error)")
      throw error
    }
    say(
      .stopped, isDevice ? .ok : .endOfFile,
      isDevice ? "attnd is stopping" : "\(source.name) has ended")
  }

  /// Says that there will be sound.
  package func begin() {
    if !isDevice { say(.running, .start, "listening to \(source.name)") }
  }

  /// Hears what the next step still needs, and takes what has been changed meanwhile: model and thresholds.
  ///
  /// - Returns: Whether there may be more.
  /// - Throws: `AudioInputError` when the source fails.
  package func advance() throws(AudioInputError) -> Bool {
    let began = worked ?? timekeeper.workNanoseconds
    let goesOn = try pipeline.advance(
      reading: source,
      gap: { output.publish($0) },
      sound: { samples in
        watch.push(samples) { trouble, holds in
          // A machine that is silent, or plays what it likes, is no trouble.
          if !role.isReference { publisher.setWarning(trouble.code, holds: holds) }
        }
      },
      frame: { frame, stream in
        if let isFalse = ear.hear(frame, stream, threshold: { publisher.threshold(of: $0) }) {
          publisher.setWarning(.falseReference, holds: isFalse)
        }
        output.publish(frame, stream)
        recorder?.hear(frame, stream)
      },
      detection: { detection in
        if ear.silences(detection.keyword) {
          publisher.heardOwnVoice()
        } else {
          output.publish(detection)
        }
      })
    guard goesOn else { return false }
    pulse.heard(pipeline.position)
    publisher.clips(share: watch.clippedShare)
    exchange.refit(&pipeline) { position, model, text in
      publisher.state(.running, reason: .reload, text: text, epoch: 0, sample: position)
      self.model = model
      recorder?.model = model
      // One that was set after the new pipeline was made.
      publisher.repeatThresholds()
    }
    publisher.changedThresholds { pipeline.setThreshold($1, of: $0) }
    let now = timekeeper.workNanoseconds
    publisher.stepTook(nanoseconds: now - began)
    worked = now
    return true
  }

  private func say(_ state: StreamState, _ reason: StateReason, _ text: String) {
    publisher.state(state, reason: reason, text: text, epoch: 0, sample: pipeline.position)
  }
}

extension SignalWatch.Trouble {
  /// What subscribers are told.
  fileprivate var code: WarningCode {
    switch self {
    case .silence: .silence
    case .clipping: .clipping
    case .offset: .dcOffset
    case .narrowBand: .narrowBand
    }
  }
}
