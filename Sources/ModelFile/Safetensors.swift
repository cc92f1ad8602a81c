import JSONText
import StreamingAttention

/// The bytes of a safetensors file as tensors, each entry of its header checked.
///
///     | length of the header, 8 bytes | header, JSON              | elements, little endian     |
///                                       {"NAME": {"dtype": "F32", "shape": [192, 48],
///                                                 "data_offsets": [0, 36864]}, ...}
///
/// Elements are floats (F32) or numbers of half precision (F16), which become floats of the same
/// value. They lie one tensor after the other without gaps, as the format demands, so no byte
/// of the file is without meaning.
package struct Safetensors {
  /// Most bytes of a file: far more than a model that keeps up with speech can have; a wrong path
  /// shouldn't fill the memory.
  package static let largestFile = 1 << 30
  /// Most bytes of a header: a model has some twenty tensors and a document of two kilobytes.
  package static let largestHeader = 1 << 20
  /// Most axes of a tensor; a model's have one or two.
  package static let mostAxes = 8

  /// The tensors by name.
  package let tensors: [String: Tensor]
  /// The texts of `__metadata__` by name.
  package let metadata: [String: String]

  /// Reads a whole file.
  ///
  /// - Parameter bytes: Content of the file.
  /// - Throws: `ModelFault` for the first thing that can't be.
  package init(_ bytes: [UInt8]) throws(ModelFault) {
    guard bytes.count <= Safetensors.largestFile else {
      throw .tooLarge(limit: Safetensors.largestFile)
    }
    let (header, elements) = try Safetensors.split(bytes)
    guard case .object(let members) = try JSON(parsing: header, called: "the header") else {
      throw .syntax(text: "the header", offset: 0, expected: "an object")
    }
    var metadata: [String: String] = [:]
    var entries: [Entry] = []
    for member in members {
      if member.name == "__metadata__" {
        metadata = try Safetensors.texts(member.value)
      } else {
        entries.append(try Entry(member, elements: elements.count))
      }
    }
    self.metadata = metadata
    tensors = try Safetensors.load(entries, from: elements)
  }

  private static func split(
    _ bytes: [UInt8]
  ) throws(ModelFault) -> (header: ArraySlice<UInt8>, elements: ArraySlice<UInt8>) {
    guard bytes.count >= 8 else {
      throw .container(found: "has \(bytes.count) bytes", expected: "a safetensors file")
    }
    let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(largestHeader) else {
      throw .container(
        found: "its first 8 bytes announce a header of \(length) bytes",
        expected: "a safetensors file, with at most \(largestHeader)")
    }
    // Small enough for Int now.
    let end = 8 + Int(length)
    guard end <= bytes.count else {
      throw .container(
        found: "ends after \(bytes.count) bytes, within its header",
        expected: "a header of \(length) bytes")
    }
    return (bytes[8..<end], bytes[end...])
  }

  private static func texts(_ value: JSON) throws(ModelFault) -> [String: String] {
    guard case .object(let members) = value else {
      throw .value(path: "__metadata__", found: value.summary, expected: "an object")
    }
    var texts: [String: String] = [:]
    for member in members {
      guard case .string(let text) = member.value else {
        throw .value(
          path: "__metadata__.\(member.name)", found: member.value.summary, expected: "text")
      }
      texts[member.name] = text
    }
    return texts
  }

  private static func load(
    _ entries: [Entry], from elements: ArraySlice<UInt8>
  ) throws(ModelFault) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    var place = 0
    for entry in entries.sorted(by: { ($0.begin, $0.end, $0.name) < ($1.begin, $1.end, $1.name) }) {
      guard entry.begin == place else {
        throw .tensor(
          name: entry.name, found: "begins at byte \(entry.begin) of the elements",
          expected: "byte \(place), where the one before ends")
      }
      place = entry.end
      tensors[entry.name] = try entry.tensor(from: elements)
    }
    guard place == elements.count else {
      throw .container(
        found: "\(elements.count) bytes follow the header", expected: "\(place), as its tensors say"
      )
    }
    return tensors
  }
}

/// What the header says about a tensor, once it can be believed.
private struct Entry {
  /// What an element is, by the format's names.
  private enum Element: String, CaseIterable {
    case single = "F32"
    case half = "F16"

    var bytes: Int { self == .single ? 4 : 2 }
  }

  let name: String
  private let element: Element
  let shape: [Int]
  let begin: Int
  let end: Int

