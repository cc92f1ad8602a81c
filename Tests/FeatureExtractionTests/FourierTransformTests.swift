import FeatureExtraction
import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

/// Relative error in the Euclidean norm that a transform may have, whatever its length;
/// Tests/Golden/README.md, "fft", has the argument.
private let tolerance = 3e-7

/// Lengths with every kind of plan: one lane and eight, every radix in every place, one row.
private let sizes = [
  1, 2, 3, 4, 5, 6, 8, 9, 15, 16, 18, 20, 25, 30, 32, 36, 40, 48, 50, 54, 60, 64, 80, 90, 96, 100,
  120, 125, 128, 160, 200, 240, 243, 250, 256, 320, 400, 480, 500, 512, 600, 625, 640, 720, 729,
  800,
  960, 1_000, 1_024, 1_200, 1_440, 1_600, 2_000, 2_048,
]

@Suite("Fourier transform against the committed reference vectors")
struct GoldenFourierTests {
  @Test("Noise has the golden transform", arguments: ["small", "large"])
  func golden(file: String) throws { try Self.check(file, in: .committed) }

  /// Every transform of a golden file, by this process's kernels.
  static func check(_ file: String, in folder: GoldenFolder) throws {
    let input = try folder.array("fft/input.npy").floats
    let tensors = try folder.tensors("fft/\(file).safetensors")
    var worst = WorstRatio("golden transforms (\(file)) by \(InstructionSet.current)")
    for name in tensors.names {
      let parts = name.split(separator: ".")
      let size = try #require(Int(parts[1]))
      let got: [Float]
      switch parts[0] {
      case "rfft":
        var transform = FourierTransform(size: size)
        got = transform.spectrum(Array(input[..<size]))
      case "irfft":
        var transform = FourierTransform(size: size)
        got = transform.samples(Array(input[..<(2 * transform.bins)]))
      default:
        var transform = ComplexFourierTransform(size: size)
        got = transform.transformed(Array(input[..<(2 * size)]), .forward)
      }
      let reference = try tensors[name].doubles
      worst.add(ratio: relativeL2(got, reference) / tolerance, at: name)
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Impulses, constants, tones and huge samples have the golden spectrum",
    arguments: [
      "impulse0", "impulse7", "constant", "sine_bin9", "nyquist", "tiny_and_one", "large",
    ], [400, 512])
  func special(name: String, size: Int) throws {
    let tensors = try Golden.tensors("fft/special.safetensors")
    var transform = FourierTransform(size: size)
    let got = transform.spectrum(try tensors["\(name).\(size).in"].floats)
    let error = relativeL2(got, try tensors["\(name).\(size).rfft"].doubles)
    #expect(error <= tolerance, "\(name)")
  }

  @Test("Denormal samples are transformed, not flushed to zero", arguments: [400, 512])
  func denormal(size: Int) throws {
    let tensors = try Golden.tensors("fft/special.safetensors")
    var transform = FourierTransform(size: size)
    let got = transform.spectrum(try tensors["denormal.\(size).in"].floats)
    let difference = LargestDifference(got, try tensors["denormal.\(size).rfft"].doubles)
    #expect(difference.value <= Double(size) * log2(Double(size)) * 0x1p-149, "\(difference)")
  }

  @Test(
    "A frame with a NaN or an infinity spoils every bin of its own spectrum and none of the next",
    arguments: ["nan", "posinf", "neginf", "twoinf", "overflow"], [400, 512])
  func dirty(name: String, size: Int) throws {
    let bad = try Golden.tensors("fft/special.safetensors")["\(name).\(size).in"].floats
    let good = Array(try Golden.array("fft/input.npy").floats[..<size])
    var transform = FourierTransform(size: size)
    let before = transform.spectrum(good)
    let spoiled = transform.spectrum(bad)
    let after = transform.spectrum(good)
    #expect(bitDifference(before, after) == nil)
    #expect(!spoiled[0].isFinite, "the constant part of \(name)")
    guard ["nan", "posinf", "neginf"].contains(name) else { return }
    for bin in 0...size / 2 {
      #expect(!(spoiled[2 * bin].isFinite && spoiled[2 * bin + 1].isFinite), "bin \(bin)")
    }
  }
}

@Suite(
  "Fourier transform against the full set of reference vectors",
  .enabled(if: GoldenFolder.full != nil, "skipped: no ATTND_GOLDEN"))
struct FullGoldenFourierTests {
  @Test("Noise has the golden transform", arguments: ["small", "large"])
  func golden(file: String) throws {
    try GoldenFourierTests.check(file, in: try #require(GoldenFolder.full))
  }
}

@Suite("Fourier transform")
struct FourierTransformTests {
  @Test("There is a transform of every length 2^a 3^b 5^c up to 16384, and of no other")
  func supported() {
    var expected: Set<Int> = []
    for a in 0...14 {
      for b in 0...8 {
        for c in 0...6 {
          var product = 1
          for factor in Array(repeating: 2, count: a) + Array(repeating: 3, count: b)
            + Array(repeating: 5, count: c)
          {
            product *= factor
          }
          if product <= 16_384 { expected.insert(product) }
        }
      }
    }
    for size in -1...17_000 {
      #expect(FourierTransform.supports(size: size) == expected.contains(size), "\(size)")
    }
    #expect(!FourierTransform.supports(size: .min) && !FourierTransform.supports(size: .max))
  }

