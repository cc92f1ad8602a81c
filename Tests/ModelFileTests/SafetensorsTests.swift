import ModelFile
import StreamingAttention
import TestSupport
import Testing

@Suite("Safetensors")
struct SafetensorsTests {
  private static func entry(_ name: String, _ shape: String, _ begin: Int, _ end: Int) -> String {
    #""\#(name)": {"dtype": "F32", "shape": \#(shape), "data_offsets": [\#(begin), \#(end)]}"#
  }

  private func complaint(_ header: String, elements: Int = 0) -> String? {
    do {
      _ = try Safetensors(Sample.container(header, elements: Array(repeating: 0, count: elements)))
      return nil
    } catch {
      return error.description
    }
  }

  @Test("Reads what another reader reads")
  func golden() throws {
    let name = "model/gru_dot_x.weights.safetensors"
    let reference = try Golden.tensors(name)
    let tensors = try Safetensors(Golden.bytes(name)).tensors
    #expect(tensors.keys.sorted() == reference.names)
    for (name, tensor) in tensors {
      #expect(try tensor.shape == reference[name].shape, "\(name)")
      #expect(try tensor.values == reference[name].floats, "\(name)")
    }
  }

  @Test("Tensors may be empty, a single number, and in any order in the header")
  func odd() throws {
    let header =
      "{" + Self.entry("b", "[2]", 4, 12) + "," + Self.entry("empty", "[0, 7]", 4, 4) + ","
      + Self.entry("a", "[]", 0, 4) + #", "__metadata__": {"x": "y"}}   "#
    let file = try Safetensors(
      Sample.container(header, elements: [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0, 0, 0, 0xC0]))
    #expect(file.tensors["a"] == Tensor(shape: [], values: [1]))
    #expect(file.tensors["b"] == Tensor(shape: [2], values: [2, -2]))
    #expect(file.tensors["empty"] == Tensor(shape: [0, 7], values: []))
    #expect(file.metadata == ["x": "y"])
  }

