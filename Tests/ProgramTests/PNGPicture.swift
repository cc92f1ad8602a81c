import CZlib
import Testing
import attnd

/// A picture as anybody reads it: chunks with their sums, zlib, filters.
struct PNGPicture {
  let width: Int
  let height: Int
  let palette: [Colour]
  let indices: [UInt8]

  subscript(x: Int, y: Int) -> Colour { palette[Int(indices[y * width + x])] }

  init(png bytes: [UInt8]) throws {
    try #require(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
    var chunks: [(type: String, content: [UInt8])] = []
    var rest = bytes[8...]
    func number() -> Int { rest.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
    while !rest.isEmpty {
      let length = number()
      rest = rest.dropFirst(4)
      try #require(rest.count >= length + 8)
      let body = Array(rest.prefix(4 + length))
      rest = rest.dropFirst(4 + length)
      #expect(number() == Int(crc32(0, body, uInt(body.count))), "sum of a chunk")
      rest = rest.dropFirst(4)
      chunks.append((String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4))))
    }
    try #require(chunks.map(\.type) == ["IHDR", "PLTE", "IDAT", "IEND"])
    let header = chunks[0].content
    width = header[0..<4].reduce(0) { $0 << 8 | Int($1) }
    height = header[4..<8].reduce(0) { $0 << 8 | Int($1) }
    #expect(Array(header[8...]) == [8, 3, 0, 0, 0])
    palette = stride(from: 0, to: chunks[1].content.count, by: 3).map {
      let colour = chunks[1].content[$0..<$0 + 3]
      return Colour(red: colour[$0], green: colour[$0 + 1], blue: colour[$0 + 2])
    }
    var pixels = [UInt8](repeating: 0, count: (width + 1) * height)
    var size = uLong(pixels.count)
    let status = uncompress(&pixels, &size, chunks[2].content, uLong(chunks[2].content.count))
    #expect(status == Z_OK && size == uLong(pixels.count))
    let line = width + 1
    indices = (0..<height).flatMap { pixels[$0 * line + 1..<($0 + 1) * line] }
    #expect((0..<height).allSatisfy { pixels[$0 * line] == 0 }, "rows are unfiltered")
    #expect(Int(indices.max() ?? 0) < palette.count)
  }
}

/// How light a colour looks, 0 to 255, nearly.
func lightness(_ colour: Colour) -> Double {
  0.3 * Double(colour.red) + 0.6 * Double(colour.green) + 0.1 * Double(colour.blue)
}
