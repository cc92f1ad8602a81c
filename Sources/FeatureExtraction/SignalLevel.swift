import Kernels

/// How loud samples are.
public enum SignalLevel {
  /// Root mean square in dBFS: 0 for a full-scale square wave, -120 at least, also for no samples.
  ///
  /// - Parameter samples: Samples in -1 ..< 1.
  /// - Returns: Decibels relative to full scale.
  public static func decibels(_ samples: Span<Float>) -> Float {
    samples.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress, !buffer.isEmpty else { return -120 }
      let power = Reduction.dot(base, base, count: buffer.count) / Float(buffer.count)
      return Logarithm.decibels(power: power, floor: -120)
    }
  }
}
