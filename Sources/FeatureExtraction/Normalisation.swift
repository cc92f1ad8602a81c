import Kernels

/// Mel energies -> row x_t: compression, then mean and scale.
///
/// Owns what PCEN remembers.
struct Normalisation: ~Copyable {
  private let compression: FrontEnd.Compression
  private let mean: FloatBuffer
  private let scale: FloatBuffer
  private let runningEnergy: FloatBuffer
  private var isAtStart = true

  /// Limits of mean and scale: (1e30 + 1e30) 1e8 is still a float, and no energy is above 1e30.
  static let largestMean: Float = 1e30
  static let largestScale: Float = 1e8

  /// Refuses numbers that would let a row overflow.
  static func check(
    _ field: String, _ values: [Float], limit: Float
  ) throws(FrontEndError) {
    for (i, value) in values.enumerated() where !(value.magnitude <= limit) {
      throw FrontEndError(
        field: "\(field)[\(i)]", found: "\(value)", expected: "\(-limit) to \(limit)")
    }
  }

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
    case .log(let floor): Logarithm.log(row, count: bins, floor: floor)
    case .decibels(let floor):
      Logarithm.log(row, count: bins, floor: floor)
      for i in 0..<bins { row[i] *= 4.342_944_8 }
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
