import Kernels

/// Running mean and variance normalisation: row -> row, by what the stream has shown so far.
///
/// `FrontEnd.RunningNormalisation` has the equations. Owns mean and variance, two floats an element.
struct RunningMoments: ~Copyable {
  /// Elements beyond this count as it: the square of a distance is still a float, and so is what
  /// comes of it.
  static let largestElement: Float = 1e18
  /// Added to a variance, so that a constant is zero and not a division by it.
  private static let least: Float = 1e-5

  private let settings: FrontEnd.RunningNormalisation
  private let startMean: FloatBuffer
  private let startVariance: FloatBuffer
  private let mean: FloatBuffer
  private let variance: FloatBuffer
  /// Rows seen, as far as they decide the rate.
  private var rows = 0

  /// Starts from a model's mean and scale, or (`Start.warm`) from nothing.
  init(_ settings: FrontEnd.RunningNormalisation, mean: [Float], scale: [Float]) {
    self.settings = settings
    let isWarm = settings.start == .warm
    startMean = FloatBuffer(isWarm ? mean.map { _ in 0 } : mean)
    startVariance = FloatBuffer(
      scale.map { isWarm ? 0 : Float(1 / (Double($0) * Double($0))) })
    self.mean = FloatBuffer(count: mean.count)
    variance = FloatBuffer(count: mean.count)
    reset()
  }

  /// Takes a row into account, then normalises it.
  mutating func apply(_ row: UnsafeMutablePointer<Float>) {
    RowChain.clamp(row, count: mean.count, limit: Self.largestElement)
    let rate = self.rate()
    let (m, v) = (mean.pointer, variance.pointer)
    for i in 0..<mean.count {
      let distance = row[i] - m[i]
      m[i] += rate * distance
      v[i] = (1 - rate) * (v[i] + rate * distance * distance)
      row[i] = (row[i] - m[i]) / (v[i] + Self.least).squareRoot()
    }
  }

  mutating func reset() {
    mean.pointer.update(from: startMean.pointer, count: mean.count)
    variance.pointer.update(from: startVariance.pointer, count: mean.count)
    rows = 0
  }

  /// Weight of the row that is being taken in: 1 / t for row t (from 1) while that is more than the
  /// rate that was asked for.
  private mutating func rate() -> Float {
    guard settings.start == .warm, Float(rows + 1) * settings.rate < 1 else { return settings.rate }
    rows += 1
    return 1 / Float(rows)
  }
}
