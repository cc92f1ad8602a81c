import Kernels

/// Mel energies -> row x_t: compression, then mean and scale. Owns what PCEN remembers.
struct Normalisation: ~Copyable {
  private let compression: FrontEnd.Compression
  private let mean: FloatBuffer
  private let scale: FloatBuffer
  private let runningEnergy: FloatBuffer
  private var isAtStart = true

  init(_ compression: FrontEnd.Compression, mean: [Float], scale: [Float]) {
    self.compression = compression
    self.mean = FloatBuffer(mean)
    self.scale = FloatBuffer(scale)
    runningEnergy = FloatBuffer(count: mean.count)
  }

  /// Replaces energies by a row.
  mutating func apply(_ row: UnsafeMutablePointer<Float>) {
    let bins = mean.count
    Framing.bound(row, count: bins)
    switch compression {
    case .linear: break
    case .log(let floor): Logarithm.log(row, into: row, count: bins, floor: floor)
    case .pcen(let pcen):
      if isAtStart { runningEnergy.pointer.update(from: row, count: bins) }
      Framing.pcen(
        row, mean: runningEnergy.pointer, count: bins, smoothing: pcen.smoothing, gain: pcen.gain,
        bias: pcen.bias, power: pcen.power, epsilon: pcen.epsilon)
    }
    isAtStart = false
    Framing.normalise(row, mean: mean.pointer, scale: scale.pointer, count: bins)
  }

  mutating func reset() { isAtStart = true }
}