  @Test("A length without a transform is refused", arguments: [0, 7, 16_385, 20_000])
  func refused(size: Int) async {
    await #expect(processExitsWith: .failure) { [size = size as Int] in
      _ = FourierTransform(size: size)
    }
    await #expect(processExitsWith: .failure) { [size = size as Int] in
      _ = ComplexFourierTransform(size: size)
    }
  }

  @Test(
    "The fast reference is the definition", .seed(60),
    arguments: [1, 2, 3, 5, 30, 243, 625, 1_024, 1_200, 2_000])
  func reference(size: Int) {
    var random = SplitMix64()
    let x = random.floats(2 * size).map(Double.init)
    let difference = zip(ReferenceFourier.fast(x), ReferenceFourier.direct(x))
      .reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(difference <= 1e-11)
  }

  @Test("Real transforms of every length are those of doubles, there and back", .seed(61))
  func real() {
    var random = SplitMix64()
    var worst = WorstRatio("real transforms by \(InstructionSet.current)")
    for size in ReferenceFourier.sizes {
      var transform = FourierTransform(size: size)
      // What an earlier frame left must not matter.
      _ = transform.spectra([[Float]](repeating: [Float](repeating: .nan, count: size), count: 8))
      let x = random.floats(size)
      let spectrum = transform.spectrum(x)
      worst.add(
        ratio: relativeL2(spectrum, ReferenceFourier.spectrum(x)) / tolerance,
        at: "\(size) samples")
      #expect(spectrum[1] == 0, "bin 0 of \(size) samples is real")
      #expect(size % 2 == 1 || spectrum[size + 1] == 0, "the last bin of \(size) samples is real")
      // A spectrum that is no signal's: its ends are not real.
      let bins = random.floats(2 * transform.bins)
      _ = transform.samples([Float](repeating: .infinity, count: 2 * transform.bins))
      worst.add(
        ratio: relativeL2(transform.samples(bins), ReferenceFourier.samples(bins, size: size))
          / tolerance, at: "\(size) samples, inverse")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Complex transforms of every length are those of doubles, there and back", .seed(62),
    arguments: ComplexFourierTransform.Direction.allCases)
  func complex(direction: ComplexFourierTransform.Direction) {
    var random = SplitMix64()
    var worst = WorstRatio("complex transforms, \(direction), by \(InstructionSet.current)")
    for size in ReferenceFourier.sizes {
      var transform = ComplexFourierTransform(size: size)
      _ = transform.transformed([Float](repeating: .nan, count: 2 * size), direction)
      let x = random.floats(2 * size)
      let doubles = x.map(Double.init)
      let reference =
        direction == .forward
        ? ReferenceFourier.transform(doubles) : ReferenceFourier.inverse(doubles)
      worst.add(
        ratio: relativeL2(transform.transformed(x, direction), reference) / tolerance,
        at: "\(size) elements")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test("Eight frames at once have the bits of each alone, at every length", .seed(63))
  func eight() {
    var random = SplitMix64()
    for size in ReferenceFourier.sizes {
      var transform = FourierTransform(size: size)
      _ = transform.spectrum([Float](repeating: .nan, count: size))
      let frames = (0..<8).map { _ in random.floats(size) }
      let spectra = transform.spectra(frames)
      let back = transform.frames(spectra)
      for lane in 0..<8 {
        #expect(
          bitDifference(spectra[lane], transform.spectrum(frames[lane])) == nil,
          "\(lane) of \(size)")
        #expect(
          bitDifference(back[lane], transform.samples(spectra[lane])) == nil,
          "\(lane) of \(size), inverse")
      }
    }
  }

  @Test(
    "Eight complex transforms at once have the bits of each alone, at every length", .seed(64),
    arguments: ComplexFourierTransform.Direction.allCases)
  func eightComplex(direction: ComplexFourierTransform.Direction) {
    var random = SplitMix64()
    for size in ReferenceFourier.sizes {
      var transform = ComplexFourierTransform(size: size)
      _ = transform.transformed([Float](repeating: .nan, count: 2 * size), direction)
      let lanes = (0..<8).map { _ in random.floats(2 * size) }
      let results = transform.transformed(lanes, direction)
      for lane in 0..<8 {
        let alone = transform.transformed(lanes[lane], direction)
        #expect(bitDifference(results[lane], alone) == nil, "\(lane) of \(size)")
      }
    }
  }

  @Test("The inverse of the transform is the signal", .seed(65))
  func roundTrip() {
    var random = SplitMix64()
    for size in ReferenceFourier.sizes {
      let x = random.floats(size)
      var transform = FourierTransform(size: size)
      let back = transform.samples(transform.spectrum(x))
      #expect(relativeL2(back, x.map(Double.init)) <= 2 * tolerance, "\(size) samples")
      let z = random.floats(2 * size)
      var complex = ComplexFourierTransform(size: size)
      let there = complex.transformed(z, .forward)
      let again = complex.transformed(there, .inverse)
      #expect(relativeL2(again, z.map(Double.init)) <= 2 * tolerance, "\(size) elements")
    }
  }

  @Test("The powers of all bins add up to that of the samples (Parseval)", .seed(66))
  func parseval() {
    var random = SplitMix64()
    for size in ReferenceFourier.sizes {
      let x = random.floats(size)
      var transform = FourierTransform(size: size)
      let spectrum = transform.spectrum(x)
      var total = 0.0
      for bin in 0..<transform.bins {
        let (re, im) = (Double(spectrum[2 * bin]), Double(spectrum[2 * bin + 1]))
        // Bins between the ends stand for two.
        total += (bin == 0 || 2 * bin == size ? 1 : 2) * (re * re + im * im)
      }
      let energy = x.reduce(0) { $0 + Double($1) * Double($1) }
      #expect(abs(total / Double(size) - energy) <= 2 * tolerance * energy, "\(size) samples")
    }
  }

  @Test("The transform of a sum is the sum of the transforms", .seed(67), arguments: sizes)
  func linear(size: Int) {
    var random = SplitMix64()
    var transform = FourierTransform(size: size)
    let (x, y) = (random.floats(size), random.floats(size))
    // A power of two and a small integer: the mixture is rounded once.
    let mixed = transform.spectrum(zip(x, y).map { 0.5 * $0 - 2 * $1 })
    let apart = zip(transform.spectrum(x), transform.spectrum(y)).map {
      0.5 * Double($0) - 2 * Double($1)
    }
    #expect(relativeL2(mixed, apart) <= 2 * tolerance, "\(size) samples")
  }

  @Test("A circular shift turns every bin by its own angle", .seed(68), arguments: sizes)
  func shift(size: Int) {
    var random = SplitMix64()
    var transform = FourierTransform(size: size)
    let x = random.floats(size)
    let distance = Int.random(in: 0..<size, using: &random)
    let shifted = transform.spectrum((0..<size).map { x[($0 + distance) % size] })
    let plain = transform.spectrum(x)
    var expected: [Double] = []
    for bin in 0...size / 2 {
      let angle = 2 * Double.pi * Double(bin * distance % size) / Double(size)
      let (re, im) = (Double(plain[2 * bin]), Double(plain[2 * bin + 1]))
      expected += [re * cos(angle) - im * sin(angle), re * sin(angle) + im * cos(angle)]
    }
    #expect(relativeL2(shifted, expected) <= 2 * tolerance, "\(size) samples, by \(distance)")
  }

  @Test(
    "A frame that is no number spoils its own lane and no other", .seed(69), arguments: sizes,
    [Float.nan, .infinity, -.infinity, 3e38])
  func spoiledLane(size: Int, bad: Float) {
    var random = SplitMix64()
    var transform = FourierTransform(size: size)
    let frames = (0..<8).map { _ in random.floats(size) }
    let clean = transform.spectra(frames)
    let cleanFrames = transform.frames(clean)
    for lane in [0, 3, 7] {
      var (spoiled, spoiledSpectra) = (frames, clean)
      spoiled[lane] = [Float](repeating: bad, count: size)
      spoiledSpectra[lane] = [Float](repeating: bad, count: clean[0].count)
      let spectra = transform.spectra(spoiled)
      let back = transform.frames(spoiledSpectra)
      for other in 0..<8 where other != lane {
        #expect(bitDifference(spectra[other], clean[other]) == nil, "lane \(other) beside \(lane)")
        #expect(
          bitDifference(back[other], cleanFrames[other]) == nil, "lane \(other) beside \(lane)")
      }
      #expect(size == 1 || !spectra[lane][0].isFinite || bad == 3e38)
    }
  }

