/// Arrays of float32 in NumPy's format 1.0 (NumPy Enhancement Proposal 1): rows, C order, little
/// endian.
package enum NumPyFile {
  /// The bytes of a file with an array of `rows.count / columns` rows.
  package static func bytes(_ values: [Float], columns: Int) -> [UInt8] {
    let rows = columns > 0 ? values.count / columns : 0
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    // Magic, version, length and header fill whole blocks of 64 bytes, the last a newline.
    let padding = 63 - (10 + header.utf8.count) % 64
    header += String(repeating: " ", count: padding) + "\n"
    let length = UInt16(header.utf8.count)

    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes += [UInt8(length & 0xFF), UInt8(length >> 8)] + Array(header.utf8)
    bytes.reserveCapacity(bytes.count + 4 * values.count)
    for value in values {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return bytes
  }
}