  @Test(
    "An entry that can't be is refused in a sentence",
    arguments: [
      (entry("a", "[3]", 0, 8), 8, "tensor a has 8 bytes, expected 4 for each element of 3"),
      (
        entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 0, 4), 4,
        "tensor b begins at byte 0 of the elements, expected byte 4, where the one before ends"
      ),
      (
        entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 8, 12), 12,
        "tensor b begins at byte 8 of the elements, expected byte 4, where the one before ends"
      ),
      (entry("a", "[1]", 0, 4), 8, "8 bytes follow the header, expected 4, as its tensors say"),
      (
        entry("a", "[1]", 4, 0), 8,
        "tensor a lies at bytes 4 to 0, expected a place within the 8 bytes of elements"
      ),
      (
        entry("a", "[2]", 0, 8), 4,
        "tensor a lies at bytes 0 to 8, expected a place within the 4 bytes of elements"
      ),
      (
        entry("a", "[4294967296, 4294967296]", 0, 0), 0,
        "tensor a has 0 bytes, expected 4 for each element of 4294967296x4294967296"
      ),
      (
        entry("a", "[0, 4294967296, 4294967296]", 0, 0), 0, nil
      ),
      (
        entry("a", "[4611686018427387904]", 0, 0), 0,
        "tensor a has 0 bytes, expected 4 for each element of 4611686018427387904"
      ),
      (
        entry("a", "[9223372036854775808]", 0, 0), 0,
        "header.a.shape is a list with 9223372036854775808, "
          + "expected a list of whole numbers from 0"
      ),
      (
        entry("a", "[-1]", 0, 4), 4,
        "header.a.shape is a list with -1, expected a list of whole numbers from 0"
      ),
      (
        entry("a", "[1, 1, 1, 1, 1, 1, 1, 1, 1]", 0, 4), 4,
        "tensor a has 9 axes, expected at most 8"
      ),
      (
        #""a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}"#, 4,
        "tensor a has elements of type BF16, expected F32 or F16"
      ),
      (
        #""a": {"dtype": "F32", "shape": [2], "data_offsets": [4]}"#, 4,
        "tensor a lies at bytes 4, expected a place within the 4 bytes of elements"
      ),
      (#""a": {"dtype": "F32", "shape": [2]}"#, 4, "header.a.data_offsets is missing"),
      (
        #""a": {"dtype": "F32", "shapes": [2], "data_offsets": [0, 4]}"#, 4,
        "unknown name 'header.a.shapes' (shape?)"
      ),
      (#""a": 7"#, 4, "header.a is 7, expected an object"),
      (
        entry(#"a\nb"#, "[1]", 0, 4), 4,
        "tensor a\u{FFFD}b has an odd name, expected 1 to 200 letters, digits and signs"
      ),
      (
        entry("a", "[1]", 0, 4) + "," + entry("a", "[1]", 4, 8), 8,
        "the header isn't JSON: expected 'a' only once at byte 61"
      ),
      (#""__metadata__": {"attnd": 1}"#, 0, "__metadata__.attnd is 1, expected text"),
      (#""__metadata__": "attnd""#, 0, "__metadata__ is 'attnd', expected an object"),
    ] as [(String, Int, String?)])
  func refused(entries: String, elements: Int, message: String?) {
    #expect(complaint("{" + entries + "}", elements: elements) == message)
  }

  @Test("Overflow in the product of a shape hides behind no zero")
  func overflow() {
    #expect(complaint("{" + Self.entry("a", "[4294967296, 4294967296, 0]", 0, 0) + "}") != nil)
  }

  @Test(
    "An element that isn't a number is refused, with its place",
    arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(value: Float) {
    let elements = [0, value].flatMap { element in
      withUnsafeBytes(of: element.bitPattern.littleEndian) { Array($0) }
    }
    let bytes = Sample.container("{" + Self.entry("a", "[2]", 0, 8) + "}", elements: elements)
    #expect(
      throws: ModelFault.tensor(name: "a", found: "has \(value) at element 1", expected: "a number")
    ) { try Safetensors(bytes) }
  }

  @Test("Half precision becomes floats of the same value, at any byte")
  func halves() throws {
    func entry(_ name: String, _ type: String, _ shape: String, _ begin: Int, _ end: Int) -> String
    {
      #""\#(name)": {"dtype": "\#(type)", "shape": \#(shape), "data_offsets": [\#(begin), \#(end)]}"#
    }
    let header =
      "{" + entry("a", "F16", "[5]", 0, 10) + "," + entry("b", "F32", "[1]", 10, 14) + "}"
    let elements: [UInt8] = [0, 0x3C, 0, 0xC0, 1, 0, 0xFF, 0x7B, 0, 0x80, 0, 0, 0x40, 0x40]
    let file = try Safetensors(Sample.container(header, elements: elements))
    #expect(
      file.tensors["a"]?.values.map(\.bitPattern)
        == ([1, -2, 0x1p-24, 65504, -0.0] as [Float]).map(\.bitPattern))
    #expect(file.tensors["b"]?.values == [3])
    #expect(
      complaint("{" + entry("a", "F16", "[2]", 0, 3) + "}", elements: 3)
        == "tensor a has 3 bytes, expected 2 for each element of 2")
    for (bits, text) in [(UInt8(0x7C), "inf"), (0xFC, "-inf"), (0x7E, "nan")] {
      let bytes = Sample.container(
        "{" + entry("a", "F16", "[2]", 0, 4) + "}", elements: [0, 0, 0, bits])
      #expect(
        throws: ModelFault.tensor(
          name: "a", found: "has \(text) at element 1", expected: "a number")
      ) { try Safetensors(bytes) }
    }
  }

  @Test("A header is read up to its longest, and refused one byte past it")
  func longestHeader() {
    let longest = "{}" + String(repeating: " ", count: Safetensors.largestHeader - 2)
    #expect(complaint(longest) == nil)
    #expect(
      complaint(longest + " ")
        == "its first 8 bytes announce a header of 1048577 bytes, "
        + "expected a safetensors file, with at most 1048576")
  }

  @Test("A header full of tensors is read in the time that its length takes")
  func manyTensors() {
    let entries = (0..<12_000).map { Self.entry("t\($0)", "[0]", 0, 0) }
    #expect(complaint("{" + entries.joined(separator: ",") + "}") == nil)
  }
}
