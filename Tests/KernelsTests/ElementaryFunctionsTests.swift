import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

/// An elementary function, its golden file and how far it may be from the nearest float.
enum ElementaryFunction: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case exp, log, tanh, sigmoid

  /// Tests/Golden/README.md, "elementary", has the argument for each.
  var toleranceUlp: UInt32 {
    switch self {
    case .exp, .log: 1
    case .tanh: 2
    case .sigmoid: 3
    }
  }

  var testDescription: String { rawValue }

  /// The function in double.
  func reference(_ x: Double) -> Double {
    switch self {
    case .exp: Glibc.exp(x)
    case .log: Glibc.log(x)
    case .tanh: Glibc.tanh(x)
    case .sigmoid: 1 / (1 + Glibc.exp(-x))
    }
  }

  func callAsFunction(_ inputs: [Float], _ set: InstructionSet) -> [Float] {
    let values = FloatBuffer(inputs)
    let (x, count) = (values.pointer, values.count)
    switch self {
    case .exp: set.kernels.exp(x, count: count)
    // The floor lets zero and negative numbers through.
    case .log: set.kernels.log(x, count: count, floor: -.infinity)
    case .tanh: set.kernels.tanh(x, count: count)
    case .sigmoid: set.kernels.sigmoid(x, count: count)
    }
    return Array(values.elements)
  }
}

@Suite("Elementary functions")
struct ElementaryFunctionsTests {
  @Test(
    "Every function is within its ulps of the nearest float, specials included",
    arguments: ElementaryFunction.allCases, InstructionSet.available)
  func golden(function: ElementaryFunction, set: InstructionSet) throws {
    let patterns = try Golden.array("elementary/\(function.rawValue).npy").uint32s
    let count = patterns.count / 2
    let inputs = patterns[..<count].map(Float.init(bitPattern:))
    let references = patterns[count...].map(Float.init(bitPattern:))
    let outputs = function(inputs, set)
    var worst = WorstRatio("\(function) by \(set)")
    for i in 0..<count {
      let (x, got, expected) = (inputs[i], outputs[i], references[i])
      let place = "element \(i), x = \(x): got \(got), expected \(expected)"
      let exact = expected.isNaN || expected.isInfinite || x == 0 || x.isInfinite
      if exact {
        worst.add(ratio: ulpDistance(got, expected) == 0 ? 0 : .infinity, at: place)
      } else if abs(expected) < 0x1p-126 {
        // Denormal results may be flushed.
        worst.add(ratio: Double(abs(got - expected)) / 0x1p-126, at: place)
      } else {
        worst.add(
          ratio: Double(ulpDistance(got, expected)) / Double(function.toleranceUlp), at: place)
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "The logarithm is within its ulps in every binade, those of the denormals too", .seed(13),
    arguments: InstructionSet.available)
  func everyBinade(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("log of every binade by \(set)")
    for exponent in -149...127 {
      let first = Float(sign: .plus, exponent: exponent, significand: 1)
      // As many floats as a binade of denormals has, or 2,000 of those of a whole one, its first
      // and its last among them.
      let last = (2 * first).nextDown.bitPattern
      let steps = min(2_000, Int(last - first.bitPattern) + 1)
      let width = Double(last - first.bitPattern + 1) / Double(steps)
      let inputs =
        (0..<steps).map { step in
          let within = step == 0 ? 0 : Double.random(in: 0..<1, using: &random)
          let place = UInt32((Double(step) + within) * width)
          return Float(bitPattern: min(last, first.bitPattern + place))
        } + [Float(bitPattern: last)]
      for (x, got) in zip(inputs, ElementaryFunction.log(inputs, set)) {
        let reference = Glibc.log(Double(x))
        // 0x1p-149 at most where the logarithm is 0.
        worst.add(
          got: got, reference: reference,
          tolerance: Double(ElementaryFunction.log.toleranceUlp) * Double(Float(reference).ulp),
          at: "x = \(x)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A dense sample is within its ulps where results are neither flushed nor infinite", .seed(14),
    arguments: [ElementaryFunction.exp, .tanh, .sigmoid], InstructionSet.available)
  func dense(function: ElementaryFunction, set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("\(function), dense, by \(set)")
    // Half an ulp is what rounding the reference to the nearest float leaves of a whole one.
    let tolerance = Double(function.toleranceUlp) + 0.5
    for scale in [0x1p-20, 0x1p-6, 0.5, 1, 10, 87.3] as [Float] {
      let inputs = random.floats(40_000, scale: scale)
      for (x, got) in zip(inputs, function(inputs, set)) {
        let reference = function.reference(Double(x))
        worst.add(
          got: got, reference: reference, tolerance: tolerance * Double(Float(reference).ulp),
          at: "x = \(x)")
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "An element's bits don't depend on where it stands or how many there are",
    .seed(11), arguments: ElementaryFunction.allCases, InstructionSet.available)
  func position(function: ElementaryFunction, set: InstructionSet) {
    var random = SplitMix64()
    let inputs = random.floats(253, scale: 20)
    let whole = function(inputs, set)
    for count in oddSizes where count <= 65 {
      for start in 0..<8 {
        let part = function(Array(inputs[start..<start + count]), set)
        #expect(
          bitDifference(part, whole[start..<start + count]) == nil,
          "\(function) of \(count) elements from \(start)")
      }
    }
  }

  @Test(
    "exp and sigmoid never fall as x rises, through every threshold",
    arguments: [ElementaryFunction.exp, .sigmoid], InstructionSet.available)
  func monotonic(function: ElementaryFunction, set: InstructionSet) {
    for centre in [-103.97, -88.72, -87.336_544, 0, 88.722_83, 103.97] as [Float] {
      var x = centre
      for _ in 0..<200 { x = x.nextDown }
      var inputs: [Float] = []
      for _ in 0..<400 {
        inputs.append(x)
        x = x.nextUp
      }
      let outputs = function(inputs, set)
      for i in 1..<inputs.count {
        // A polynomial may step down by an ulp between neighbours.
        let fall = outputs[i] < outputs[i - 1] ? ulpDistance(outputs[i], outputs[i - 1]) : 0
        #expect(fall <= 1, "\(function) at \(inputs[i]): \(outputs[i - 1]), \(outputs[i])")
      }
    }
  }

  @Test(
    "The logarithm takes the floor for a NaN, zero and what is below it",
    arguments: InstructionSet.available)
  func floor(set: InstructionSet) {
    let values = FloatBuffer([.nan, 0, -1, -.infinity, 1e-10, 1, .infinity])
    set.kernels.log(values.pointer, count: values.count, floor: 1)
    #expect(Array(values.elements) == [0, 0, 0, 0, 0, 0, .infinity])
  }

  @Test(
    "An exponential sum is the sum of the exponentials of the differences", .seed(12),
    arguments: InstructionSet.available)
  func exponentialSum(set: InstructionSet) {
    var random = SplitMix64()
    for count in oddSizes {
      let inputs = random.floats(count, scale: 80)
      let maximum = inputs.max() ?? 0
      let values = FloatBuffer(inputs)
      let sum = set.kernels.expSum(values.pointer, count: count, minus: maximum)
      let terms = ElementaryFunction.exp(inputs.map { $0 - maximum }, set)
      #expect(bitDifference(values.elements, terms) == nil, "\(count) elements")
      let expected = InstructionSet.orderedSum(count) { $0 + terms[$1] }
      #expect(sum.bitPattern == expected.bitPattern, "\(count) elements")
    }
  }
}
