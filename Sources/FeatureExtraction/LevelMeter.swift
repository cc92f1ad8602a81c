import Kernels

/// How loud a stream is: root mean square of the samples since the last reading.
public struct LevelMeter: Sendable {
  private var energy: Float = 0
  private var samples = 0

  /// A meter that has heard nothing.
  public init() {}

  /// Takes in samples.
  ///
  /// - Parameter block: Samples in -1 ..< 1.
  public mutating func push(_ block: Span<Float>) {
    block.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      energy += Reduction.dot(base, base, count: buffer.count)
    }
    samples += block.count
  }

  /// Reads the meter and begins anew.
  ///
  /// - Returns: dBFS: 0 for a full-scale square wave, -120 at least, also for no samples.
  public mutating func read() -> Float {
    defer { self = LevelMeter() }
    return Logarithm.decibels(power: samples > 0 ? energy / Float(samples) : 0, floor: -120)
  }
}