  @Test(
    "Powers are those of the spectrum, to the bit, alone and eight at once", .seed(70),
    arguments: sizes.filter { $0 % 2 == 0 })
  func power(size: Int) {
    var random = SplitMix64()
    var transform = FourierTransform(size: size)
    let frames = (0..<8).map { _ in random.floats(size) }
    let eight = FloatBuffer(count: 8 * transform.bins)
    let samples = FloatBuffer((0..<size).flatMap { i in frames.map { $0[i] } })
    transform.powerEight(samples.pointer, into: eight.pointer)
    for lane in 0..<8 {
      let frame = FloatBuffer(frames[lane])
      let power = FloatBuffer(count: transform.bins)
      transform.power(frame.pointer, into: power.pointer)
      let spectrum = transform.spectrum(frames[lane])
      let expected = (0..<transform.bins).map { bin in
        let (re, im) = (spectrum[2 * bin], spectrum[2 * bin + 1])
        return kernels.fusesMultiplyAdd ? (im * im).addingProduct(re, re) : re * re + im * im
      }
      #expect(bitDifference(Array(power.elements), expected) == nil, "lane \(lane)")
      let together = (0..<transform.bins).map { eight.pointer[8 * $0 + lane] }
      #expect(bitDifference(together, expected) == nil, "lane \(lane), eight at once")
    }
  }

  @Test(
    "Transforms of even lengths allocate nothing",
    .enabled(if: AllocationCount.isAvailable), arguments: [2, 30, 400, 512, 600, 1_200, 16_384])
  func noAllocation(size: Int) {
    var transform = FourierTransform(size: size)
    let frame = [Float](repeating: 0.5, count: size)
    let frames = [Float](repeating: 0.5, count: 8 * size)
    var re = [Float](repeating: 0, count: transform.bins)
    var im = [Float](repeating: 0, count: transform.bins)
    var blocks = [Float](repeating: 0, count: 16 * transform.bins)
    var samples = [Float](repeating: 0, count: size)
    // Kernels are chosen when they are first asked for.
    _ = transform.spectrum(frame)
    expectNoAllocations("\(size) samples") {
      var reSpan = re.mutableSpan
      var imSpan = im.mutableSpan
      transform.forward(frame.span, re: &reSpan, im: &imSpan)
    }
    expectNoAllocations("\(size) samples, eight frames") {
      var span = blocks.mutableSpan
      transform.forwardEight(frames.span, into: &span)
    }
    expectNoAllocations("\(size) samples, inverse") {
      var span = samples.mutableSpan
      transform.inverse(re: re.span, im: im.span, into: &span)
    }
  }
}
