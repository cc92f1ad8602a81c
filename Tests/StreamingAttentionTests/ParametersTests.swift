import StreamingAttention
import TestSupport
import Testing

@Suite("Parameters")
struct ParametersTests {
  /// What loading says, or nil when it works.
  static func sentence(
    _ architecture: Architecture, _ tensors: [String: Tensor]
  ) -> String? {
    do throws(ParametersError) {
      _ = try Parameters(architecture: architecture, tensors: tensors)
      return nil
    } catch {
      return error.description
    }
  }

  @Test("Every fault of a set of tensors is named: which tensor, what was found, what expected")
  func faults() {
    var random = SplitMix64(seed: 161)
    let architecture = Architecture.small(score: .static, value: .separate(size: 3))
    let good = architecture.randomTensors(&random)
    #expect(Self.sentence(architecture, good) == nil)

    typealias Change = (inout [String: Tensor]) -> Void
    func put(_ name: String, _ index: Int, _ value: Float) -> Change {
      { tensors in
        guard var tensor = tensors[name] else { return }
        tensor.values[index] = value
        tensors[name] = tensor
      }
    }
    let table: [(String, Change)] = [
      (
        "tensor attention.w_e is missing, expected one of shape 4x6",
        { $0["attention.w_e"] = nil }
      ),
      (
        "tensor encoder.bias_hh_l0 is missing, expected one of shape 18",
        { $0["encoder.bias_hh_l0"] = nil }
      ),
      (
        "tensor decoder.weight_ih_l0 has shape 9x4, expected 9x3",
        {
          $0["decoder.weight_ih_l0"] = Tensor(
            shape: [9, 4], values: Array(repeating: 0, count: 36))
        }
      ),
      (
        // As many elements, but the axes exchanged.
        "tensor encoder.weight_ih_l0 has shape 5x18, expected 18x5",
        { $0["encoder.weight_ih_l0"]?.shape = [5, 18] }
      ),
      ("tensor output.bias has shape scalar, expected 2", { $0["output.bias"]?.shape = [] }),
      (
        "tensor output.bias has shape -1x-2, expected 2", { $0["output.bias"]?.shape = [-1, -2] }
      ),
      (
        "tensor output.weight has 5 elements, expected 6",
        { $0["output.weight"]?.values.removeLast() }
      ),
      (
        "tensor attention.w_a is not part of this architecture",
        { $0["attention.w_a"] = Tensor(shape: [4, 5], values: Array(repeating: 0, count: 20)) }
      ),
      (
        "tensor decoder.weight_hh_l1 is not part of this architecture",
        {
          $0["stranger"] = Tensor(shape: [1], values: [0])
          $0["decoder.weight_hh_l1"] = Tensor(shape: [1], values: [0])
        }
      ),
      (
        "tensor attention.v holds a NaN or an infinity at element 3", put("attention.v", 3, .nan)
      ),
      (
        "tensor attention.b holds a NaN or an infinity at element 0",
        put("attention.b", 0, -.infinity)
      ),
      (
        "tensor attention.w_v holds -1e+30 at element 14, expected -1048576.0 to 1048576.0",
        put("attention.w_v", 14, -1e30)
      ),
    ]
    for (sentence, change) in table {
      var tensors = good
      change(&tensors)
      #expect(Self.sentence(architecture, tensors) == sentence)
    }
    var largest = good
    put("output.bias", 0, 0x1p20)(&largest)
    #expect(Self.sentence(architecture, largest) == nil, "the largest weight is accepted")
  }

  @Test("Every tensor of every architecture is asked for, and no other", .seed(162))
  func everyTensor() throws {
    var random = SplitMix64()
    for _ in 0..<40 {
      let architecture = Architecture.random(&random)
      let tensors = architecture.randomTensors(&random)
      let parameters = try Parameters(architecture: architecture, tensors: tensors)
      #expect(parameters.weightCount == tensors.values.reduce(0) { $0 + $1.values.count })
      for (name, tensor) in tensors {
        var without = tensors
        without[name] = nil
        let shape = tensor.shape.map(String.init).joined(separator: "x")
        #expect(
          Self.sentence(architecture, without)
            == "tensor \(name) is missing, expected one of shape \(shape)")
      }
    }
  }

  @Test("A size beyond its limits is refused before any memory is taken")
  func sizesFirst() {
    var architecture = Architecture.small()
    architecture.window = 1_000_001
    #expect(
      Self.sentence(architecture, [:])
        == "attention.window is 1000001, expected 1 to 1000000")
  }
}

