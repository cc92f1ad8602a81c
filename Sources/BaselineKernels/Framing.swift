import Kernels

extension Loops {
  package static func copyFinite(
    _ samples: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>, count: Int,
    limit: Float
  ) {
    // A NaN compares false.
    for i in 0..<count { output[i] = samples[i].magnitude <= limit ? samples[i] : 0 }
  }

  package static func prepare(
    _ samples: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>,
    window: UnsafePointer<Float>, length: Int, paddedLength: Int, preEmphasis: Float, mean: Float
  ) {
    let first = samples[0] - mean
    output[0] = fused(-preEmphasis, first, first) * window[0]
    let (means, factors) = (Lanes8(repeating: mean), Lanes8(repeating: -preEmphasis))
    var i = 1
    while i &+ 8 <= length {
      let previous = Lanes8(samples + (i &- 1)) - means
      let emphasised = Lanes8.fma(factors, previous, Lanes8(samples + i) - means)
      (emphasised * Lanes8(window + i)).store(output + i)
      i &+= 8
    }
    while i < length {
      output[i] = fused(-preEmphasis, samples[i &- 1] - mean, samples[i] - mean) * window[i]
      i &+= 1
    }
    while i < paddedLength {
      output[i] = 0
      i &+= 1
    }
  }

  package static func prepareEight(
    _ samples: UnsafePointer<Float>, hop: Int, into output: UnsafeMutablePointer<Float>,
    window: UnsafePointer<Float>, length: Int, paddedLength: Int, preEmphasis: Float,
    means: UnsafePointer<Float>
  ) {
    let (mean, factor) = (Lanes8(means), Lanes8(repeating: -preEmphasis))
    var previous = gather(samples, hop: hop) - mean
    var i = 0
    while i &+ 8 <= length {
      let x = transposed(samples + i, hop: hop)
      previous = prepare(x.0 - mean, previous, factor, window + i, output + 8 &* i)
      previous = prepare(x.1 - mean, previous, factor, window + i + 1, output + 8 &* i + 8)
      previous = prepare(x.2 - mean, previous, factor, window + i + 2, output + 8 &* i + 16)
      previous = prepare(x.3 - mean, previous, factor, window + i + 3, output + 8 &* i + 24)
      previous = prepare(x.4 - mean, previous, factor, window + i + 4, output + 8 &* i + 32)
      previous = prepare(x.5 - mean, previous, factor, window + i + 5, output + 8 &* i + 40)
      previous = prepare(x.6 - mean, previous, factor, window + i + 6, output + 8 &* i + 48)
      previous = prepare(x.7 - mean, previous, factor, window + i + 7, output + 8 &* i + 56)
      i &+= 8
    }
    while i < length {
      let x = gather(samples + i, hop: hop) - mean
      previous = prepare(x, previous, factor, window + i, output + 8 &* i)
      i &+= 1
    }
    let zero = Lanes8(repeating: 0)
    while i < paddedLength {
      zero.store(output + 8 &* i)
      i &+= 1
    }
  }

  /// One sample of eight frames; returns it for the next to subtract.
  @inline(__always)
  private static func prepare(
    _ x: Lanes8, _ previous: Lanes8, _ factor: Lanes8, _ window: Input, _ output: Output
  ) -> Lanes8 {
    (Lanes8.fma(factor, previous, x) * Lanes8(repeating: window.pointee)).store(output)
    return x
  }

  /// Eight samples of eight frames, a vector for each place in the frame.
  @inline(__always)
  private static func transposed(
    _ x: Input, hop: Int
  ) -> (Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8) {
    Lanes8.transpose(
      (
        Lanes8(x), Lanes8(x + hop), Lanes8(x + 2 &* hop), Lanes8(x + 3 &* hop),
        Lanes8(x + 4 &* hop), Lanes8(x + 5 &* hop), Lanes8(x + 6 &* hop), Lanes8(x + 7 &* hop)
      ))
  }

  /// One sample of eight frames.
  @inline(__always)
  private static func gather(_ x: Input, hop: Int) -> Lanes8 {
    Lanes8(
      x[0], x[hop], x[2 &* hop], x[3 &* hop], x[4 &* hop], x[5 &* hop], x[6 &* hop], x[7 &* hop])
  }

  package static func deinterleave(
    _ x: UnsafePointer<Float>, into rows: UnsafeMutablePointer<Float>, stride: Int, count: Int
  ) {
    var i = 0
    while i < count {
      let y = transposed(x + 8 &* i, hop: 8)
      let row = rows + i
      y.0.store(row)
      y.1.store(row + stride)
      y.2.store(row + 2 &* stride)
      y.3.store(row + 3 &* stride)
      y.4.store(row + 4 &* stride)
      y.5.store(row + 5 &* stride)
      y.6.store(row + 6 &* stride)
      y.7.store(row + 7 &* stride)
      i &+= 8
    }
  }

  package static func bound(_ energy: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count {
      let positive = energy[i] > 0 ? energy[i] : 0
      energy[i] = positive < 1e30 ? positive : 1e30
    }
  }

  package static func pcen(
    _ energy: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>, count: Int,
    smoothing: Float, gain: Float, bias: Float, power: Float, epsilon: Float
  ) {
    func constant(_ value: Float) -> Lanes8 { Lanes8(repeating: value) }
    let (weight, keep) = (constant(smoothing), constant(1 - smoothing))
    let (offset, exponent, negativeGain) = (constant(bias), constant(power), constant(-gain))
    let biasRoot = bias > 0 ? Logarithm.power(offset, exponent) : constant(0)
    func step(_ energy: Output, _ mean: Output) {
      let running = Lanes8.fma(weight, Lanes8(energy), keep * Lanes8(mean))
      running.store(mean)
      let quiet = Logarithm.power(constant(epsilon) + running, negativeGain)
      let normalised = Lanes8.fma(Lanes8(energy), quiet, offset)
      (Logarithm.power(normalised, exponent) - biasRoot).store(energy)
    }
    let whole = count & ~7
    var i = 0
    while i < whole {
      step(energy + i, mean + i)
      i &+= 8
    }
    guard whole < count else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) { memory in
      guard let rest = memory.baseAddress else { return }
      memory.initialize(repeating: 0)
      rest.update(from: energy + whole, count: count - whole)
      (rest + 8).update(from: mean + whole, count: count - whole)
      step(rest, rest + 8)
      (energy + whole).update(from: rest, count: count - whole)
      (mean + whole).update(from: rest + 8, count: count - whole)
    }
  }

  package static func normalise(
    _ row: UnsafeMutablePointer<Float>, mean: UnsafePointer<Float>, scale: UnsafePointer<Float>,
    count: Int
  ) {
    for i in 0..<count { row[i] = (row[i] - mean[i]) * scale[i] }
  }
}
