import AudioInput
import Glibc

/// A card on a simulated clock: its samples are numbers, counted from when it first ran (up to what a
/// float holds exactly, then from 0 again), so that each tells when it was captured; or, where there is a
/// `signal`, what that says.
package final class SimulatedCard: CaptureCard, @unchecked Sendable {
  // Unchecked: one thread uses it, as it does a card.

  package let name = "simulated"
  package let rate: Int
  package let channels: Int
  package let encoding: SampleEncoding
  package let periodSize: Int
  package let bufferSize: Int

  /// What the next calls are to meet.
  package enum Trouble: Equatable {
    /// The machine slept until then; afterwards the card can't resume and must be started anew.
    case asleep(until: Double)
    /// It is unplugged.
    case gone
    /// It is there and gives nothing.
    case deaf
    /// Its driver fails.
    case failing
  }
  package var trouble: Trouble?
  /// Samples that a read gives at most.
  package var mostAtOnce = Int.max

  private let time: SimulatedTime
  /// The sound at a sample of a channel, full scale ±1.
  private let signal: ((_ sample: Int, _ channel: Int) -> Float)?
  /// When its sample 0 was captured.
  package private(set) var born: Double?
  /// Number of the first sample that is in the buffer; nil while it doesn't run.
  private var next: Int?

  package init(
    rate: Int = 16_000, channels: Int = 1, encoding: SampleEncoding = .f32le, periods: Int = 8,
    countingFrom origin: Double? = nil,
    signal: ((_ sample: Int, _ channel: Int) -> Float)? = nil, time: SimulatedTime
  ) {
    self.rate = rate
    self.channels = channels
    self.encoding = encoding
    born = origin
    periodSize = rate / 100
    bufferSize = periods * periodSize
    self.time = time
    self.signal = signal
  }

  /// Samples that the microphone has captured since the card first ran.
  package var captured: Int {
    Int(((time.sinceBoot - (born ?? time.sinceBoot)) * Double(rate) + 1e-6).rounded(.down))
  }

  package func start() -> Int32 {
    if trouble == .gone { return -ENODEV }
    if born == nil { born = time.sinceBoot }
    next = captured
    return 0
  }

  package func prepare() -> Int32 { trouble == .gone ? -ENODEV : 0 }

  package func resume() -> Int32 {
    guard case .asleep(let end) = trouble else { return -ENOSYS }
    guard time.sinceBoot >= end else { return -EAGAIN }
    trouble = nil
    return -ENOSYS
  }

  private var status: Int32 {
    switch trouble {
    case .gone: return -ENODEV
    case .asleep: return -ESTRPIPE
    case .failing: return -EIO
    case .deaf, nil: break
    }
    guard let next else { return -EBADFD }
    return trouble == nil && captured - next > bufferSize ? -EPIPE : 0
  }

  package func wait(milliseconds: Int32) -> Int32 {
    if status < 0 { return status }
    let end = time.sinceBoot + Double(milliseconds) / 1_000
    guard trouble == nil, let next else {
      time.advance(Double(milliseconds) / 1_000)
      return 0
    }
    let missing = periodSize - (captured - next)
    guard missing > 0 else { return 1 }
    let due = time.sinceBoot + Double(missing) / Double(rate)
    time.advance(min(due, end) - time.sinceBoot)
    return captured - next >= periodSize ? 1 : 0
  }

  package func backlog() -> CaptureBacklog? {
    next.map { CaptureBacklog(frames: captured - $0, age: 0) }
  }

  package func read(into bytes: UnsafeMutableRawPointer, frames: Int) -> Int {
    if status < 0 { return Int(status) }
    guard let next else { return -Int(EBADFD) }
    let count = min(frames, captured - next, mostAtOnce)
    for index in 0..<count {
      for channel in 0..<channels {
        let offset = (index * channels + channel) * encoding.bytesPerSample
        let sample = next + index
        if encoding == .f32le {
          let value = signal.map { $0(sample, channel) } ?? Float(sample % Self.modulus)
          bytes.storeBytes(of: value, toByteOffset: offset, as: Float.self)
        } else {
          let value =
            signal.map { $0(sample, channel) }
            ?? Float(Self.level(of: sample, channel: channel)) / 256
          write(value, at: bytes + offset)
        }
      }
    }
    self.next = next + count
    return count
  }

  /// What a card of whole numbers gives at a place on a channel, in 256ths of full scale.
  package static func level(of sample: Int, channel: Int) -> Int {
    (sample * 37 + channel * 101) % 255 - 127
  }

  /// Writes a value below full scale as the card's encoding has it.
  private func write(_ value: Float, at target: UnsafeMutableRawPointer) {
    switch encoding {
    case .s16le: target.storeBytes(of: Int16(value * 0x1p15), as: Int16.self)
    case .s24In32le: target.storeBytes(of: Int32(value * 0x1p23), as: Int32.self)
    case .s32le: target.storeBytes(of: Int32(value * 0x1p31), as: Int32.self)
    case .s24le:
      let whole = UInt32(bitPattern: Int32(value * 0x1p23))
      for byte in 0..<3 {
        target.storeBytes(
          of: UInt8(truncatingIfNeeded: whole >> (8 * UInt32(byte))), toByteOffset: byte,
          as: UInt8.self)
      }
    default: preconditionFailure("No card of ours gives \(encoding)")
    }
  }

  private static let modulus = 1 << 20

  /// How many samples a sample lies from where it was captured.
  package static func distance(of sample: Float, from position: Int) -> Int {
    let distance = abs(Int(sample) - position % modulus)
    return min(distance, modulus - distance)
  }

  package func reason(_ status: Int32) -> String { "error \(status)" }
}
