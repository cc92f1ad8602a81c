import Glibc

/// A folder of reference vectors.
///
/// Tests/Golden/README.md says what each file is and how far a result may be from it.
package struct GoldenFolder: Sendable {
  /// The vectors that are committed in Tests/Golden, found by the place of this source file.
  package static let committed: GoldenFolder = {
    // This file is Tests/TestSupport/Golden.swift.
    var folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    folders.removeLast(2)
    return GoldenFolder(path: folders.joined(separator: "/") + "/Golden")
  }()

  /// The full set that those are a selection of, for who has it: `ATTND_GOLDEN` is its folder.
  package static let full = getenv("ATTND_GOLDEN").map { GoldenFolder(path: String(cString: $0)) }

  private let path: String

  /// Path of a file in the folder.
  ///
  /// - Parameter name: Path below the folder, for example `fft/input.npy`.
  /// - Returns: The path to open.
  package func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Content of a file in the folder.
  package func bytes(_ name: String) throws(GoldenError) -> [UInt8] { try fileBytes(path(name)) }

  /// The array in a .npy file.
  package func array(_ name: String) throws(GoldenError) -> GoldenArray {
    try GoldenArray(npy: bytes(name), name: name)
  }

  /// The arrays in a .safetensors file.
  package func tensors(_ name: String) throws(GoldenError) -> GoldenTensors {
    try GoldenTensors(safetensors: bytes(name), name: name)
  }
}

/// The committed reference vectors.
package enum Golden {
  /// Path of a file in Tests/Golden.
  package static func path(_ name: String) -> String { GoldenFolder.committed.path(name) }

  /// Content of a file in Tests/Golden.
  package static func bytes(_ name: String) throws(GoldenError) -> [UInt8] {
    try GoldenFolder.committed.bytes(name)
  }

  /// The array in a .npy file.
  package static func array(_ name: String) throws(GoldenError) -> GoldenArray {
    try GoldenFolder.committed.array(name)
  }

  /// The arrays in a .safetensors file.
  package static func tensors(_ name: String) throws(GoldenError) -> GoldenTensors {
    try GoldenFolder.committed.tensors(name)
  }
}

/// A golden file that isn't there or isn't what it should be: a fault of the tests.
package struct GoldenError: Error, CustomStringConvertible {
  package let description: String

  package init(_ name: String, _ problem: String) { description = "golden \(name): \(problem)" }
}

/// Content of a file, whole.
package func fileBytes(_ path: String) throws(GoldenError) -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { throw GoldenError(path, String(cString: strerror(errno))) }
  defer { close(file) }
  var content: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(file, &block, block.count)
    guard count >= 0 else { throw GoldenError(path, String(cString: strerror(errno))) }
    if count == 0 { return content }
    content += block[..<count]
  }
}

/// An array of numbers with its shape, row major.
package struct GoldenArray: Sendable {
  /// The elements as the file holds them.
  package enum Elements: Sendable {
    case float32([Float])
    case float64([Double])
    case int16([Int16])
    case int32([Int32])
    case uint32([UInt32])
  }

  /// Name in messages: file and tensor.
  package let name: String
  /// Length of each axis; empty for a single number.
  package let shape: [Int]
  /// The elements, the last axis fastest.
  package let elements: Elements

  /// The elements by the first axis.
  package var rows: [[Double]] {
    let values = doubles
    guard let count = shape.first, count > 0 else { return [] }
    let length = values.count / count
    return (0..<count).map { Array(values[$0 * length..<($0 + 1) * length]) }
  }

  /// The elements, which must be float32.
  package var floats: [Float] {
    get throws(GoldenError) {
      guard case .float32(let values) = elements else { throw GoldenError(name, "not float32") }
      return values
    }
  }

  /// The elements as Double, exact whatever the file holds.
  package var doubles: [Double] {
    switch elements {
    case .float32(let values): values.map(Double.init)
    case .float64(let values): values
    case .int16(let values): values.map(Double.init)
    case .int32(let values): values.map(Double.init)
    case .uint32(let values): values.map(Double.init)
    }
  }

  /// The elements, which must be int16.
  package var int16s: [Int16] {
    get throws(GoldenError) {
      guard case .int16(let values) = elements else { throw GoldenError(name, "not int16") }
      return values
    }
  }

  /// The elements, which must be int32.
  package var int32s: [Int32] {
    get throws(GoldenError) {
      guard case .int32(let values) = elements else { throw GoldenError(name, "not int32") }
      return values
    }
  }

  /// The elements, which must be uint32.
  package var uint32s: [UInt32] {
    get throws(GoldenError) {
      guard case .uint32(let values) = elements else { throw GoldenError(name, "not uint32") }
      return values
    }
  }

  /// Reads .npy version 1.0 in C order, little endian.
  package init(npy bytes: [UInt8], name: String) throws(GoldenError) {
    let magic: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    guard bytes.starts(with: magic), bytes.count >= 10 else {
      throw GoldenError(name, "not .npy version 1.0")
    }
    let begin = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    guard begin <= bytes.count else { throw GoldenError(name, "header is cut off") }
    let header = String(decoding: bytes[10..<begin], as: UTF8.self)
    guard header.contains("'fortran_order': False") else {
      throw GoldenError(name, "not in C order")
    }
    func between(_ opening: String, _ closing: Character) -> Substring? {
      guard let range = header.firstRange(of: opening) else { return nil }
      return header[range.upperBound...].prefix { $0 != closing }
    }
    guard let code = between("'descr': '", "'"), let axes = between("'shape': (", ")") else {
      throw GoldenError(name, "header names no type or shape")
    }
    let types = ["<f4": "F32", "<f8": "F64", "<i2": "I16", "<i4": "I32", "<u4": "U32"]
    let shape = axes.split(separator: ",").compactMap { Int($0.drop { $0 == " " }) }
    try self.init(
      name: name, type: types[String(code)] ?? String(code), shape: shape, bytes: bytes[begin...])
  }

  /// Reads raw elements, little endian.
  ///
  /// - Parameters:
  ///   - name: Name in messages.
  ///   - type: F32, F64, I16, I32 or U32, as safetensors writes it.
  ///   - shape: Length of each axis.
  ///   - bytes: The elements, no more and no fewer.
  /// - Throws: `GoldenError` if the number of bytes is another, or the type unknown.
  package init(
    name: String, type: String, shape: [Int], bytes: ArraySlice<UInt8>
  ) throws(GoldenError) {
    self.name = name
    self.shape = shape
    let count = shape.reduce(1, *)
    func load<T: FixedWidthInteger>(_: T.Type) throws(GoldenError) -> [T] {
      let width = T.bitWidth / 8
      guard bytes.count == count * width else {
        throw GoldenError(name, "\(bytes.count) bytes for \(count) elements of \(type)")
      }
      return bytes.withUnsafeBytes { raw in
        (0..<count).map {
          T(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * width, as: T.self))
        }
      }
    }
    switch type {
    case "F32": elements = .float32(try load(UInt32.self).map(Float.init(bitPattern:)))
    case "F64": elements = .float64(try load(UInt64.self).map(Double.init(bitPattern:)))
    case "I16": elements = .int16(try load(Int16.self))
    case "I32": elements = .int32(try load(Int32.self))
    case "U32": elements = .uint32(try load(UInt32.self))
    default: throw GoldenError(name, "elements of type \(type) can't be read")
    }
  }
}
