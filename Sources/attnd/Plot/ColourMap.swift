import Glibc

/// A colour as screens take it (IEC 61966-2-1, sRGB).
package struct Colour: Sendable, Equatable {
  package let red: UInt8
  package let green: UInt8
  package let blue: UInt8

  /// A colour of three lights.
  package init(red: UInt8, green: UInt8, blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }
}

/// From dark blue over red to pale yellow: equal steps of a value look equally large.
///
/// A path through Oklab (B. Ottosson: A perceptual color space for image processing, 2020): the
/// lightness rises from 0.22 to 0.97, so that the order of values survives in grey; the hue turns
/// from 265 to 465 degrees; the chroma is 0.04 + 0.135 sin(pi t)^0.8, within sRGB all the
/// way. The entries divide the path into pieces of one length, and length in Oklab is difference as
/// seen.
package enum ColourMap {
  /// Colours of the map, the darkest first.
  package static let size = 240

  /// The colours.
  package static let colours: [Colour] = {
    // Fine enough that chords are as long as arcs: 1e-4 of a step.
    let path = (0...4_096).map { point(Double($0) / 4_096) }
    var lengths = [0.0]
    for (a, b) in zip(path, path.dropFirst()) {
      lengths.append(lengths[lengths.count - 1] + a.distance(to: b))
    }
    let whole = lengths[lengths.count - 1]
    var place = 0
    return (0..<size).map { entry in
      let length = whole * Double(entry) / Double(size - 1)
      while place < path.count - 1, lengths[place] < length { place += 1 }
      return path[place].colour
    }
  }()

  /// The point of the path at t, 0 to 1.
  package static func point(_ t: Double) -> Oklab {
    let hue = (265 + 200 * t) * Double.pi / 180
    let chroma = 0.04 + 0.135 * pow(max(0, sin(Double.pi * t)), 0.8)
    return Oklab(lightness: 0.22 + 0.75 * t, a: chroma * cos(hue), b: chroma * sin(hue))
  }
}

/// A colour as eyes take it.
package struct Oklab {
  package let lightness: Double
  package let a: Double
  package let b: Double

  /// How different two colours look.
  func distance(to other: Oklab) -> Double {
    let (l, a, b) = (other.lightness - lightness, other.a - a, other.b - b)
    return (l * l + a * a + b * b).squareRoot()
  }

  /// Red, green and blue light, 0 to 1 each for a colour that screens can show.
  package var light: (red: Double, green: Double, blue: Double) {
    let long = cube(lightness + 0.3963377774 * a + 0.2158037573 * b)
    let medium = cube(lightness - 0.1055613458 * a - 0.0638541728 * b)
    let short = cube(lightness - 0.0894841775 * a - 1.2914855480 * b)
    return (
      4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
      -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
      -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    )
  }

  /// The colour, each of its lights encoded in eight bits.
  package var colour: Colour {
    let (red, green, blue) = light
    return Colour(red: encode(red), green: encode(green), blue: encode(blue))
  }

  private func cube(_ x: Double) -> Double { x * x * x }

  private func encode(_ light: Double) -> UInt8 {
    let light = min(max(light, 0), 1)
    let value = light <= 0.003_130_8 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
    return UInt8((value * 255).rounded())
  }
}
