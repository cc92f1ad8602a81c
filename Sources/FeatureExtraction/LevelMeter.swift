import Glibc
import KernelDispatch
import Kernels

/// How loud a stream is: root mean square of the samples since the last reading.
public struct LevelMeter: Sendable {
  /// Double: a meter that is seldom read must not stop at the float that one block can't move.
  private var energy = 0.0
  private var samples = 0

  /// A meter that has heard nothing.
  public init() {}

  /// Takes in samples.
  ///
  /// - Parameter block: Samples in -1 ..< 1.
  public mutating func push(_ block: Span<Float>) {
    block.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      energy += Double(kernels.dot(base, base, count: buffer.count))
    }
    samples += block.count
  }

  /// Takes in what another meter has taken in since it was read.
  ///
  /// - Parameter other: The other meter.
  public mutating func add(_ other: LevelMeter) {
    energy += other.energy
    samples += other.samples
  }

  /// Reads the meter and begins anew.
  ///
  /// - Returns: dBFS: 0 for a full-scale square wave, -120 at least, also for no samples; 300 at
  ///   most, also when a sample was a NaN.
  public mutating func read() -> Float {
    defer { self = LevelMeter() }
    guard samples > 0 else { return -120 }
    // A NaN is not less than 1e30.
    let power = energy < 1e30 * Double(samples) ? energy / Double(samples) : 1e30
    return max(-120, Float(10 * log10(power)))
  }
}