@Suite("Architecture")
struct ArchitectureTests {
  static func sentence(_ change: (inout Architecture) -> Void) -> String? {
    var architecture = Architecture.small()
    change(&architecture)
    do throws(ParametersError) {
      try architecture.validate()
      return nil
    } catch {
      return error.description
    }
  }

  @Test("Every size is accepted at its limits and refused one past them, by name")
  func limits() {
    typealias Setter = (inout Architecture, Int) -> Void
    let table: [(String, ClosedRange<Int>, Setter)] = [
      ("bins", 1...4_096, { $0.bins = $1 }),
      ("stack", 1...16, { $0.stack = $1 }),
      ("encoder.layers", 1...4, { $0.encoder.layers = $1 }),
      ("encoder.units", 1...4_096, { $0.encoder.units = $1 }),
      ("decoder.layers", 1...4, { $0.decoder.layers = $1 }),
      ("decoder.units", 1...4_096, { $0.decoder.units = $1 }),
      ("keywords", 1...64, { $0.keywords = $1 }),
      ("attention.heads", 1...64, { $0.heads = .shared($1) }),
      ("attention.key_size", 1...4_096, { $0.keySize = $1 }),
      ("attention.value_size", 1...4_096, { $0.value = .separate(size: $1) }),
      ("attention.window", 1...1_000_000, { $0.window = $1 }),
    ]
    for (name, range, set) in table {
      for value in [range.lowerBound, range.upperBound] {
        #expect(Self.sentence { set(&$0, value) } == nil, "\(name) \(value)")
      }
      for value in [range.lowerBound - 1, range.upperBound + 1, -1, .max, .min] {
        #expect(
          Self.sentence { set(&$0, value) }
            == "\(name) is \(value), expected \(range.lowerBound) to \(range.upperBound)")
      }
    }
  }

  @Test("Sizes that are too large together are refused though each is within its limits")
  func together() {
    #expect(
      Self.sentence {
        $0.bins = 4_096
        $0.stack = 2
      } == "stacked input is 8192, expected 1 to 4096")
    #expect(
      Self.sentence {
        $0.stack = 3
        $0.stride = 4
      } == "stride is 4, expected 1 to 3")
    #expect(
      Self.sentence {
        $0.heads = .shared(64)
        $0.keySize = 65
      } == "attention.heads x key_size is 4160, expected 1 to 4096")
    #expect(
      Self.sentence {
        $0.heads = .keyword
        $0.keywords = 64
        $0.value = .separate(size: 65)
      } == "attention.heads x value_size is 4160, expected 1 to 4096")
    // The window may hold 2^28 floats: a key that is its own value, and a score, are 4,098 a step.
    #expect(
      Self.sentence {
        $0.keySize = 4_096
        $0.window = 1_000_000
      } == "attention.window is 1000000, expected at most 65504 steps with keys of this size")
    #expect(
      Self.sentence {
        $0.keySize = 4_096
        $0.window = 32_764
      } == nil)
  }

  @Test("Derived sizes follow from the choices")
  func derived() {
    var architecture = Architecture.small(
      memory: .h, value: .separate(size: 7), heads: .keyword)
    architecture.stack = 3
    #expect(architecture.inputSize == 15)
    #expect(architecture.memorySize == 6)
    #expect(architecture.headCount == 2)
    #expect(architecture.valueSize == 7)
    #expect(architecture.contextSize == 14)
    #expect(architecture.decoderInputSize == 14)
    architecture.decoderInput = .contextAndHidden
    architecture.memory = .x
    architecture.heads = .shared(5)
    architecture.value = .key
    #expect(architecture.memorySize == 15)
    #expect(architecture.contextSize == 20)
    #expect(architecture.decoderInputSize == 26)
  }
}
