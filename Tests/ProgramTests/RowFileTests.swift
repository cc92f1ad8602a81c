import Glibc
import TestSupport
import Testing
import attnd

/// Files of rows, right and wrong.
private enum Made {
  static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  /// A NumPy file with any header.
  static func array(_ header: String, version: [UInt8] = [1, 0], numbers: [UInt8]) -> [UInt8] {
    let text = Array(header.utf8)
    let length = version[0] == 1 ? little(UInt16(text.count)) : little(UInt32(text.count))
    return [0x93] + Array("NUMPY".utf8) + version + length + text + numbers
  }

  static func header(_ type: String, _ shape: String, order: String = "False") -> String {
    "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n"
  }

  static func tensors(_ header: String, numbers: [UInt8]) -> [UInt8] {
    little(UInt64(header.utf8.count)) + Array(header.utf8) + numbers
  }

  static func floats(_ values: [Float]) -> [UInt8] { values.flatMap { little($0.bitPattern) } }
}

/// Every row of a file, read a few at a time.
private func rows(
  _ path: String, columns: Int, tensor: String? = nil, atOnce: Int = 2
) throws -> [[Float]] {
  let file = try RowFile(path, columns: columns, tensor: tensor)
  var rows: [[Float]] = []
  while try file.read(atOnce, { rows.append($0) }) {}
  return rows
}

/// What is wrong with a file, as the message says it; nil if nothing is.
private func complaint(
  about bytes: [UInt8], columns: Int = 2, tensor: String? = nil
) throws -> String? {
  let folder = try TemporaryFolder()
  let path = try folder.file("rows", bytes)
  do {
    _ = try rows(path, columns: columns, tensor: tensor)
    return nil
  } catch {
    let text = "\(error)"
    #expect(text.hasPrefix("rows \(path): "))
    #expect(!text.contains("\n"), "one line")
    return String(text.dropFirst("rows \(path): ".count))
  }
}

@Suite("Files of rows")
struct RowFileTests {
  static let values: [Float] = [1, 2.5, -3, 1e-30, 5, 6]
  static let expected: [[Float]] = [[1, 2.5], [-3, 1e-30], [5, 6]]

  @Test("NumPy's arrays of either format, width and order of bytes are read")
  func arrays() throws {
    let folder = try TemporaryFolder()
    let single = Made.floats(Self.values)
    let double = Self.values.flatMap { Made.little(Double($0).bitPattern) }
    let files: [(String, [UInt8], [UInt8])] = [
      ("<f4", [1, 0], single), ("<f4", [2, 0], single), ("<f8", [1, 0], double),
      (">f4", [1, 0], Self.values.flatMap { Array(Made.little($0.bitPattern).reversed()) }),
      (
        ">f8", [2, 0], Self.values.flatMap { Array(Made.little(Double($0).bitPattern).reversed()) }
      ),
    ]
    for (type, version, numbers) in files {
      let path = try folder.file(
        "a.npy", Made.array(Made.header(type, "(3, 2)"), version: version, numbers: numbers))
      for atOnce in [1, 2, 3, 100] {
        #expect(try rows(path, columns: 2, atOnce: atOnce) == Self.expected, "\(type) \(version)")
      }
    }
    // As this program writes it, as Python 2 did, and without rows.
    let own = try folder.file("b.npy", NumPyFile.header(rows: 3, columns: 2) + single)
    #expect(try rows(own, columns: 2) == Self.expected)
    let old = try folder.file(
      "c.npy", Made.array(Made.header("<f4", "(3L, 2L)"), numbers: single))
    #expect(try rows(old, columns: 2) == Self.expected)
    let none = try folder.file("d.npy", NumPyFile.header(rows: 0, columns: 2))
    #expect(try rows(none, columns: 2) == [])
  }

