import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Framing")
struct FramingTests {
  /// A frame's arithmetic in the order that `FramingKernels.prepare` states.
  static func prepared(
    _ x: [Float], window: [Float], padded: Int, preEmphasis: Float, mean: Float,
    _ set: InstructionSet
  ) -> [Float] {
    (0..<padded).map { i in
      guard i < x.count else { return 0 }
      return set.fused(-preEmphasis, x[max(0, i - 1)] - mean, x[i] - mean) * window[i]
    }
  }

  @Test(
    "Samples are copied; those beyond the limit and those that are no number become zero",
    .seed(50), arguments: oddSizes, InstructionSet.available)
  func copyFinite(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let bad: [Float] = [.nan, -.nan, .signalingNaN, .infinity, -.infinity, 0x1.000002p40, -0x1p41]
    let kept: [Float] = [0x1p40, -0x1p40, -0, 0x1p-149, 1]
    for place in 0..<max(1, count) {
      var samples = random.floats(count, scale: 1e6)
      var expected = samples
      if count > 0 {
        samples[place] = bad[place % bad.count]
        expected[place] = 0
        let other = (place + 1) % count
        if other != place {
          samples[other] = kept[place % kept.count]
          expected[other] = samples[other]
        }
      }
      let input = FloatBuffer(samples)
      let output = FloatBuffer([Float](repeating: 9, count: count + 16))
      set.kernels.copyFinite(input.pointer, into: output.pointer, count: count, limit: 0x1p40)
      #expect(
        bitDifference(output.elements, expected + [Float](repeating: 9, count: 16)) == nil,
        "a bad sample at \(place) of \(count)")
    }
  }

  @Test(
    "A frame is freed of its mean, pre-emphasised, tapered and padded: the reference's bits",
    .seed(51), arguments: oddSizes.dropFirst() + [400], InstructionSet.available)
  func prepare(length: Int, set: InstructionSet) {
    var random = SplitMix64()
    for (padding, preEmphasis, mean) in [(0, 0.97, 0.25), (9, 0, 0), (1, 0.5, -3)]
      as [(
        Int, Float, Float
      )]
    {
      let x = random.floats(length)
      let window = random.floats(length)
      let padded = length + padding
      let output = FloatBuffer([Float](repeating: .nan, count: padded + 16))
      withPointers(x, window) { px, pw in
        set.kernels.prepare(
          px, into: output.pointer, window: pw, length: length, paddedLength: padded,
          preEmphasis: preEmphasis, mean: mean)
      }
      let expected = Self.prepared(
        x, window: window, padded: padded, preEmphasis: preEmphasis, mean: mean, set)
      #expect(bitDifference(output.elements[..<padded], expected) == nil, "\(length) of \(padded)")
      #expect(output.elements[padded...].allSatisfy { $0.isNaN }, "nothing behind the padding")
      let exact = x.indices.map { i in
        (Double(x[i]) - Double(mean)
          - Double(preEmphasis) * (Double(x[max(0, i - 1)]) - Double(mean))) * Double(window[i])
      }
      // Samples below 1 and a mean of at most 3: two differences, a product, a sum and the taper.
      let worst = LargestDifference(Array(output.elements[..<length]), exact)
      #expect(worst.value <= 24 * 0x1p-24, "\(worst)")
    }
  }

  @Test(
    "Eight frames at once have the bits of each alone, and read nothing behind the last", .seed(54),
    arguments: oddSizes.dropFirst() + [400], InstructionSet.available)
  func prepareEight(length: Int, set: InstructionSet) {
    var random = SplitMix64()
    for hop in Set([1, 7, 8, 160, length]) {
      let padded = length + 11
      let x = random.floats(length + 7 * hop)
      let window = random.floats(length)
      let means = random.floats(8)
      // What lies behind would spoil a lane that read it.
      let samples = FloatBuffer(x + [Float](repeating: .nan, count: 32))
      let output = FloatBuffer([Float](repeating: 9, count: 8 * padded + 16))
      withPointers(window, means) { pw, pm in
        set.kernels.prepareEight(
          samples.pointer, hop: hop, into: output.pointer, window: pw, length: length,
          paddedLength: padded, preEmphasis: 0.97, means: pm)
      }
      for frame in 0..<8 {
        let expected = Self.prepared(
          Array(x[frame * hop..<frame * hop + length]), window: window, padded: padded,
          preEmphasis: 0.97, mean: means[frame], set)
        let lane = (0..<padded).map { output.pointer[8 * $0 + frame] }
        #expect(
          bitDifference(lane, expected) == nil, "frame \(frame), \(length) samples, hop \(hop)")
      }
      #expect(output.elements[(8 * padded)...].allSatisfy { $0 == 9 })
    }
  }

  @Test(
    "Lanes become rows; at most seven elements behind a row are written", .seed(55),
    arguments: oddSizes, InstructionSet.available)
  func deinterleave(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let whole = (count + 7) / 8 * 8
    for gap in [0, 5] {
      let stride = whole + gap
      let x = random.floats(8 * whole)
      let lanes = FloatBuffer(x)
      let rows = FloatBuffer([Float](repeating: 9, count: 8 * stride + 16))
      set.kernels.deinterleave(lanes.pointer, into: rows.pointer, stride: stride, count: count)
      let expected = (0..<8 * stride).map { place in
        let (lane, i) = (place / max(1, stride), place % max(1, stride))
        return i < whole ? x[8 * i + lane] : 9
      }
      #expect(
        bitDifference(rows.elements, expected + [Float](repeating: 9, count: 16)) == nil,
        "\(count) elements, stride \(stride)")
    }
  }

  @Test("Energies end up between 0 and 1e30: a NaN is 0", arguments: InstructionSet.available)
  func bound(set: InstructionSet) {
    let inputs: [Float] = [.nan, -1, -.infinity, 0, 0.5, 1e30, 2e30, .infinity]
    let expected: [Float] = [0, 0, 0, 0, 0.5, 1e30, 1e30, 1e30]
    for count in oddSizes {
      // Every energy comes to stand at every place of a vector.
      for shift in 0..<8 {
        let energies = FloatBuffer((0..<count).map { inputs[($0 + $0 / 8 + shift) % 8] } + [.nan])
        set.kernels.bound(energies.pointer, count: count)
        #expect(
          Array(energies.elements.dropLast())
            == (0..<count).map { expected[($0 + $0 / 8 + shift) % 8] }, "\(count) energies")
        #expect(energies.pointer[count].isNaN)
      }
    }
  }

  @Test(
    "PCEN that starts from the first energy gives the published rows",
    arguments: ["impulses", "speechlike", "utterance"], InstructionSet.available)
  func pcen(signal: String, set: InstructionSet) throws {
    let tensors = try Golden.tensors("frontend/pcen.safetensors")
    let energies = try tensors["\(signal).in"]
    let references = try tensors["\(signal).published_init_first"].doubles
    let input = try energies.floats
    let bins = energies.shape[1]
    let mean = FloatBuffer(Array(input[..<bins]))
    let row = FloatBuffer(count: bins)
    var worst = WorstRatio("PCEN of \(signal) by \(set)")
    for frame in 0..<energies.shape[0] {
      for bin in 0..<bins { row.pointer[bin] = input[frame * bins + bin] }
      set.kernels.pcen(
        row.pointer, mean: mean.pointer, count: bins, smoothing: 0.025, gain: 0.98, bias: 2,
        power: 0.5, epsilon: 1e-6)
      for bin in 0..<bins {
        let reference = references[frame * bins + bin]
        worst.add(
          got: row.pointer[bin], reference: reference, tolerance: 1e-6 + 1e-5 * abs(reference),
          at: "frame \(frame), bin \(bin)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "PCEN stays finite at the ends of what its numbers and energies may be",
    arguments: InstructionSet.available)
  func pcenExtremes(set: InstructionSet) {
    for smoothing in [0x1p-20, 0.025, 1] as [Float] {
      for gain in [0, 0.98, 1] as [Float] {
        for bias in [0, 2, 1e6] as [Float] {
          for power in [0x1p-10, 0.5, 1] as [Float] {
            for epsilon in [1e-30, 1e-6, 1e30] as [Float] {
              let mean = FloatBuffer([0, 1e30, 0, 1e30])
              let energy = FloatBuffer([0, 0, 1e30, 1e30])
              set.kernels.pcen(
                energy.pointer, mean: mean.pointer, count: 4, smoothing: smoothing, gain: gain,
                bias: bias, power: power, epsilon: epsilon)
              #expect(
                energy.elements.allSatisfy { $0.isFinite }
                  && mean.elements.allSatisfy { $0.isFinite },
                "smoothing \(smoothing), gain \(gain), bias \(bias), power \(power), \(epsilon)")
            }
          }
        }
      }
    }
  }

  @Test(
    "Rows are normalised by (x - mean) scale", .seed(53), arguments: oddSizes,
    InstructionSet.available)
  func normalise(count: Int, set: InstructionSet) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 10)
    let mean = random.floats(count, scale: 10)
    let scale = random.floats(count)
    let row = FloatBuffer(x + [9])
    withPointers(mean, scale) { pm, ps in
      set.kernels.normalise(row.pointer, mean: pm, scale: ps, count: count)
    }
    let expected = (0..<count).map { (x[$0] - mean[$0]) * scale[$0] } + [9]
    #expect(bitDifference(row.elements, expected) == nil)
  }
}
