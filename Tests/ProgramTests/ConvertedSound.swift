import AudioInput
import CSndFile
import TestSupport

/// Writes a recording anew: `RATE[-stereo][-24|-float].CONTAINER` says how.
func convert(_ path: String, to target: String) throws {
  let name = target.split(separator: "/").last.map(String.init) ?? target
  let stem = name.split(separator: ".")[0].split(separator: "-").map(String.init)
  let rate = Int(stem[0]) ?? 16_000
  let channels = stem.contains("stereo") ? 2 : 1

  let source = try SoundFile(path: path, sampleRate: rate)
  let expected = Int((source.durationSeconds ?? 0) * Double(rate))
  var samples = [Float](repeating: 0, count: expected + rate)
  let count = try samples.withUnsafeMutableBufferPointer { try source.read(into: $0).count }
  // The word on the left, nothing on the right, as a microphone pair may have it.
  let interleaved = samples.prefix(count).flatMap { channels == 2 ? [$0, $0 * 0.5] : [$0] }

  var information = SF_INFO()
  information.samplerate = Int32(rate)
  information.channels = Int32(channels)
  let encoding =
    stem.contains("24")
    ? SF_FORMAT_PCM_24 : stem.contains("float") ? SF_FORMAT_FLOAT : SF_FORMAT_PCM_16
  switch name.split(separator: ".").last {
  case "flac": information.format = Int32(SF_FORMAT_FLAC | SF_FORMAT_PCM_16)
  case "ogg": information.format = Int32(SF_FORMAT_OGG | SF_FORMAT_VORBIS)
  default: information.format = Int32(SF_FORMAT_WAV | encoding)
  }
  let file: OpaquePointer
  switch SoundOpening.attempt({ sf_open(target, Int32(SFM_WRITE), &information) }) {
  case .success(let opened): file = opened
  case .failure(let reason): throw GoldenError(target, reason.description)
  }
  defer { sf_close(file) }
  guard sf_writef_float(file, interleaved, sf_count_t(count)) == sf_count_t(count) else {
    throw GoldenError(target, "cannot be written")
  }
}
