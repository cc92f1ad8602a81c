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

  func callAsFunction(_ inputs: [Float]) -> [Float] {
    var values = inputs
    values.withUnsafeMutableBufferPointer { buffer in
      guard let x = buffer.baseAddress else { return }
      switch self {
      case .exp: Exponential.exp(x, count: buffer.count)
      // The floor lets zero and negative numbers through.
      case .log: Logarithm.log(x, count: buffer.count, floor: -.infinity)
      case .tanh: HyperbolicTangent.tanh(x, count: buffer.count)
      case .sigmoid: Exponential.sigmoid(x, count: buffer.count)
      }
    }
    return values
  }
}

@Suite("Elementary functions")
struct ElementaryFunctionsTests {
  @Test(
    "Every function is within its ulps of the nearest float, specials included",
    arguments: ElementaryFunction.allCases)
  func golden(function: ElementaryFunction) throws {
    let patterns = try Golden.array("elementary/\(function.rawValue).npy").uint32s
    let count = patterns.count / 2
    let inputs = patterns[..<count].map(Float.init(bitPattern:))
    let references = patterns[count...].map(Float.init(bitPattern:))
    let outputs = function(inputs)
    var worst = WorstRatio(function.rawValue)
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
    "An element's bits don't depend on where it stands or how many there are",
    .seed(11), arguments: ElementaryFunction.allCases)
  func position(function: ElementaryFunction) {
    var random = SplitMix64()
    let inputs = random.floats(253, scale: 20)
    let whole = function(inputs)
    for count in [0, 1, 7, 8, 9, 15, 16, 17] {
      for start in 0..<8 {
        let part = function(Array(inputs[start..<start + count]))
        #expect(
          part.map(\.bitPattern) == whole[start..<start + count].map(\.bitPattern),
          "\(function) of \(count) elements from \(start)")
      }
    }
  }

  @Test("exp and sigmoid never fall as x rises, through every threshold")
  func monotonic() {
    for function in [ElementaryFunction.exp, .sigmoid] {
      for centre in [-103.97, -88.72, -87.336_544, 0, 88.722_83, 103.97] as [Float] {
        var x = centre
        for _ in 0..<200 { x = x.nextDown }
        var inputs: [Float] = []
        for _ in 0..<400 {
          inputs.append(x)
          x = x.nextUp
        }
        let outputs = function(inputs)
        for i in 1..<inputs.count {
          // A polynomial may step down by an ulp between neighbours.
          let fall = outputs[i] < outputs[i - 1] ? ulpDistance(outputs[i], outputs[i - 1]) : 0
          #expect(fall <= 1, "\(function) at \(inputs[i]): \(outputs[i - 1]), \(outputs[i])")
        }
      }
    }
  }

  @Test("The logarithm takes the floor for a NaN, zero and what is below it")
  func floor() {
    var values: [Float] = [.nan, 0, -1, -.infinity, 1e-10, 1, .infinity]
    let count = values.count
    values.withUnsafeMutableBufferPointer { buffer in
      guard let x = buffer.baseAddress else { return }
      Logarithm.log(x, count: count, floor: 1)
    }
    #expect(values == [0, 0, 0, 0, 0, 0, .infinity])
  }

  @Test("Decibels stay between the floor and 300, whatever the power")
  func decibels() {
    #expect(Logarithm.decibels(power: 1, floor: -120) == 0)
    #expect(Logarithm.decibels(power: 0, floor: -120) == -120)
    #expect(Logarithm.decibels(power: -1, floor: -120) == -120)
    #expect(abs(Logarithm.decibels(power: 0.1, floor: -120) + 10) < 1e-5)
    for power in [Float.infinity, .nan, 3e38] {
      #expect(abs(Logarithm.decibels(power: power, floor: -120) - 300) < 1e-3, "\(power)")
    }
  }

  @Test("An exponential sum is the sum of the exponentials of the differences", .seed(12))
  func exponentialSum() {
    var random = SplitMix64()
    for count in [0, 1, 7, 8, 9, 15, 16, 17, 253] {
      let inputs = random.floats(count, scale: 80)
      let maximum = inputs.max() ?? 0
      var values = inputs
      let sum = values.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.map { Exponential.expSum($0, count: count, minus: maximum) } ?? 0
      }
      #expect(
        values.map(\.bitPattern)
          == ElementaryFunction.exp(inputs.map { $0 - maximum }).map(\.bitPattern))
      let reference = values.reduce(0) { $0 + Double($1) }
      #expect(abs(Double(sum) - reference) <= 1e-6 * reference, "\(count) elements")
    }
  }
}
