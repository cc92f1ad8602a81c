import FeatureExtraction
import KernelDispatch
import Kernels
import TestSupport
import Testing

/// A buffer that is written by one kernel: NaN before, and nine behind what it may write.
private struct Painted: ~Copyable {
  let buffer: FloatBuffer
  let count: Int

  init(count: Int, behind: Int = 32) {
    self.count = count
    buffer = FloatBuffer(
      [Float](repeating: .nan, count: count) + [Float](repeating: 9, count: behind))
  }

  var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
  /// What was written, if nothing was written behind it.
  func elements(_ place: String) -> [Float] {
    #expect(buffer.elements[count...].allSatisfy { $0 == 9 }, "behind the result, \(place)")
    return Array(buffer.elements[..<count])
  }
}

/// The kernels of one instruction set over the tables of one length.
private struct Kernel: ~Copyable {
  let set: InstructionSet
  let tables: TransformTables
  let place: String

  init(_ set: InstructionSet, size: Int, isHalfOfReal: Bool) {
    self.set = set
    tables = TransformTables(size: size, isHalfOfReal: isHalfOfReal)
    place = "plan of \(size) by \(set)"
  }

  var plan: TransformPlan { tables.plan }

  /// Runs a kernel with scratch full of NaN, behind which it may write nothing.
  private func scratch(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    let scratch = Painted(count: count)
    body(scratch.pointer)
    _ = scratch.elements("scratch, \(place)")
  }

  func transform(_ pairs: [Float]) -> [Float] {
    let input = FloatBuffer(pairs)
    let re = Painted(count: plan.size + 8)
    let im = Painted(count: plan.size + 8)
    scratch(plan.scratchCount) {
      set.kernels.transform(plan, input.pointer, re: re.pointer, im: im.pointer, scratch: $0)
    }
    return Array(interleaved(re.elements(place), im.elements(place))[..<(2 * plan.size)])
  }

  func transformEight(_ lanes: [[Float]]) -> [[Float]] {
    let input = FloatBuffer(Blocks.interleaved(lanes))
    let result = Painted(count: 16 * plan.size)
    scratch(plan.eightScratchCount) {
      set.kernels.transformEight(plan, input.pointer, into: result.pointer, scratch: $0)
    }
    let blocks = result.elements(place)
    return (0..<8).map { Blocks.lane($0, of: blocks) }
  }

  func spectrum(_ samples: [Float]) -> [Float] {
    let input = FloatBuffer(samples)
    let re = Painted(count: plan.size + 1)
    let im = Painted(count: plan.size + 1)
    scratch(plan.scratchCount) {
      set.kernels.spectrum(plan, input.pointer, re: re.pointer, im: im.pointer, scratch: $0)
    }
    return interleaved(re.elements(place), im.elements(place))
  }

  func spectrumEight(_ frames: [[Float]]) -> [[Float]] {
    let input = FloatBuffer((0..<2 * plan.size).flatMap { i in frames.map { $0[i] } })
    let result = Painted(count: 16 * (plan.size + 1))
    scratch(plan.eightScratchCount) {
      set.kernels.spectrumEight(plan, input.pointer, into: result.pointer, scratch: $0)
    }
    let blocks = result.elements(place)
    return (0..<8).map { Blocks.lane($0, of: blocks) }
  }

  func power(_ samples: [Float]) -> [Float] {
    let input = FloatBuffer(samples)
    let power = Painted(count: plan.size + 1)
    scratch(plan.scratchCount) {
      set.kernels.powerSpectrum(plan, input.pointer, into: power.pointer, scratch: $0)
    }
    return power.elements(place)
  }

  func powerEight(_ frames: [[Float]]) -> [[Float]] {
    let input = FloatBuffer((0..<2 * plan.size).flatMap { i in frames.map { $0[i] } })
    let power = Painted(count: 8 * (plan.size + 1))
    scratch(plan.eightScratchCount) {
      set.kernels.powerSpectrumEight(plan, input.pointer, into: power.pointer, scratch: $0)
    }
    let lanes = power.elements(place)
    return (0..<8).map { lane in (0...plan.size).map { lanes[8 * $0 + lane] } }
  }

  func unravel(_ bins: [Float]) -> [Float] {
    let re = FloatBuffer((0...plan.size).map { bins[2 * $0] })
    let im = FloatBuffer((0...plan.size).map { bins[2 * $0 + 1] })
    let result = Painted(count: 2 * plan.size)
    set.kernels.unravel(plan, re: re.pointer, im: im.pointer, into: result.pointer)
    return result.elements(place)
  }

  func unravelEight(_ lanes: [[Float]]) -> [[Float]] {
    let input = FloatBuffer(Blocks.interleaved(lanes))
    let result = Painted(count: 16 * plan.size)
    set.kernels.unravelEight(plan, input.pointer, into: result.pointer)
    let blocks = result.elements(place)
    return (0..<8).map { Blocks.lane($0, of: blocks) }
  }

