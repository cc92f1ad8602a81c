import FeatureExtraction
import Glibc
import TestSupport
import Testing

@Suite("Fourier transform")
struct FourierTransformTests {
  static let sizes = [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192]
  /// Relative error in the Euclidean norm; Tests/Golden/README.md, "fft", has the argument.
  static let tolerance = 3e-7

  /// re and im of each bin, alternating, as the golden files have them.
  static func spectrum(_ samples: [Float]) -> [Float] {
    var transform = FourierTransform(size: samples.count)
    return spectrum(samples, by: &transform)
  }

  static func spectrum(_ samples: [Float], by transform: inout FourierTransform) -> [Float] {
    transform(samples.span) { re, im in re.indices.flatMap { [re[$0], im[$0]] } }
  }

  @Test("Noise has the golden spectrum", arguments: sizes)
  func golden(size: Int) throws {
    let input = try Golden.array("fft/input.npy").floats
    let file = size > 2_048 ? "fft/large.safetensors" : "fft/small.safetensors"
    let reference = try Golden.tensors(file)["rfft.\(size)"].doubles
    var worst = WorstRatio("golden transform of \(size)")
    worst.add(
      ratio: relativeL2(Self.spectrum(Array(input[..<size])), reference) / Self.tolerance,
      at: "the whole spectrum")
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Impulses, constants, tones and huge samples have the golden spectrum",
    arguments: [
      "impulse0", "impulse7", "constant", "sine_bin9", "nyquist", "tiny_and_one", "large",
    ])
  func special(name: String) throws {
    let tensors = try Golden.tensors("fft/special.safetensors")
    let got = Self.spectrum(try tensors["\(name).512.in"].floats)
    let error = relativeL2(got, try tensors["\(name).512.rfft"].doubles)
    #expect(error <= Self.tolerance, "\(name)")
  }

  @Test("Denormal samples are transformed, not flushed to zero")
  func denormal() throws {
    let tensors = try Golden.tensors("fft/special.safetensors")
    let got = Self.spectrum(try tensors["denormal.512.in"].floats)
    let difference = LargestDifference(got, try tensors["denormal.512.rfft"].doubles)
    #expect(difference.value <= 512 * 9 * 0x1p-149, "\(difference)")
  }

  @Test(
    "A frame with a NaN or an infinity spoils every bin of its own spectrum and none of the next",
    arguments: ["nan", "posinf", "neginf", "twoinf", "overflow"])
  func dirty(name: String) throws {
    let bad = try Golden.tensors("fft/special.safetensors")["\(name).512.in"].floats
    let good = Array(try Golden.array("fft/input.npy").floats[..<512])
    var transform = FourierTransform(size: 512)
    let before = Self.spectrum(good, by: &transform)
    let spoiled = Self.spectrum(bad, by: &transform)
    let after = Self.spectrum(good, by: &transform)
    #expect(before.map(\.bitPattern) == after.map(\.bitPattern))
    #expect(!spoiled[0].isFinite, "the constant part of \(name)")
    guard ["nan", "posinf", "neginf"].contains(name) else { return }
    for bin in 0...256 {
      #expect(!(spoiled[2 * bin].isFinite && spoiled[2 * bin + 1].isFinite), "bin \(bin)")
    }
  }

  @Test("A transform is the direct sum in doubles", .seed(61), arguments: sizes)
  func direct(size: Int) {
    var random = SplitMix64()
    let x = random.floats(size)
    let table = (0..<size).map { i in
      let angle = -2 * Double.pi * Double(i) / Double(size)
      return (re: cos(angle), im: sin(angle))
    }
    var reference: [Double] = []
    for bin in 0...size / 2 {
      var (re, im) = (0.0, 0.0)
      for n in 0..<size {
        let w = table[bin * n & (size - 1)]
        re += Double(x[n]) * w.re
        im += Double(x[n]) * w.im
      }
      reference += [re, im]
    }
    let error = relativeL2(Self.spectrum(x), reference)
    #expect(error <= Self.tolerance, "\(size) points")
  }

  @Test("The transform of a sum is the sum of the transforms", .seed(62), arguments: sizes)
  func linear(size: Int) {
    var random = SplitMix64()
    let (x, y) = (random.floats(size), random.floats(size))
    // A power of two and a small integer: the mixture is rounded once.
    let mixed = Self.spectrum(zip(x, y).map { 0.5 * $0 - 2 * $1 })
    let apart = zip(Self.spectrum(x), Self.spectrum(y)).map { 0.5 * Double($0) - 2 * Double($1) }
    #expect(relativeL2(mixed, apart) <= 2 * Self.tolerance, "\(size) points")
  }

  @Test("A circular shift turns every bin by its own angle", .seed(63), arguments: sizes)
  func shift(size: Int) {
    var random = SplitMix64()
    let x = random.floats(size)
    let distance = Int.random(in: 1..<size, using: &random)
    let shifted = Self.spectrum((0..<size).map { x[($0 + distance) % size] })
    let plain = Self.spectrum(x)
    var expected: [Double] = []
    for bin in 0...size / 2 {
      let angle = 2 * Double.pi * Double(bin * distance % size) / Double(size)
      let (re, im) = (Double(plain[2 * bin]), Double(plain[2 * bin + 1]))
      expected += [re * cos(angle) - im * sin(angle), re * sin(angle) + im * cos(angle)]
    }
    #expect(
      relativeL2(shifted, expected) <= 2 * Self.tolerance, "\(size) points, by \(distance)")
  }

  @Test("The first and the last bin of a real transform are real", arguments: sizes)
  func realEnds(size: Int) {
    var random = SplitMix64(seed: 64)
    let spectrum = Self.spectrum(random.floats(size))
    #expect(spectrum.count == size + 2)
    #expect(spectrum[1] == 0 && spectrum[size + 1] == 0)
  }
}
