import FeatureExtraction
import FoundationEssentials
import Glibc
import TestSupport
import Testing
import attnd

private func pooled(_ frontEnd: FrontEnd, rows: Int, _ row: (Int) -> [Float]) -> PooledRows {
  var pool = FeaturePlot.pool(for: frontEnd)
  for index in 0..<rows {
    let row = row(index)
    pool.add(row.span)
  }
  return pool
}

private func drawing(
  _ frontEnd: FrontEnd, rows: Int, title: String = "x.wav", _ row: (Int) -> [Float]
) -> Drawing {
  FeaturePlot(title: title, frontEnd: frontEnd, rows: pooled(frontEnd, rows: rows, row)).drawing
}

@Suite("Plots")
struct PlotTests {
  @Test("Silence is dark and a tone is bright, at its frequency and its time")
  func tone() async throws {
    // A second of silence, a second of 2 kHz.
    let samples = (0..<32_000).map { sample -> Float in
      // The angle of sample n of 2 kHz at 16 kHz is n quarters of pi.
      sample < 16_000 ? 0 : [0, 0.7, 1, 0.7, 0, -0.7, -1, -0.7][sample % 8] * 0.5
    }
    let folder = try TemporaryFolder()
    let sound = try folder.file("tone.wav", waveFile(samples))
    let path = folder.path + "/tone.png"
    let outcome = try await ChildProcess(
      attnd, ["features", "--front-end", "kaldi-logmel", "--plot", path, sound]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    let picture = try PNGPicture(png: fileBytes(path))

    // The same layout, asked where it put the picture and the mark of 2000 Hz.
    let frontEnd = FrontEnd.kaldiLogMel()
    let count = frontEnd.rows(inSamples: samples.count)
    let layout = drawing(frontEnd, rows: count) { _ in [Float](repeating: 0, count: 40) }
    #expect(picture.width == layout.width && picture.height == layout.height)
    let place = try #require(layout.pictures.first)
    let mark = try #require(layout.texts.first { $0.text == "2000" })
    func pixel(_ second: Double, _ y: Int) -> Double {
      let row = Int(second * 100)
      return lightness(picture[place.x + row * place.scaleX, y])
    }
    #expect(pixel(0.5, mark.y) < 60)
    #expect(pixel(1.5, mark.y) > 190)
    let far = place.y + place.raster.height * place.scaleY - 10
    #expect(pixel(1.5, far) < pixel(1.5, mark.y) - 60, "no tone at the lowest frequency")
  }

  @Test("A mel axis has round frequencies where the filters of these frequencies are")
  func marks() {
    for scale in [FrontEnd.MelScale.htk, .slaney] {
      for bins in [13, 40, 80, 128] {
        var frontEnd = FrontEnd.librosaLogMel(bins: bins)
        frontEnd.melScale = scale
        frontEnd.fftSize = 4_096
        let axis = FrequencyAxis(frontEnd)
        let triangles = MelTriangles(frontEnd)
        let ticks = axis.ticks(pixels: 320, distance: 18)
        #expect(ticks.map(\.label).contains("1000"))
        #expect(ticks.map(\.label).contains("4000"))
        for tick in ticks {
          let bin = Int((tick.value / 16_000 * 4_096).rounded())
          // The filter that weighs it most, in units of its own peak.
          let weights = triangles.filters.map { filter -> Float in
            let place = bin - filter.firstBin
            guard filter.weights.indices.contains(place) else { return 0 }
            return filter.weights[place] / (filter.weights.max() ?? 1)
          }
          guard let most = weights.max(), most > 0.5, let nearest = weights.firstIndex(of: most)
          else { continue }
          let position = axis.position(of: tick.value)
          #expect(abs(position - 0.5 - Double(nearest)) < 0.55, "\(scale) \(bins) \(tick)")
        }
      }
    }
  }

  @Test("The axis of a power spectrum has each bin's frequency at its middle")
  func linearAxis() {
    let axis = FrequencyAxis(.powerSpectrum)
    #expect(axis.position(of: 0) == 0.5)
    #expect(axis.position(of: 1_000) == 32.5)
    #expect(axis.position(of: 8_000) == 256.5)
    #expect(axis.ticks(pixels: 514, distance: 18).first?.label == "0")
  }

  @Test("Marks lie in their range, ascending, apart, and say what they are", .seed(11))
  func ticks() throws {
    var random = SplitMix64()
    for _ in 0..<2_000 {
      let magnitude = Double.random(in: -8...12, using: &random)
      let width = Glibc.pow(10, magnitude)
      let lower = Double.random(in: -20...20, using: &random) * width
      let most = Int.random(in: 1...40, using: &random)
      let range = lower...lower + width
      let ticks = Ticks.decimal(in: range, atMost: most)
      #expect(ticks.count <= most)
      #expect(most < 5 || ticks.count >= 2, "\(range) \(most)")
      #expect(ticks.allSatisfy { range.contains($0.value) })
      for (a, b) in zip(ticks, ticks.dropFirst()) { #expect(a.value < b.value) }
      for tick in ticks {
        let said = try #require(Double(tick.label))
        #expect(abs(said - tick.value) <= width * 1e-6, "\(tick)")
      }
      #expect(Set(ticks.map(\.label)).count == ticks.count)
    }
  }

  @Test("Ranges without a width have no marks", arguments: [0, 1, -1e30, .leastNonzeroMagnitude])
  func noWidth(value: Double) {
    #expect(Ticks.decimal(in: value...value, atMost: 10).isEmpty)
  }

  @Test("Marks read as people write them")
  func labels() {
    #expect(
      Ticks.decimal(in: 0...1, atMost: 6).map(\.label) == ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    #expect(
      Ticks.decimal(in: -60...20, atMost: 5).map(\.label) == ["-60", "-40", "-20", "0", "20"])
    #expect(Ticks.decimal(in: 0.013...0.017, atMost: 5).map(\.label).first == "0.013")
    #expect(
      Ticks.clock(in: 0...120, atMost: 5).map(\.label) == ["0:00", "0:30", "1:00", "1:30", "2:00"])
    #expect(
      Ticks.clock(in: 0...7_300, atMost: 5).map(\.label)
        == ["0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00"])
  }

  @Test("A clock's marks are as many as there is room for, however long the recording", .seed(12))
  func clock() {
    var random = SplitMix64()
    for _ in 0..<1_000 {
      let end = Glibc.pow(10, Double.random(in: 2...9, using: &random))
      let most = Int.random(in: 2...16, using: &random)
      let ticks = Ticks.clock(in: 0.0075...end, atMost: most)
      #expect((1...most).contains(ticks.count), "\(end) \(most)")
      #expect(ticks.allSatisfy { (0.0075...end).contains($0.value) })
    }
  }

  @Test(
    "Rows are pooled to their means in bounded memory", .seed(13),
    arguments: [1, 1_600, 1_601, 9_999])
  func pooling(count: Int) {
    var random = SplitMix64()
    var pool = PooledRows(parts: 2, partLength: 3)
    var rows: [[Float]] = []
    for _ in 0..<count {
      let row = random.floats(6)
      rows.append(row)
      pool.add(row.span)
    }
    #expect(pool.columns <= PooledRows.largestWidth)
    #expect(pool.columns == (count + pool.rowsPerColumn - 1) / pool.rowsPerColumn)
    #expect(count < 1_601 ? pool.rowsPerColumn == 1 : pool.columns >= PooledRows.largestWidth / 2)
    for part in 0..<2 {
      let means = pool.means(ofPart: part)
      for column in 0..<pool.columns {
        let first = column * pool.rowsPerColumn
        let members = rows[first..<min(count, first + pool.rowsPerColumn)]
        for element in 0..<3 {
          let mean = members.reduce(0) { $0 + $1[part * 3 + element] } / Float(members.count)
          #expect(abs(means[column * 3 + element] - mean) < 1e-5)
        }
      }
    }
  }

  @Test("More elements than pixels are pooled, too")
  func pooledElements() {
    var pool = PooledRows(parts: 1, partLength: 8_193)
    let row = (0..<8_193).map(Float.init)
    pool.add(row.span)
    #expect(pool.cells <= PooledRows.largestHeight)
    let means = pool.means(ofPart: 0)
    #expect(means[0] == Float(pool.elementsPerCell - 1) / 2)
    // The last cell is that of the last elements alone.
    let last = 8_193 - (pool.cells - 1) * pool.elementsPerCell
    #expect(means[pool.cells - 1] == 8_192 - Float(last - 1) / 2)
  }

  @Test(
    "Whatever the numbers, there is a picture of the same form",
    arguments: [
      0, 1, -15.942385, .nan, .infinity, -.infinity, .greatestFiniteMagnitude,
      .leastNonzeroMagnitude,
    ] as [Float])
  func anything(value: Float) throws {
    for frontEnd in [FrontEnd.kaldiLogMel(), .librosaLogMel(), .kaldiMFCC, .pcen, .powerSpectrum] {
      for rows in [1, 2, 2_000] {
        let length = frontEnd.rowLength
        let drawing = drawing(frontEnd, rows: rows) { row in
          (0..<length).map { rows > 2 && row.isMultiple(of: 3) ? Float($0) : value }
        }
        let picture = try PNGPicture(png: drawing.png)
        #expect(picture.width == drawing.width && picture.height == drawing.height)
        #expect((640...1_900).contains(picture.width))
        #expect((320...900).contains(picture.height))
      }
    }
  }

  @Test("Labels lie within the drawing and do not cover each other")
  func room() {
    for (frontEnd, rows) in [
      (FrontEnd.kaldiLogMel(), 1), (.kaldiLogMel(bins: 128), 300), (.kaldiMFCC, 5_000),
      (.powerSpectrum, 400_000), (.librosaMFCC, 12_345),
    ] {
      for orders in 0...2 {
        var frontEnd = frontEnd
        frontEnd.deltas = orders
        let length = frontEnd.rowLength
        var row = (0..<length).map { Float($0) * 0.37 }
        let drawing = drawing(frontEnd, rows: rows, title: String(repeating: "long", count: 100)) {
          row[$0 % length] += 0.01
          return row
        }
        let boxes = drawing.texts.map { text in
          let width = text.text.count * PixelFont.advance
          let left = [Drawing.Anchor.start: 0, .middle: width / 2, .end: width][text.anchor] ?? 0
          return (x: text.x - left, y: text.y - 5, width: width, height: 10, text: text.text)
        }
        for (index, box) in boxes.enumerated() {
          #expect(box.x >= 0 && box.x + box.width <= drawing.width + 1, "\(box)")
          #expect(box.y >= 0 && box.y + 12 <= drawing.height, "\(box)")
          for other in boxes[..<index] {
            let apart =
              box.x >= other.x + other.width || other.x >= box.x + box.width
              || box.y >= other.y + other.height || other.y >= box.y + box.height
            #expect(apart, "\(box) covers \(other)")
          }
        }
      }
    }
  }

  @Test("Colours lie within what screens show, equally far apart, from dark to light")
  func colourMap() {
    let colours = ColourMap.colours
    #expect(colours.count == ColourMap.size)
    let light = colours.map(lightness)
    for (a, b) in zip(light, light.dropFirst()) { #expect(b > a - 1.5) }
    #expect(light[0] < 40 && light[ColourMap.size - 1] > 235)
    #expect(Set(colours.map { "\($0)" }).count > 230)
    for t in 0...100 {
      let point = ColourMap.point(Double(t) / 100).light
      for part in [point.red, point.green, point.blue] {
        #expect((-1e-9...1 + 1e-9).contains(part))
      }
    }
  }

  @Test("Every printable character has a drawing of its own; others are the same box")
  func font() {
    func drawing(_ character: Character) -> [Bool] {
      (0..<PixelFont.height).flatMap { y in
        (0..<PixelFont.advance).map { x in PixelFont.isInk(character, x: x, y: y) }
      }
    }
    let characters = (32..<127).map { Character(UnicodeScalar($0)) }
    #expect(Set(characters.map(drawing)).count == characters.count)
    #expect(drawing(" ").allSatisfy { !$0 })
    for character in "é本\u{1}\u{7F}👍" { #expect(drawing(character) == drawing("\u{7F}")) }
  }

  @Test("An SVG file holds its texts as text, escaped, and the pictures as PNG")
  func svg() throws {
    let drawing = drawing(.kaldiLogMel(), rows: 50, title: "a<b> & \u{1}ü.wav") { row in
      (0..<40).map { Float($0 + row) }
    }
    let text = String(decoding: drawing.svg, as: UTF8.self)
    #expect(text.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(drawing.width)\""))
    #expect(text.hasSuffix("</svg>\n"))
    #expect(text.contains("<title>a&lt;b&gt; &amp; \u{FFFD}ü.wav</title>"))
    #expect(text.contains(">1000</text>") && text.contains(">ln energy</text>"))
    let parts = text.split(separator: "base64,").dropFirst()
    #expect(parts.count == 2)
    for (part, picture) in zip(parts, drawing.pictures) {
      let png = try #require(Data(base64Encoded: String(part.prefix { $0 != "\"" })))
      let decoded = try PNGPicture(png: Array(png))
      #expect(decoded.indices == picture.raster.pixels)
    }
  }

  @Test("Several recordings have a picture each in a folder, of the format that is asked for")
  func folder() async throws {
    let folder = try TemporaryFolder()
    let files = ["noise", "keywords"].map { fixture("\($0).flac") }
    let path = folder.path + "/pictures"
    let png = try await ChildProcess(attnd, ["features", "--plot", path] + files).wait()
    let svg = try await ChildProcess(
      attnd, ["features", "--plot", path, "--plot-format", "svg", "--out", path] + files
    ).wait()
    #expect(png.status == 0 && svg.status == 0, "\(png.errors)\(svg.errors)")
    let made = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    #expect(
      made == [
        "keywords.npy", "keywords.png", "keywords.svg", "noise.npy", "noise.png", "noise.svg",
      ])
    _ = try PNGPicture(png: fileBytes(path + "/noise.png"))

    let one = try await ChildProcess(
      attnd, ["features", "--plot", folder.path + "/one.png"] + files
    ).wait()
    #expect(one.status == 64)
    #expect(one.errors.contains("is one picture for several recordings; name a folder"))
  }

  @Test("A picture goes to standard output")
  func standardOutput() async throws {
    let folder = try TemporaryFolder()
    let stream = folder.path + "/stream"
    let outcome = try await ChildProcess(
      "/bin/sh",
      ["-c", "\"$0\" features --plot - \"$1\" > \"$STREAM\"", attnd, fixture("noise.flac")],
      environment: ["STREAM": stream]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    _ = try PNGPicture(png: fileBytes(stream))
  }
}