  @Test("A safetensors file's only tensor is read, of several the one that is named")
  func tensors() throws {
    let folder = try TemporaryFolder()
    let entry = #"{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}"#
    let one = try folder.file(
      "one",
      Made.tensors(#"{"__metadata__":{"a":"b"},"x":\#(entry)}"#, numbers: Made.floats(Self.values)))
    #expect(try rows(one, columns: 2) == Self.expected)
    #expect(try rows(one, columns: 2, tensor: "x") == Self.expected)
    let other = #"{"dtype":"F32","shape":[1,2],"data_offsets":[24,32]}"#
    let two = Made.tensors(
      #"{"x":\#(entry),"y":\#(other)}"#, numbers: Made.floats(Self.values + [7, 8]))
    let path = try folder.file("two", two)
    #expect(try rows(path, columns: 2, tensor: "y") == [[7, 8]])
    #expect(try rows(path, columns: 2, tensor: "x") == Self.expected)
    #expect(try complaint(about: two) == "holds 2 tensors; name one with --tensor: x, y")
    #expect(try complaint(about: two, tensor: "z") == "holds no tensor 'z', but x, y")
  }

  @Test("What cannot be read is told in a line")
  func refused() throws {
    let numbers = Made.floats(Self.values)
    func array(_ type: String, _ shape: String, order: String = "False") -> [UInt8] {
      Made.array(Made.header(type, shape, order: order), numbers: numbers)
    }
    func tensor(_ type: String, _ shape: String, _ offsets: String) -> [UInt8] {
      Made.tensors(
        #"{"x":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}}"#,
        numbers: numbers)
    }
    let cases: [(bytes: [UInt8], complaint: String)] = [
      ([], "is neither a NumPy array (.npy) nor a safetensors file"),
      (Array("This is no array.\n".utf8), "is neither a NumPy array (.npy) nor a safetensors file"),
      (array("<f4", "(2, 3)"), "has rows of 3, the model takes rows of 2"),
      (array("<f4", "(6,)"), "has shape (6), expected (rows, elements)"),
      (array("<f4", "(6, 0)"), "has shape (6, 0), expected (rows, elements)"),
      (array("<f4", "(1, 3, 2)"), "has shape (1, 3, 2), expected (rows, elements)"),
      (
        array("<f4", "(3, 2)", order: "True"),
        "is in Fortran order; save it in C order: numpy.save(path, numpy.ascontiguousarray(rows))"
      ),
      (array("<i4", "(3, 2)"), "has elements of type '<i4', expected float32 or float64"),
      (array("<f4", "(4, 2)"), "ends after 3 of the 4 rows that its header announces"),
      (array("<f4", "(2, 2)"), "has 8 bytes behind its array; one array is expected"),
      (
        array("<f4", "(4611686018427387904, 2)"),
        "announces 4611686018427387904 rows of 2, more than a file can hold"
      ),
      (
        Made.array(Made.header("<f4", "(3, 2)"), version: [3, 0], numbers: numbers),
        "is of NumPy's format 3.0, expected 1.0 or 2.0"
      ),
      (
        Made.array(
          "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 2)}", numbers: numbers),
        "has elements of several parts, expected float32 or float64"
      ),
      (
        Made.array("{'shape': (3, 2)}", numbers: []),
        "its header lacks descr, fortran_order or shape"
      ),
      (Made.array("{'shape': -1}", numbers: []), "its header is not NumPy's: {'shape': -1}"),
      (Made.tensors("{}", numbers: []), "holds no tensor"),
      (Made.tensors("[1]", numbers: []), "its header is no JSON object"),
      (tensor("F16", "[3,2]", "[0,24]"), "tensor x has elements of type F16, expected F32"),
      (tensor("F32", "[6]", "[0,24]"), "tensor x has shape [6], expected [rows, elements]"),
      (
        tensor("F32", "[3,2]", "[0,20]"),
        "tensor x: shape 3x2 does not fit the bytes that it lies at"
      ),
      (
        tensor("F32", "[6,2]", "[0,48]"),
        "tensor x: shape 6x2 does not fit the bytes that it lies at"
      ),
      (
        tensor("F32", "[4611686018427387904,8]", "[0,24]"),
        "tensor x: shape 4611686018427387904x8 does not fit the bytes that it lies at"
      ),
      (
        tensor("F32", "[3,2]", "[-4,20]"),
        "tensor x: its header lacks dtype, shape or data_offsets"
      ),
    ]
    for (bytes, expected) in cases {
      #expect(try complaint(about: bytes) == expected)
    }
    #expect(
      try complaint(about: array("<f4", "(3, 2)"), tensor: "x")
        == "a NumPy array has no name; --tensor is for safetensors files")
  }

  @Test("A file that is cut at any byte, or has any byte changed, is an error or other rows")
  func spoilt() throws {
    let numbers = Made.floats(Self.values)
    let files = [
      Made.array(Made.header("<f4", "(3, 2)"), numbers: numbers),
      Made.array(Made.header("<f8", "(3, 1)"), version: [2, 0], numbers: numbers),
      Made.tensors(
        #"{"x":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}}"#, numbers: numbers),
    ]
    for (number, file) in files.enumerated() {
      let columns = number == 1 ? 1 : 2
      #expect(try complaint(about: file, columns: columns) == nil)
      for count in 0..<file.count {
        let found = try complaint(about: Array(file.prefix(count)), columns: columns)
        #expect(found != nil, "file \(number) cut at \(count)")
      }
      for place in file.indices {
        for change: UInt8 in [0x01, 0x80, 0xFF] {
          var spoilt = file
          spoilt[place] ^= change
          _ = try complaint(about: spoilt, columns: columns)
        }
      }
    }
  }

  @Test("A pipe is read as a file is, and what follows its array is told of")
  func pipes() async throws {
    let folder = try TemporaryFolder()
    let array = NumPyFile.header(rows: 3, columns: 2) + Made.floats(Self.values)
    for (bytes, message) in [
      (array, nil),
      (Array(array.dropLast()), "ends after 2 of the 3 rows that its header announces"),
      (array + array, "goes on behind its array; one array is expected"),
    ] {
      let path = folder.path + "/pipe\(bytes.count)"
      try #require(mkfifo(path, 0o600) == 0)
      let source = try folder.file("bytes\(bytes.count)", bytes)
      let writer = try ChildProcess("/bin/sh", ["-c", "cat \"$0\" > \"$1\"", source, path])
      if let message {
        do {
          _ = try rows(path, columns: 2)
          Issue.record("\(message) was not told")
        } catch {
          #expect("\(error)" == "rows \(path): \(message)")
        }
      } else {
        #expect(try rows(path, columns: 2) == Self.expected)
      }
      _ = await writer.wait()
    }
  }
}