  /// a a + b b as the kernels of the set round it.
  func power(re: Float, im: Float) -> Float {
    set.kernels.fusesMultiplyAdd ? (im * im).addingProduct(re, re) : re * re + im * im
  }
}

@Suite("Fourier kernels")
struct FourierKernelsTests {
  /// Tests/Golden/README.md, "fft".
  static let tolerance = 3e-7

  /// Lengths of complex transforms; those of real samples are twice as long.
  static let sizes = ReferenceFourier.sizes.filter { $0 <= ReferenceFourier.largestDirect }

  @Test(
    "Complex transforms of every length are the direct sums in double, one and eight the same bits",
    .seed(80), arguments: InstructionSet.available)
  func complex(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("complex kernels by \(set)")
    for size in Self.sizes {
      let kernel = Kernel(set, size: size, isHalfOfReal: false)
      let lanes = (0..<8).map { _ in random.floats(2 * size) }
      let together = kernel.transformEight(lanes)
      for lane in 0..<8 {
        let alone = kernel.transform(lanes[lane])
        #expect(bitDifference(alone, together[lane]) == nil, "lane \(lane), \(kernel.place)")
      }
      let lane = size % 8
      let reference = ReferenceFourier.direct(lanes[lane].map(Double.init))
      worst.add(
        ratio: relativeL2(together[lane], reference) / Self.tolerance, at: "\(size) elements")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Spectra of every even length are the direct sums in double, powers are theirs, one and eight the same bits",
    .seed(81), arguments: InstructionSet.available)
  func real(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("real kernels by \(set)")
    for half in Self.sizes where 2 * half <= ReferenceFourier.largestDirect {
      let kernel = Kernel(set, size: half, isHalfOfReal: true)
      let frames = (0..<8).map { _ in random.floats(2 * half) }
      let together = kernel.spectrumEight(frames)
      let powers = kernel.powerEight(frames)
      for lane in 0..<8 {
        let alone = kernel.spectrum(frames[lane])
        #expect(bitDifference(alone, together[lane]) == nil, "lane \(lane), \(kernel.place)")
        let power = (0...half).map { kernel.power(re: alone[2 * $0], im: alone[2 * $0 + 1]) }
        #expect(bitDifference(powers[lane], power) == nil, "power, lane \(lane), \(kernel.place)")
        #expect(bitDifference(kernel.power(frames[lane]), power) == nil, "power, \(kernel.place)")
      }
      let lane = half % 8
      worst.add(
        ratio: relativeL2(together[lane], ReferenceFourier.spectrum(frames[lane]))
          / Self.tolerance, at: "\(2 * half) samples")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "Unravelled and transformed, bins of every even length are the direct sums in double",
    .seed(82), arguments: InstructionSet.available)
  func inverse(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("inverse real kernels by \(set)")
    for half in Self.sizes where 2 * half <= ReferenceFourier.largestDirect {
      let kernel = Kernel(set, size: half, isHalfOfReal: true)
      let spectra = (0..<8).map { _ in random.floats(2 * (half + 1)) }
      let together = kernel.unravelEight(spectra)
      for lane in 0..<8 {
        let alone = kernel.unravel(spectra[lane])
        #expect(bitDifference(alone, together[lane]) == nil, "lane \(lane), \(kernel.place)")
      }
      let lane = half % 8
      let transformed = kernel.transform(together[lane])
      // The parts come out exchanged, samples dealt into even and odd ones.
      let scale = kernel.plan.scale * Float(half)
      let samples = pairs(half) { (transformed[2 * $0 + 1] / scale, transformed[2 * $0] / scale) }
      let reference = ReferenceFourier.samples(spectra[lane], size: 2 * half)
      worst.add(
        ratio: relativeL2(samples, reference) / Self.tolerance, at: "\(2 * half) samples")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "AVX2 and AVX-512 give the same bits", .seed(83),
    .enabled(if: InstructionSet.v4.isAvailable, "skipped: this processor has no AVX-512"))
  func sameBits() {
    var random = SplitMix64()
    for size in Self.sizes {
      let v3 = Kernel(.v3, size: size, isHalfOfReal: true)
      let v4 = Kernel(.v4, size: size, isHalfOfReal: true)
      let lanes = (0..<8).map { _ in random.floats(2 * size) }
      #expect(bitDifference(v3.transform(lanes[0]), v4.transform(lanes[0])) == nil, "\(size)")
      #expect(bitDifference(v3.spectrum(lanes[0]), v4.spectrum(lanes[0])) == nil, "\(size)")
      #expect(
        bitDifference(v3.transformEight(lanes).joined(), v4.transformEight(lanes).joined()) == nil,
        "\(size)")
      #expect(
        bitDifference(v3.spectrumEight(lanes).joined(), v4.spectrumEight(lanes).joined()) == nil,
        "\(size)")
      #expect(
        bitDifference(v3.powerEight(lanes).joined(), v4.powerEight(lanes).joined()) == nil,
        "\(size)")
    }
  }
}
