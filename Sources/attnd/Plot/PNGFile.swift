import CZlib

/// Pictures of up to 256 colours as PNG (ISO/IEC 15948): a byte a pixel, no interlacing.
package enum PNGFile {
  /// The bytes of a file.
  ///
  /// - Parameters:
  ///   - raster: The pixels, each the index of its colour.
  ///   - palette: The colours, 1 to 256.
  /// - Returns: The whole file.
  package static func bytes(_ raster: Raster, palette: [Colour]) -> [UInt8] {
    precondition((1...256).contains(palette.count), "A byte chooses among 256 colours")
    var file: [UInt8] = [0x89] + Array("PNG\r\n".utf8) + [0x1A, 0x0A]
    // Eight bits a pixel, colour type 3 (palette); deflate, adaptive filters, no interlacing.
    append("IHDR", bigEndian(raster.width) + bigEndian(raster.height) + [8, 3, 0, 0, 0], to: &file)
    append("PLTE", palette.flatMap { [$0.red, $0.green, $0.blue] }, to: &file)
    append("IDAT", deflated(filtered(raster)), to: &file)
    append("IEND", [], to: &file)
    return file
  }

  /// The rows of pixels, each behind the number of its filter: 0, as it is, which indices compress
  /// best with.
  private static func filtered(_ raster: Raster) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity((raster.width + 1) * raster.height)
    for y in 0..<raster.height {
      bytes.append(0)
      bytes += raster.pixels[y * raster.width..<(y + 1) * raster.width]
    }
    return bytes
  }

  private static func deflated(_ bytes: [UInt8]) -> [UInt8] {
    let bound = compressBound(uLong(bytes.count))
    return [UInt8](unsafeUninitializedCapacity: Int(bound)) { buffer, count in
      var length = bound
      let status = compress2(
        buffer.baseAddress, &length, bytes, uLong(bytes.count), Z_DEFAULT_COMPRESSION)
      // The buffer is as large as zlib wants it; only a lack of memory is left to fail of.
      precondition(status == Z_OK, "zlib cannot compress \(bytes.count) bytes: \(status)")
      count = Int(length)
    }
  }

  /// A chunk: the length of its content, its type, the content, and a sum over both.
  private static func append(_ type: String, _ content: [UInt8], to file: inout [UInt8]) {
    let body = Array(type.utf8) + content
    file += bigEndian(content.count) + body
    file += bigEndian(Int(crc32(0, body, uInt(body.count))))
  }

  private static func bigEndian(_ number: Int) -> [UInt8] {
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).bigEndian) { Array($0) }
  }
}

/// Pixels in rows from the top, each the index of a colour.
package struct Raster: Sendable, Equatable {
  package let width: Int
  package let height: Int
  package private(set) var pixels: [UInt8]

  /// A picture of one colour.
  package init(width: Int, height: Int, filledWith colour: UInt8) {
    precondition(width > 0 && height > 0, "A picture has a pixel or more")
    self.width = width
    self.height = height
    pixels = [UInt8](repeating: colour, count: width * height)
  }

  package subscript(x: Int, y: Int) -> UInt8 {
    get { pixels[y * width + x] }
    set { pixels[y * width + x] = newValue }
  }

  /// Fills a rectangle; what of it lies outside is left out.
  mutating func fill(x: Int, y: Int, width: Int, height: Int, with colour: UInt8) {
    let columns = max(0, x)..<max(0, x, min(self.width, x + width))
    for y in max(0, y)..<max(0, y, min(self.height, y + height)) {
      for x in columns { pixels[y * self.width + x] = colour }
    }
  }
}
