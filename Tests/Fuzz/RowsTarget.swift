import Glibc
import JSONText

// A fuzz target: bytes -> rows of a .npy or .safetensors file, or a line that says what is wrong.
//
// The first byte of an input says how many elements a row should have, the second whether a tensor
// is named; the file follows.

/// A file without a name, whose content is each input in turn.
private let file: CInt = {
  var template = Array("/tmp/attnd-fuzz-XXXXXX".utf8CString)
  let file = mkstemp(&template)
  precondition(file >= 0 && unlink(template) == 0, "No temporary file can be made")
  return file
}()

/// One execution: reads the rows of a file.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
  guard size >= 2, ftruncate(file, 0) == 0, pwrite(file, data + 2, size - 2, 0) == size - 2 else {
    return 0
  }
  let columns = max(1, Int(data[0]))
  do {
    let rows = try RowFile(
      "/proc/self/fd/\(file)", columns: columns, tensor: data[1] & 1 == 0 ? nil : "x")
    var sum: Float = 0
    while try rows.read(
      7,
      { row in
        precondition(row.count == columns)
        sum += row[0]
      })
    {}
  } catch {
    let line = "\(error)"
    precondition(line.utf8.count < 4_096, "A line of \(line.utf8.count) bytes")
    let isOneLine = line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    precondition(isOneLine, "A line with control characters")
  }
  return 0
}

/// Called once, before the first execution.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _: UnsafeMutablePointer<CInt>,
  _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
  writeSeeds(seeds)
  return 0
}

/// Arrays of both element types and byte orders, of both versions of NumPy's format, and tensors.
private func seeds() -> [[UInt8]] {
  var seeds: [[UInt8]] = [[3, 0] + NumPyFile.header(rows: 2, columns: 3) + zeros(24)]
  for type in ["<f4", ">f4", "<f8", ">f8"] {
    for version: UInt8 in [1, 2] {
      let header = Array("{'descr': '\(type)', 'fortran_order': False, 'shape': (2, 3), }\n".utf8)
      let length: [UInt8] = [UInt8(header.count), 0] + (version == 1 ? [] : [0, 0])
      seeds.append([3, 0] + NumPyFile.magic + [version, 0] + length + header + zeros(48))
    }
  }
  for (name, named) in [("x", UInt8(0)), ("x", 1)] {
    let header = Array(
      #"{"\#(name)":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"__metadata__":{}}"#.utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    seeds.append([3, named] + length + header + zeros(24))
  }
  return seeds
}

private func zeros(_ count: Int) -> [UInt8] { Array(repeating: 0, count: count) }
