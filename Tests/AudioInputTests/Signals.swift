import AudioInput
import CSndFile
import Glibc
import Synchronization

/// The numbers 0 ..< count at a rate, as a tone of amplitude 0.5 that starts at phase 0.
func tone(_ hertz: Double, rate: Int, count: Int) -> [Float] {
  (0..<count).map { Float(0.5 * sin(2 * .pi * hertz * Double($0) / Double(rate))) }
}

/// How far a signal is from a tone of the given frequency, and that tone's amplitude.
///
/// Least squares over sine and cosine; what they leave over is noise.
func fitTone(
  _ hertz: Double, rate: Int, to samples: ArraySlice<Float>
) -> (amplitude: Double, snrDecibels: Double) {
  var ss = 0.0
  var cc = 0.0
  var sc = 0.0
  var sx = 0.0
  var cx = 0.0
  let step = 2 * Double.pi * hertz / Double(rate)
  for (index, sample) in zip(samples.indices, samples) {
    let (s, c) = (sin(step * Double(index)), cos(step * Double(index)))
    ss += s * s
    cc += c * c
    sc += s * c
    sx += s * Double(sample)
    cx += c * Double(sample)
  }
  let determinant = ss * cc - sc * sc
  let a = (sx * cc - cx * sc) / determinant
  let b = (cx * ss - sx * sc) / determinant
  var signal = 0.0
  var noise = 0.0
  for (index, sample) in zip(samples.indices, samples) {
    let fitted = a * sin(step * Double(index)) + b * cos(step * Double(index))
    signal += fitted * fitted
    noise += (Double(sample) - fitted) * (Double(sample) - fitted)
  }
  return ((a * a + b * b).squareRoot(), 10 * log10(signal / max(noise, 1e-30)))
}

/// Samples without a pattern, from a seed (SplitMix64).
func noise(seed: UInt64, count: Int) -> [Float] {
  var state = seed
  return (0..<count).map { _ in
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return Float(Int64(bitPattern: z) >> 40) * 0x1p-24
  }
}

/// A folder for one test's files, gone with it.
final class Scratch: Sendable {
  let folder: String
  private let paths = Mutex<[String]>([])

  init() {
    var template = Array("/tmp/attnd-test-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
    }
  }

  deinit {
    remove()
  }

  func remove() {
    for path in paths.withLock({ $0 }) { unlink(path) }
    rmdir(folder)
  }

  func path(_ name: String) -> String {
    let path = folder + "/" + name
    paths.withLock { $0.append(path) }
    return path
  }

  func write(_ bytes: some Sequence<UInt8>, to name: String) -> String {
    let path = path(name)
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    defer { close(file) }
    let all = Array(bytes)
    _ = all.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    return path
  }

  /// Writes interleaved samples with libsndfile; nil when it hasn't that format.
  func writeSound(
    _ samples: [Float], _ format: Int, rate: Int, channels: Int = 1, to name: String
  ) -> String? {
    var description = SF_INFO()
    description.samplerate = Int32(rate)
    description.channels = Int32(channels)
    description.format = Int32(format)
    guard sf_format_check(&description) != 0 else { return nil }
    let path = path(name)
    guard
      let handle = try? SoundOpening.attempt({ sf_open(path, Int32(SFM_WRITE), &description) })
        .get()
    else { return nil }
    defer { sf_close(handle) }
    // In pieces: libsndfile's Vorbis encoder takes a whole write onto the stack.
    for start in stride(from: 0, to: samples.count, by: 1024 * channels) {
      let part = Array(samples[start..<min(start + 1024 * channels, samples.count)])
      sf_writef_float(handle, part, Int64(part.count / channels))
    }
    return path
  }
}

func bytesOfFile(_ path: String) -> [UInt8] {
  let file = open(path, O_RDONLY)
  defer { close(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65536)
  while true {
    let got = read(file, &piece, piece.count)
    guard got > 0 else { return bytes }
    bytes += piece[..<got]
  }
}

/// Everything a source has, read in blocks of one size; checks that positions follow each other.
func readAll(
  _ source: any AudioSource, blockSize: Int = 1600
) throws(AudioInputError) -> [Float] {
  let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: blockSize)
  defer { block.deallocate() }
  var samples: [Float] = []
  while true {
    let got = try source.read(into: block)
    precondition(got.position == SamplePosition(Int64(samples.count)), "positions have a hole")
    precondition(got.lostSamples == 0 && got.captured == nil)
    guard got.count > 0 else { return samples }
    samples += block[..<got.count]
  }
}

/// What came before the fault, and the fault.
func readUntilFault(_ source: any AudioSource) -> (samples: Int, fault: AudioInputError?) {
  let block = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1000)
  defer { block.deallocate() }
  var count = 0
  do {
    while true {
      let got = try source.read(into: block)
      guard got.count > 0 else { return (count, nil) }
      count += got.count
      precondition(count < 100_000_000, "the source never ends")
    }
  } catch {
    return (count, error)
  }
}
