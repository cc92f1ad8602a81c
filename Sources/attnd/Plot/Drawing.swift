import FoundationEssentials

/// A drawing of rectangles, pictures and lines of text, which becomes a PNG or an SVG file.
///
/// Whole pixels from the top left corner; later pieces cover earlier ones, texts all of them.
package struct Drawing: Sendable {
  /// Which of its points a text is placed by; always at half the height of a capital.
  package enum Anchor: String, Sendable {
    case start, middle, end
  }

  /// A line of text.
  package struct Text: Sendable {
    package let text: String
    package let x: Int
    package let y: Int
    package let anchor: Anchor
  }

  /// A filled rectangle.
  struct Rectangle: Sendable {
    let x: Int
    let y: Int
    let width: Int
    let height: Int
    let colour: UInt8
  }

  /// A picture, each of whose pixels covers `scaleX` x `scaleY`.
  package struct Picture: Sendable {
    package let x: Int
    package let y: Int
    package let scaleX: Int
    package let scaleY: Int
    package let raster: Raster
  }

  /// The map's colours, then those of paper, letters and lines.
  package enum Palette {
    package static let paper = UInt8(ColourMap.size)
    package static let ink = paper + 1
    package static let line = paper + 2

    package static let colours =
      ColourMap.colours + [
        Colour(red: 255, green: 255, blue: 255), Colour(red: 32, green: 32, blue: 36),
        Colour(red: 112, green: 112, blue: 118),
      ]
  }

  package let width: Int
  package let height: Int
  /// What it is called, for those who cannot see it.
  package let title: String
  package private(set) var pictures: [Picture] = []
  package private(set) var texts: [Text] = []
  private var rectangles: [Rectangle] = []

  init(width: Int, height: Int, title: String) {
    self.width = width
    self.height = height
    self.title = title
  }

  mutating func add(_ picture: Picture) { pictures.append(picture) }

  mutating func add(_ text: String, x: Int, y: Int, anchor: Anchor) {
    texts.append(Text(text: text, x: x, y: y, anchor: anchor))
  }

  /// A line of one pixel's width, or a filled rectangle.
  mutating func addRectangle(
    x: Int, y: Int, width: Int, height: Int, colour: UInt8 = Palette.line
  ) {
    rectangles.append(Rectangle(x: x, y: y, width: width, height: height, colour: colour))
  }

  /// The pixels that a text takes.
  static func width(of text: String) -> Int { text.count * PixelFont.advance - 1 }
}

extension Drawing {
  /// The drawing in pixels.
  package var raster: Raster {
    var raster = Raster(width: width, height: height, filledWith: Palette.paper)
    for each in rectangles {
      raster.fill(x: each.x, y: each.y, width: each.width, height: each.height, with: each.colour)
    }
    for picture in pictures { Self.draw(picture, on: &raster) }
    for text in texts { Self.draw(text, on: &raster) }
    return raster
  }

  /// The drawing as a PNG file.
  package var png: [UInt8] { PNGFile.bytes(raster, palette: Palette.colours) }

  private static func draw(_ picture: Picture, on raster: inout Raster) {
    for y in 0..<picture.raster.height {
      for x in 0..<picture.raster.width {
        raster.fill(
          x: picture.x + x * picture.scaleX, y: picture.y + y * picture.scaleY,
          width: picture.scaleX, height: picture.scaleY, with: picture.raster[x, y])
      }
    }
  }

  private static func draw(_ text: Text, on raster: inout Raster) {
    let width = width(of: text.text)
    let left =
      switch text.anchor {
      case .start: text.x
      case .middle: text.x - width / 2
      case .end: text.x - width
      }
    let top = text.y - PixelFont.capHeight / 2
    for (index, character) in text.text.enumerated() {
      for y in 0..<PixelFont.height {
        for x in 0..<PixelFont.advance where PixelFont.isInk(character, x: x, y: y) {
          raster.fill(
            x: left + index * PixelFont.advance + x, y: top + y, width: 1, height: 1,
            with: Palette.ink)
        }
      }
    }
  }
}

extension Drawing {
  /// The drawing as an SVG file: text as text, pictures as PNG within it.
  package var svg: [UInt8] {
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
        + "viewBox=\"0 0 \(width) \(height)\" font-family=\"sans-serif\" font-size=\"12\">",
      "<title>\(Self.escaped(title))</title>",
      "<rect width=\"\(width)\" height=\"\(height)\" fill=\"\(Self.hexadecimal(Palette.paper))\"/>",
    ]
    lines += rectangles.map { each in
      "<rect x=\"\(each.x)\" y=\"\(each.y)\" width=\"\(each.width)\" height=\"\(each.height)\" "
        + "fill=\"\(Self.hexadecimal(each.colour))\" shape-rendering=\"crispEdges\"/>"
    }
    lines += pictures.map { picture in
      let png = Data(PNGFile.bytes(picture.raster, palette: Palette.colours))
      return "<image x=\"\(picture.x)\" y=\"\(picture.y)\" "
        + "width=\"\(picture.raster.width * picture.scaleX)\" "
        + "height=\"\(picture.raster.height * picture.scaleY)\" preserveAspectRatio=\"none\" "
        + "style=\"image-rendering:pixelated\" "
        + "href=\"data:image/png;base64,\(png.base64EncodedString())\"/>"
    }
    lines += texts.map { text in
      // Letters stand on y: half a capital of nine pixels below the middle.
      "<text x=\"\(text.x)\" y=\"\(text.y + 4)\" text-anchor=\"\(text.anchor.rawValue)\" "
        + "fill=\"\(Self.hexadecimal(Palette.ink))\">\(Self.escaped(text.text))</text>"
    }
    return Array((lines.joined(separator: "\n") + "\n</svg>\n").utf8)
  }

  /// What XML 1.0 takes as text; what it forbids becomes the replacement character.
  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\0"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }

  private static func hexadecimal(_ index: UInt8) -> String {
    let colour = Palette.colours[Int(index)]
    return [colour.red, colour.green, colour.blue].reduce("#") { text, part in
      text + (part < 16 ? "0" : "") + String(part, radix: 16)
    }
  }
}
