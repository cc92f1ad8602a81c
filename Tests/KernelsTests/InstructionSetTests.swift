import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Instruction sets")
struct InstructionSetTests {
  @Test("The baseline is always there, the best comes last, and one of them is in use")
  func available() {
    let available = InstructionSet.available
    #expect(available.first == .baseline)
    #expect(available == InstructionSet.allCases.filter(available.contains), "in ascending order")
    #expect(available.contains(InstructionSet.current))
    #expect(InstructionSet.allCases.filter(\.isAvailable) == available)
    // A processor that has AVX-512 has AVX2.
    #expect(!available.contains(.v4) || available.contains(.v3))
  }

  @Test("Each set has a build of its own, and the process uses that of its own set")
  func builds() {
    let available = InstructionSet.available
    #expect(Set(available.map { ObjectIdentifier($0.kernels) }).count == available.count)
    #expect(ObjectIdentifier(kernels) == ObjectIdentifier(InstructionSet.current.kernels))
    #if arch(x86_64)
      for set in available { #expect(set.kernels.fusesMultiplyAdd == (set != .baseline), "\(set)") }
    #endif
  }

  @Test(
    "A product is rounded before it is added exactly where the set says so",
    arguments: InstructionSet.available)
  func fusing(set: InstructionSet) {
    // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24, whose last bit rounding takes away.
    let x = [Float](repeating: 1 + 0x1p-12, count: 9)
    let y = FloatBuffer([Float](repeating: -1 - 0x1p-11, count: 16))
    let w = PanelBuffer(x, rows: 9, columns: 1)
    let vector = FloatBuffer(x)
    set.kernels.multiply(w.matrix, vector.pointer, plus: y.pointer, into: y.pointer)
    let expected: Float = set.kernels.fusesMultiplyAdd ? 0x1p-24 : 0
    #expect(y.elements.prefix(9).allSatisfy { $0 == expected }, "\(Array(y.elements))")
  }

  @Test("Names are those that people type")
  func names() {
    #expect(InstructionSet.allCases.map(\.rawValue) == ["baseline", "v3", "v4"])
    #expect(InstructionSet.variable == "ATTND_KERNELS")
  }

  @Test(
    "ATTND_KERNELS forces a set that is there; another one, or no name, gives the best",
    arguments: ["baseline", "v3", "v4", "v5", "BASELINE", " v3", "", nil] as [String?])
  func forced(name: String?) async {
    // A process of its own: the choice is made once.
    await #expect(processExitsWith: .success) { [name = name as String?] in
      if let name {
        setenv(InstructionSet.variable, name, 1)
      } else {
        unsetenv(InstructionSet.variable)
      }
      let asked = name.flatMap(InstructionSet.init(rawValue:))
      #expect(InstructionSet.requestedName == (name == "" ? nil : name))
      #expect(InstructionSet.requested == asked)
      let expected = asked.flatMap { $0.isAvailable ? $0 : nil } ?? InstructionSet.available.last
      #expect(expected != nil)
      #expect(InstructionSet.current == expected)
      #expect(ObjectIdentifier(kernels) == expected.map { ObjectIdentifier($0.kernels) })
    }
  }
}
