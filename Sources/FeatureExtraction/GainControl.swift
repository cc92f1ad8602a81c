import KernelDispatch
import Kernels

/// Per-channel energy normalisation: mel energies -> row, by a running mean of each bin.
///
/// Owns what is remembered of the energies: a float a bin.
struct GainControl: ~Copyable {
  private let pcen: FrontEnd.PCEN
  private let mean: FloatBuffer
  private var isAtStart = true

  init(_ pcen: FrontEnd.PCEN, bins: Int) {
    self.pcen = pcen
    mean = FloatBuffer(count: bins)
  }

  /// Replaces energies by a row.
  mutating func apply(_ row: UnsafeMutablePointer<Float>) {
    if isAtStart { mean.pointer.update(from: row, count: mean.count) }
    isAtStart = false
    kernels.pcen(
      row, mean: mean.pointer, count: mean.count, smoothing: pcen.smoothing, gain: pcen.gain,
      bias: pcen.bias, power: pcen.power, epsilon: pcen.epsilon)
  }

  mutating func reset() { isAtStart = true }
}
