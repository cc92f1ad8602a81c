import Glibc
import Kernels
import TestSupport
import Testing

@Suite("Framing")
struct FramingTests {
  @Test(
    "A frame is scaled, freed of its mean, pre-emphasised, tapered and padded", .seed(51),
    arguments: [1, 2, 7, 8, 9, 16, 17, 253, 400], [true, false])
  func prepare(length: Int, removesMean: Bool) {
    var random = SplitMix64()
    let x = random.floats(length)
    let window = random.floats(length)
    let padded = length + 9
    let output = FloatBuffer([Float](repeating: .nan, count: padded))
    withPointers(x, window) { px, pw in
      Framing.prepare(
        px, into: output.pointer, window: pw, length: length, paddedLength: padded,
        scale: 32_768, preEmphasis: 0.97, removesMean: removesMean)
    }
    let mean = removesMean ? x.reduce(0) { $0 + Double($1) } / Double(length) : 0
    var worst = WorstRatio("framing of \(length)")
    for i in 0..<padded {
      guard i < length else {
        #expect(output.pointer[i] == 0, "padding at \(i)")
        continue
      }
      let previous = Double(x[max(0, i - 1)]) - mean
      let emphasised = Double(x[i]) - mean - Double(Float(0.97)) * previous
      // Samples up to 1: mean, two differences, product, difference and taper, rounded each.
      worst.add(
        got: output.pointer[i], reference: emphasised * 32_768 * Double(window[i]),
        tolerance: 32_768 * 12 * 0x1p-24, at: "sample \(i) of \(length)")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("The power is re^2 + im^2", .seed(52), arguments: [0, 1, 7, 8, 9, 17, 257])
  func power(count: Int) {
    var random = SplitMix64()
    let re = FloatBuffer(random.floats(count))
    let im = FloatBuffer(random.floats(count))
    let power = FloatBuffer([Float](repeating: 9, count: count + 1))
    Framing.power(
      Butterflies.Complex(re: re.pointer, im: im.pointer), into: power.pointer, count: count)
    for i in 0..<count {
      let expected = re.pointer[i] * re.pointer[i] + im.pointer[i] * im.pointer[i]
      #expect(power.pointer[i].bitPattern == expected.bitPattern, "bin \(i) of \(count)")
    }
    #expect(power.pointer[count] == 9)
  }

  @Test("Energies end up between 0 and 1e30: a NaN is 0")
  func bound() {
    let energies = FloatBuffer([.nan, -1, -.infinity, 0, 0.5, 1e30, 2e30, .infinity])
    Framing.bound(energies.pointer, count: energies.count)
    #expect(Array(energies.elements) == [0, 0, 0, 0, 0.5, 1e30, 1e30, 1e30])
  }

  @Test(
    "PCEN that starts from the first energy gives the published rows",
    arguments: ["impulses", "speechlike", "utterance"])
  func pcen(signal: String) throws {
    let tensors = try Golden.tensors("frontend/pcen.safetensors")
    let energies = try tensors["\(signal).in"]
    let references = try tensors["\(signal).published_init_first"].doubles
    let input = try energies.floats
    let bins = energies.shape[1]
    let mean = FloatBuffer(Array(input[..<bins]))
    let row = FloatBuffer(count: bins)
    var worst = WorstRatio("PCEN of \(signal)")
    for frame in 0..<energies.shape[0] {
      for bin in 0..<bins { row.pointer[bin] = input[frame * bins + bin] }
      Framing.pcen(
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

  @Test("PCEN stays finite at the ends of what its numbers and energies may be")
  func pcenExtremes() {
    for smoothing in [0x1p-20, 0.025, 1] as [Float] {
      for gain in [0, 0.98, 1] as [Float] {
        for bias in [0, 2, 1e6] as [Float] {
          for power in [0x1p-10, 0.5, 1] as [Float] {
            for epsilon in [1e-30, 1e-6, 1e30] as [Float] {
              let mean = FloatBuffer([0, 1e30, 0, 1e30])
              let energy = FloatBuffer([0, 0, 1e30, 1e30])
              Framing.pcen(
                energy.pointer, mean: mean.pointer, count: 4, smoothing: smoothing, gain: gain,
                bias: bias, power: power, epsilon: epsilon)
              #expect(
                energy.elements.allSatisfy(\.isFinite) && mean.elements.allSatisfy(\.isFinite),
                "smoothing \(smoothing), gain \(gain), bias \(bias), power \(power), \(epsilon)")
            }
          }
        }
      }
    }
  }

  @Test("Rows are normalised by (x - mean) scale", .seed(53), arguments: [0, 1, 8, 9, 40])
  func normalise(count: Int) {
    var random = SplitMix64()
    let x = random.floats(count, scale: 10)
    let mean = random.floats(count, scale: 10)
    let scale = random.floats(count)
    let row = FloatBuffer(x + [9])
    withPointers(mean, scale) { pm, ps in
      Framing.normalise(row.pointer, mean: pm, scale: ps, count: count)
    }
    #expect(Array(row.elements) == (0..<count).map { (x[$0] - mean[$0]) * scale[$0] } + [9])
  }
}