  init(_ member: JSON.Member, elements: Int) throws(ModelFault) {
    name = member.name
    // Names go into messages and are looked up by byte: printable ASCII, as PyTorch's are.
    guard (1...200).contains(name.utf8.count), name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw .tensor(
        name: name, found: "has an odd name", expected: "1 to 200 letters, digits and signs")
    }
    let fields = try Fields(
      member.value, at: "header.\(member.name)", required: ["dtype", "shape", "data_offsets"])
    let type = try fields.text("dtype")
    guard let element = Element(rawValue: type) else {
      throw .tensor(
        name: name, found: "has elements of type \(legible(type))",
        expected: Element.allCases.map(\.rawValue).joined(separator: " or "))
    }
    self.element = element
    shape = try fields.naturals("shape")
    let offsets = try fields.naturals("data_offsets")
    guard shape.count <= Safetensors.mostAxes else {
      throw .tensor(
        name: name, found: "has \(shape.count) axes", expected: "at most \(Safetensors.mostAxes)")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= elements else {
      throw .tensor(
        name: name,
        found: "lies at bytes \(offsets.prefix(3).map(String.init).joined(separator: " to "))",
        expected: "a place within the \(elements) bytes of elements")
    }
    (begin, end) = (offsets[0], offsets[1])
    var size: Int? = element.bytes
    for length in shape {
      let (product, overflows) = (size ?? 0).multipliedReportingOverflow(by: length)
      size = overflows || size == nil ? nil : product
    }
    guard size == end - begin else {
      let text = shape.isEmpty ? "a single number" : shape.map(String.init).joined(separator: "x")
      throw .tensor(
        name: name, found: "has \(end - begin) bytes",
        expected: "\(element.bytes) for each element of \(text)")
    }
  }

  func tensor(from elements: ArraySlice<UInt8>) throws(ModelFault) -> Tensor {
    let count = (end - begin) / element.bytes
    let values = elements.withUnsafeBytes { raw in
      func bits<Bits: FixedWidthInteger & BitwiseCopyable>(_ i: Int, as type: Bits.Type) -> Bits {
        Bits(
          littleEndian: raw.loadUnaligned(fromByteOffset: begin + element.bytes * i, as: type))
      }
      return switch element {
      case .single: (0..<count).map { Float(bitPattern: bits($0, as: UInt32.self)) }
      case .half: (0..<count).map { Float(Float16(bitPattern: bits($0, as: UInt16.self))) }
      }
    }
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw .tensor(
        name: name, found: "has \(values[index]) at element \(index)", expected: "a number")
    }
    return Tensor(shape: shape, values: values)
  }
}

extension Safetensors {
  /// The bytes of a file with another text in its metadata, and all else as it was.
  ///
  /// - Parameters:
  ///   - name: The text's name.
  ///   - bytes: A whole file that `init` reads.
  ///   - change: Makes the new text of the old one.
  /// - Returns: A file with the same tensors at the same places.
  /// - Throws: `ModelFault` for what is wrong with the header, or what `change` throws.
  static func replacing(
    _ name: String, in bytes: [UInt8],
    _ change: (String) throws(ModelFault) -> String
  ) throws(ModelFault) -> [UInt8] {
    let (header, elements) = try split(bytes)
    let json = try JSON(parsing: header, called: "the header")
    guard let metadata = json.fields?["__metadata__"],
      case .string(let text)? = metadata.fields?[name]
    else { throw .missing(path: "__metadata__.\(name)") }
    let changed = try change(text)
    return file(
      header: json.replacing("__metadata__") {
        $0.replacing(name) { _ in .string(changed) }
      }, elements: elements)
  }

  /// A whole file.
  private static func file(header: JSON, elements: some Collection<UInt8>) -> [UInt8] {
    var header = Array(header.text.utf8)
    // The format aligns the elements to eight bytes.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    return length + header + elements
  }

  /// The bytes of a file with these tensors, in the order of their names.
  ///
  /// - Parameters:
  ///   - tensors: Tensors by name.
  ///   - metadata: Texts by name.
  ///   - halves: Whether tensors of two axes and more are rounded to half precision.
  /// - Returns: A file that `init` reads back.
  static func bytes(
    tensors: [String: Tensor], metadata: [String: String], halves: Bool = false
  ) -> [UInt8] {
    var members = [
      JSON.Member(
        "__metadata__",
        .object(metadata.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
    ]
    var elements: [UInt8] = []
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let begin = elements.count
      let isHalf = halves && tensor.shape.count >= 2
      for value in tensor.values {
        if isHalf {
          withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { elements += $0 }
        } else {
          withUnsafeBytes(of: value.bitPattern.littleEndian) { elements += $0 }
        }
      }
      members.append(
        .init(
          name,
          .object([
            .init("dtype", .string(isHalf ? "F16" : "F32")),
            .init("shape", .array(tensor.shape.map { .number("\($0)") })),
            .init("data_offsets", .array([.number("\(begin)"), .number("\(elements.count)")])),
          ])))
    }
    return file(header: .object(members), elements: elements)
  }
}
