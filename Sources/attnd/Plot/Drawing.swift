import FoundationEssentials

/// A drawing of rectangles, pictures, curves and lines of text, which becomes a PNG or an SVG file.
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
  package struct Rectangle: Sendable {
    package let x: Int
    package let y: Int
    package let width: Int
    package let height: Int
    package let colour: UInt8
  }

  /// A picture, each of whose pixels covers `scaleX` x `scaleY`.
  package struct Picture: Sendable {
    package let x: Int
    package let y: Int
    package let scaleX: Int
    package let scaleY: Int
    package let raster: Raster
  }

  /// A value that holds for a column of pixels, then the next: a line, or all that lies below it.
  package struct Curve: Sendable {
    /// How it is drawn.
    package enum Style: Sendable { case line, area }

    package let x: Int
    /// What height 0 stands on.
    package let baseline: Int
    package let columnWidth: Int
    /// Pixels above the baseline; nil where there is no value.
    package let heights: [Int?]
    package let style: Style
    package let colour: UInt8
  }

  /// What is drawn, but for the texts.
  private enum Piece: Sendable {
    case rectangle(Rectangle)
    case picture(Picture)
    case curve(Curve)
  }

  /// The map's colours, then those of everything else.
  package enum Palette {
    package static let paper = UInt8(ColourMap.size)
    package static let ink = paper + 1
    package static let line = paper + 2
    /// Fills what is beside the point.
    package static let pale = paper + 3
    /// What was found: a blue that the map has not, told from its reds and yellows by everybody.
    package static let found = paper + 4
    /// The same as a background.
    package static let foundPale = paper + 5

    package static let colours =
      ColourMap.colours + [
        Colour(red: 255, green: 255, blue: 255), Colour(red: 32, green: 32, blue: 36),
        Colour(red: 112, green: 112, blue: 118), Colour(red: 200, green: 202, blue: 208),
        Colour(red: 40, green: 150, blue: 225), Colour(red: 205, green: 230, blue: 248),
      ]
  }

  package let width: Int
  package var height: Int
  /// What it is called, for those who cannot see it.
  package let title: String
  package private(set) var texts: [Text] = []
  private var pieces: [Piece] = []

  init(width: Int, height: Int, title: String) {
    self.width = width
    self.height = height
    self.title = title
  }

  package var pictures: [Picture] {
    pieces.compactMap { if case .picture(let picture) = $0 { picture } else { nil } }
  }

  package var rectangles: [Rectangle] {
    pieces.compactMap { if case .rectangle(let each) = $0 { each } else { nil } }
  }

  package var curves: [Curve] {
    pieces.compactMap { if case .curve(let curve) = $0 { curve } else { nil } }
  }

  mutating func add(_ picture: Picture) { pieces.append(.picture(picture)) }

  mutating func add(_ curve: Curve) { pieces.append(.curve(curve)) }

  mutating func add(_ text: String, x: Int, y: Int, anchor: Anchor) {
    guard !text.isEmpty else { return }
    texts.append(Text(text: text, x: x, y: y, anchor: anchor))
  }

  /// A line of one pixel's width, or a filled rectangle.
  mutating func addRectangle(
    x: Int, y: Int, width: Int, height: Int, colour: UInt8 = Palette.line
  ) {
    pieces.append(
      .rectangle(Rectangle(x: x, y: y, width: width, height: height, colour: colour)))
  }

  /// The pixels that a text takes.
  static func width(of text: String) -> Int { text.count * PixelFont.advance - 1 }
}

extension Drawing {
  /// The drawing in pixels.
  package var raster: Raster {
    var raster = Raster(width: width, height: height, filledWith: Palette.paper)
    for piece in pieces {
      switch piece {
      case .rectangle(let each):
        raster.fill(x: each.x, y: each.y, width: each.width, height: each.height, with: each.colour)
      case .picture(let picture): Self.draw(picture, on: &raster)
      case .curve(let curve): Self.draw(curve, on: &raster)
      }
    }
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

  private static func draw(_ curve: Curve, on raster: inout Raster) {
    var before: Int?
    for (column, height) in curve.heights.enumerated() {
      defer { before = height }
      guard let height else { continue }
      let x = curve.x + column * curve.columnWidth
      switch curve.style {
      case .area:
        raster.fill(
          x: x, y: curve.baseline - height, width: curve.columnWidth, height: height,
          with: curve.colour)
      case .line:
        raster.fill(
          x: x, y: curve.baseline - height, width: curve.columnWidth, height: 1, with: curve.colour)
        let (low, high) = (min(before ?? height, height), max(before ?? height, height))
        raster.fill(
          x: x, y: curve.baseline - high, width: 1, height: high - low + 1, with: curve.colour)
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
    lines += pieces.map { piece in
      switch piece {
      case .rectangle(let rectangle): Self.element(rectangle)
      case .picture(let picture): Self.element(picture)
      case .curve(let curve): Self.element(curve)
      }
    }
    lines += texts.map { text in
      // Letters stand on y: half a capital of nine pixels below the middle.
      "<text x=\"\(text.x)\" y=\"\(text.y + 4)\" text-anchor=\"\(text.anchor.rawValue)\" "
        + "fill=\"\(Self.hexadecimal(Palette.ink))\">\(Self.escaped(text.text))</text>"
    }
    return Array((lines.joined(separator: "\n") + "\n</svg>\n").utf8)
  }

  private static func element(_ each: Rectangle) -> String {
    "<rect x=\"\(each.x)\" y=\"\(each.y)\" width=\"\(each.width)\" height=\"\(each.height)\" "
      + "fill=\"\(hexadecimal(each.colour))\" shape-rendering=\"crispEdges\"/>"
  }

  private static func element(_ picture: Picture) -> String {
    let png = Data(PNGFile.bytes(picture.raster, palette: Palette.colours))
    return "<image x=\"\(picture.x)\" y=\"\(picture.y)\" "
      + "width=\"\(picture.raster.width * picture.scaleX)\" "
      + "height=\"\(picture.raster.height * picture.scaleY)\" preserveAspectRatio=\"none\" "
      + "style=\"image-rendering:pixelated\" "
      + "href=\"data:image/png;base64,\(png.base64EncodedString())\"/>"
  }

  private static func element(_ curve: Curve) -> String {
    let path = path(of: curve)
    let colour = hexadecimal(curve.colour)
    switch curve.style {
    case .area:
      return "<path d=\"\(path)\" fill=\"\(colour)\" shape-rendering=\"crispEdges\"/>"
    case .line:
      // Half a pixel down, to the middle of the pixels that it covers.
      return "<path d=\"\(path)\" transform=\"translate(0 0.5)\" fill=\"none\" "
        + "stroke=\"\(colour)\"/>"
    }
  }

  /// Right over a column, up or down to the next: runs of one height are one step.
  private static func path(of curve: Curve) -> String {
    var path = ""
    var start = 0
    while start < curve.heights.count {
      let height = curve.heights[start]
      let end = curve.heights[start...].firstIndex { $0 != height } ?? curve.heights.count
      if let height {
        let isFirst = start == 0 || curve.heights[start - 1] == nil
        let isLast = end == curve.heights.count || curve.heights[end] == nil
        if isFirst {
          let foot = curve.style == .area ? curve.baseline : curve.baseline - height
          path += "M\(curve.x + start * curve.columnWidth) \(foot)"
        }
        path += "V\(curve.baseline - height)H\(curve.x + end * curve.columnWidth)"
        if isLast, curve.style == .area { path += "V\(curve.baseline)Z" }
      }
      start = end
    }
    return path
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
