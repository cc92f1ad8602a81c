/// Arrays of float32 in NumPy's format 1.0 (NumPy Enhancement Proposal 1): rows, C order, the
/// machine's order of bytes.
package enum NumPyFile {
  /// Bytes before the first number, whatever the array's size: it can be written before the size is
  /// known, and then again.
  package static let headerSize = 128

  /// The bytes before the first number.
  ///
  /// - Parameters:
  ///   - rows: Rows of the array, 0 or more.
  ///   - columns: Numbers of a row.
  /// - Returns: `headerSize` bytes: two blocks of 64, as NumPy aligns its arrays.
  package static func header(rows: Int, columns: Int) -> [UInt8] {
    let order = 1.littleEndian == 1 ? "<" : ">"
    let text = "{'descr': '\(order)f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    // Magic, version and length are ten bytes; the last of all is a newline.
    let length = headerSize - 10
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length), 0] + Array(text.utf8)
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: headerSize - 1 - bytes.count)
    return bytes + [UInt8(ascii: "\n")]
  }
}
