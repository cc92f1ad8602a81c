import AttentionSocket
import AudioInput

extension Settings {
  /// Opens the source.
  ///
  /// - Parameters:
  ///   - rate: Samples a second that the model wants.
  ///   - pace: Speed of a recording.
  /// - Returns: The source, the name of its stream, and the kind that clients are told.
  /// - Throws: `AudioInputError` when it can't be opened.
  func openSource(
    rate: Int, pace: RunCommand.Pace
  ) throws -> (source: any AudioSource, name: String, kind: StreamDescription.Kind) {
    switch source {
    case .device:
      let capture = try CaptureSource(device: device, sampleRate: rate, channels: channels)
      return (capture, "mic", .device)
    case .file(let path):
      let file = try SoundFile(path: path, sampleRate: rate, channels: channels)
      return (pace == .fastest ? file : PacedSource(file), "file", .file)
    case .standardInput:
      let stream = try PCMStream(
        fileDescriptor: 0, format: pcm, sampleRate: rate, channels: channels)
      return (stream, "stdin", .pipe)
    }
  }
}
