import FeatureExtraction
import FoundationEssentials
import Glibc
import TestSupport
import Testing
import attnd

/// A sequence as a test wants it: rows of noise, steps at their positions, words now and then.
private struct Sequence: Sendable {
  var rows = 300
  var keywords = 3
  var heads = AttentionRecord.Heads.keyword
  var window = 50
  var rowsPerStep = 3
  var frontEnd: FrontEnd? = .kaldiLogMel()
  /// Rows a second of what is no sound.
  var perSecond = 10
  /// Rows from one word to the next; the first ends there.
  var wordEvery = 100
  var names: @Sendable (Int) -> String = { "keyword_\($0)" }
  var posterior: @Sendable (_ step: Int, _ keyword: Int) -> Float = { step, keyword in
    Float((step * 7 + keyword * 3) % 23) / 22
  }
  var weight: @Sendable (_ step: Int, _ head: Int, _ age: Int, _ span: Int) -> Float = {
    1 / Float($3 + $1)
  }

  /// The record of it.
  func record() -> AttentionRecord {
    let kind: AttentionRecord.Rows =
      frontEnd.map { .sound($0) } ?? .values(length: 7, perSecond: perSecond)
    var record = AttentionRecord(
      kind,
      keywords: (0..<keywords).map {
        AttentionRecord.Keyword(name: names($0), threshold: 0.5 + Float($0) / 200)
      },
      heads: heads, window: window, rowsPerStep: rowsPerStep)
    let hop = record.clock.hop
    let end = frontEnd?.endPosition(ofRow: 0) ?? 1
    var random = SplitMix64(seed: 5)
    let row = random.floats(frontEnd?.rowLength ?? 7)
    var step = 0
    for index in 0..<rows {
      record.add(row: row.span)
      guard (index + 1).isMultiple(of: rowsPerStep) else { continue }
      take(step, at: index * hop + end, &record)
      step += 1
    }
    return record
  }

  private func take(_ step: Int, at position: Int, _ record: inout AttentionRecord) {
    let span = min(step + 1, window)
    record.begin(stepAt: position, span: span)
    for keyword in 0..<keywords {
      let posterior = posterior(step, keyword)
      record.add(posterior: posterior, smoothed: posterior / 2, of: keyword)
    }
    for head in 0..<record.weights.series {
      let weights = (0..<span).map { weight(step, head, span - 1 - $0, span) }
      record.add(weights: weights.span, of: head)
    }
    let every = max(1, wordEvery / rowsPerStep)
    guard step > 0, step.isMultiple(of: every) else { return }
    record.add(
      AttentionRecord.Mark(
        keyword: step / every % keywords, score: 0.75,
        start: max(0, position - record.stepPositions * 20),
        end: position - record.stepPositions * 2, position: position))
  }
}

/// A box that something takes.
private struct Box {
  let x: Int
  let y: Int
  let width: Int
  let height: Int

  init(_ text: Drawing.Text) {
    width = text.text.count * PixelFont.advance
    height = 10
    y = text.y - 5
    x = text.x - ([Drawing.Anchor.start: 0, .middle: width / 2, .end: width][text.anchor] ?? 0)
  }

  init(_ each: Drawing.Rectangle) {
    (x, y, width, height) = (each.x, each.y, each.width, each.height)
  }

  init(_ each: Drawing.Picture) {
    (x, y) = (each.x, each.y)
    (width, height) = (each.raster.width * each.scaleX, each.raster.height * each.scaleY)
  }

  func covers(_ other: Box) -> Bool {
    x < other.x + other.width && other.x < x + width && y < other.y + other.height
      && other.y < y + height
  }

  func isWithin(_ drawing: Drawing) -> Bool {
    x >= 0 && x + width <= drawing.width + 1 && y >= 0 && y + height <= drawing.height
      && width >= 0 && height >= 0
  }
}

/// Sequences that differ in every way that a picture must cope with.
private let sequences: [(name: String, sequence: Sequence)] = [
  ("a row", Sequence(rows: 1)),
  ("a step", Sequence(rows: 3)),
  ("a second of one keyword", Sequence(rows: 98, keywords: 1, heads: .shared(1))),
  ("four heads", Sequence(keywords: 2, heads: .shared(4))),
  ("sixty-four heads", Sequence(keywords: 2, heads: .shared(64))),
  ("twenty keywords", Sequence(rows: 3_000, keywords: 20, wordEvery: 80)),
  (
    "sixty-four keywords of long names",
    Sequence(
      rows: 2_000, keywords: 64, wordEvery: 600,
      names: { "\(String(repeating: "long_", count: 60))\($0)" })
  ),
  ("an hour", Sequence(rows: 360_000, keywords: 2, window: 20, wordEvery: 30_000)),
  ("an hour of words", Sequence(rows: 360_000, keywords: 2, window: 20, wordEvery: 130)),
  ("words upon words", Sequence(wordEvery: 3)),
  ("a long window", Sequence(rows: 900, keywords: 1, window: 1_000_000, rowsPerStep: 1)),
  ("a window of a step", Sequence(window: 1)),
  ("cepstra", Sequence(frontEnd: .kaldiMFCC)),
  ("centred frames", Sequence(frontEnd: .librosaLogMel())),
  ("a spectrum", Sequence(rows: 2_000, frontEnd: .powerSpectrum)),
  ("rows", Sequence(rows: 60, keywords: 1, heads: .shared(2), frontEnd: nil)),
  ("tokens", Sequence(rows: 12, rowsPerStep: 1, frontEnd: nil, perSecond: 1, wordEvery: 4)),
  ("fast rows", Sequence(rows: 50_000, frontEnd: nil, perSecond: 384_000, wordEvery: 9_000)),
]

@Suite("Plots of attention")
struct AttentionPlotTests {
  private func drawing(_ record: AttentionRecord, title: String = "x.wav") -> Drawing {
    AttentionPlot(title: title, record: record).drawing
  }

  @Test(
    "Everything lies within the drawing, and no text covers another", arguments: sequences.indices)
  func room(index: Int) throws {
    let (name, sequence) = sequences[index]
    let drawing = drawing(
      sequence.record(), title: String(repeating: "a title ", count: 60))
    let texts = drawing.texts.map { (text: $0.text, box: Box($0)) }
    for (index, text) in texts.enumerated() {
      #expect(text.box.isWithin(drawing), "\(name): \(text)")
      for other in texts[..<index] {
        #expect(!text.box.covers(other.box), "\(name): \(text) covers \(other)")
      }
      for picture in drawing.pictures {
        #expect(!text.box.covers(Box(picture)), "\(name): \(text) covers a picture")
      }
    }
    for box in drawing.rectangles.map({ Box($0) }) + drawing.pictures.map({ Box($0) }) {
      #expect(box.isWithin(drawing), "\(name): \(box)")
    }
    for curve in drawing.curves {
      let end = curve.x + curve.heights.count * curve.columnWidth
      #expect(curve.x >= 0 && end <= drawing.width && curve.baseline < drawing.height, "\(name)")
      #expect(curve.heights.allSatisfy { (0...40).contains($0 ?? 0) }, "\(name)")
    }
    #expect((640...2_200).contains(drawing.width), "\(name): \(drawing.width)")
    #expect((200...2_600).contains(drawing.height), "\(name): \(drawing.height)")
    let picture = try PNGPicture(png: drawing.png)
    #expect(picture.width == drawing.width && picture.height == drawing.height)
  }

  @Test("A detection's bar, guides, bracket and lane stand at its times")
  func places() throws {
    // 6 s of 10 ms rows: a pixel is a hop. The left edge is 7.5 ms: half of a frame of 25 ms less
    // half a hop.
    var sequence = Sequence(rows: 640, keywords: 2, wordEvery: 10_000)
    sequence.posterior = { step, keyword in keyword == 1 && (100..<120).contains(step) ? 1 : 0 }
    var record = sequence.record()
    // 3.0 s to 3.6 s, decided at 3.9 s.
    record.add(
      AttentionRecord.Mark(keyword: 1, score: 0.97, start: 48_000, end: 57_600, position: 62_400))
    let drawing = drawing(record)
    let spectrogram = try #require(drawing.pictures.first)
    #expect(spectrogram.scaleX == 1 && spectrogram.raster.width == 640)
    func x(_ seconds: Double) -> Int { spectrogram.x + Int((seconds - 0.0075) * 100) }
    let found = drawing.rectangles.filter { $0.colour == Drawing.Palette.found }

    let bar = try #require(found.first { $0.y < spectrogram.y })
    #expect(bar.x == x(3.0) && bar.width == 60)
    let label = try #require(drawing.texts.first { $0.text == "keyword_1 0.97" })
    #expect(label.y < bar.y && abs(label.x - (bar.x + 30)) <= 1)

    let height = spectrogram.raster.height * spectrogram.scaleY
    let guides = found.filter { $0.y == spectrogram.y && $0.height == height }
    #expect(guides.map(\.x) == [x(3.0), x(3.0) + 59])

    // The one head that is shown: that of the keyword. Its picture is the second but for bars.
    let attention = try #require(
      drawing.pictures.first { $0.y > spectrogram.y + height && $0.x == spectrogram.x })
    #expect(drawing.texts.contains { $0.text == "attention for keyword_1, seconds before now" })
    #expect(!drawing.texts.contains { $0.text.contains("attention for keyword_0") })
    let bottom = attention.y + attention.raster.height * attention.scaleY
    let bracket = try #require(
      found.first { $0.x == x(3.9) && $0.y >= attention.y && $0.y < bottom && $0.width == 2 })
    // 0.9 s to 0.3 s ago; a cell is a step of 30 ms.
    #expect(abs(bracket.y - (bottom - 30 * attention.scaleY)) <= 1)
    #expect(abs(bracket.y + bracket.height - (bottom - 10 * attention.scaleY)) <= 1)

    let band = try #require(
      drawing.rectangles.first { $0.colour == Drawing.Palette.foundPale })
    #expect(band.x == x(3.0) && band.width == 60)
    let mark = try #require(found.last)
    #expect(mark.x == x(3.9) && mark.y == band.y && mark.height == band.height)
    #expect(abs(try #require(drawing.texts.first { $0.text == "keyword_1" }).y - band.y) <= 20)
  }

  @Test("A posterior stands where and as high as it was, from its step to the next")
  func curves() throws {
    var sequence = Sequence(rows: 640, keywords: 2, wordEvery: 10_000)
    sequence.posterior = { step, keyword in keyword == 1 && step == 100 ? 1 : 0 }
    let drawing = drawing(sequence.record())
    // An area and a line for each keyword.
    try #require(drawing.curves.count == 4)
    let flat = drawing.curves[0].heights.compactMap(\.self)
    #expect(Set(flat) == [0])
    // Step 100 is that of row 302, whose frame ends at 48 720: 3.0375 s after the left edge.
    let area = drawing.curves[2]
    let top = area.heights.compactMap(\.self).max() ?? 0
    #expect(area.heights.indices.filter { area.heights[$0] == top } == Array(303...306))
    let line = drawing.curves[3]
    #expect(line.heights[304] == (top + 1) / 2, "the smoothed posterior is half of it")
    // Before the first step there is none: row 2 ends within column 3.
    #expect(area.heights.firstIndex { $0 != nil } == 3)
  }

  @Test("The brightest attention is where the weight was, at its age")
  func attention() throws {
    var sequence = Sequence(rows: 640, keywords: 1, heads: .shared(1), wordEvery: 10_000)
    // All on the step that was taken 20 steps ago, with a little for the others.
    sequence.weight = { _, _, age, _ in age == 20 ? 0.9 : 0.002 }
    let drawing = drawing(sequence.record())
    let attention = try #require(drawing.pictures.first { $0.raster.height == 50 })
    let raster = attention.raster
    for column in 200..<640 {
      let bright = (0..<50).filter { raster[column, $0] == UInt8(ColourMap.size - 1) }
      #expect(bright == [49 - 20], "column \(column)")
    }
    // Where the window does not reach yet nothing is claimed.
    #expect(raster[30, 0] == Drawing.Palette.pale && raster[30, 49] != Drawing.Palette.pale)
  }

  @Test(
    "Of the keywords' heads those of the detected are shown; of none, the one that came nearest")
  func chosenHeads() {
    func shown(_ record: AttentionRecord) -> [String] {
      drawing(record).texts.map(\.text).filter { $0.hasPrefix("attention") }
    }
    var sequence = Sequence(keywords: 20, wordEvery: 100_000)
    sequence.posterior = { step, keyword in keyword == 13 && step == 40 ? 0.4 : 0.1 }
    var record = sequence.record()
    #expect(shown(record) == ["attention for keyword_13, seconds before now"])
    for (keyword, score) in [(7, 0.5), (2, 0.9)] as [(Int, Float)] {
      record.add(
        AttentionRecord.Mark(
          keyword: keyword, score: score, start: 16_000, end: 20_000, position: 24_000))
    }
    #expect(shown(record) == [2, 7].map { "attention for keyword_\($0), seconds before now" })
    for keyword in 0..<20 {
      record.add(
        AttentionRecord.Mark(
          keyword: keyword, score: Float(keyword) / 20, start: 16_000, end: 20_000,
          position: 24_000))
    }
    #expect(shown(record).count == 8, "as many as a page has room for, of the surest")
    #expect(shown(record).first == "attention for keyword_2, seconds before now")

    sequence.heads = .shared(4)
    #expect(
      shown(sequence.record())
        == (1...4).map { "attention of head \($0) of 4, seconds before now" })
  }

  @Test(
    "Whatever the numbers, there is a picture of the same form",
    arguments: [
      .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0,
      .leastNonzeroMagnitude,
    ] as [Float])
  func anything(value: Float) throws {
    for frontEnd in [FrontEnd.kaldiLogMel(), nil] {
      var sequence = Sequence(frontEnd: frontEnd)
      sequence.posterior = { step, _ in step.isMultiple(of: 2) ? value : 0.5 }
      sequence.weight = { step, _, age, _ in step.isMultiple(of: 3) ? value : Float(age) }
      let drawing = drawing(sequence.record())
      _ = try PNGPicture(png: drawing.png)
      let svg = String(decoding: drawing.svg, as: UTF8.self)
      for part in svg.split(separator: "\"") where part.utf8.count < 5_000 {
        #expect(!part.contains("nan") && !part.contains("inf"), "\(part)")
      }
      #expect(drawing.curves.allSatisfy { $0.heights.allSatisfy { (0...40).contains($0 ?? 0) } })
    }
  }

  @Test("Outputs that are no probabilities have lanes from the least to the largest of them")
  func outputs() {
    var sequence = Sequence(keywords: 1, heads: .shared(1), wordEvery: 10_000)
    sequence.posterior = { step, _ in Float(step % 5) - 3 }
    let drawing = drawing(sequence.record())
    #expect(drawing.texts.contains { $0.text.hasPrefix("outputs from -3.00 to 1.00: ") })
    #expect(Set(drawing.curves[0].heights.compactMap(\.self)).count == 5)
  }

  @Test("Names of detections stand while there is room, then only their bars")
  func names() {
    func labels(_ every: Int, rows: Int = 1_000) -> (names: Int, detections: Int) {
      let record = Sequence(rows: rows, wordEvery: every).record()
      return (
        drawing(record).texts.count { $0.text.hasSuffix(" 0.75") }, record.marks.count
      )
    }
    #expect(labels(150).names == labels(150).detections)
    #expect(labels(3).names == 0 && labels(3).detections > 100)
  }

  @Test("A file as SVG has its texts as text and paths of whole pixels")
  func svg() throws {
    let record = Sequence(rows: 200).record()
    let drawing = drawing(record, title: "<x> & y.wav")
    let text = String(decoding: drawing.svg, as: UTF8.self)
    #expect(text.contains("<title>&lt;x&gt; &amp; y.wav: 1 detection</title>"))
    for part in ["keyword_1 0.75", "attention for keyword_1, seconds before now", "threshold"] {
      #expect(text.contains(">\(part)</text>"), "\(part)")
    }
    #expect(text.split(separator: "<path ").count == 7, "two curves for each of three keywords")
    for path in text.split(separator: "<path d=\"").dropFirst() {
      let steps = path.prefix { $0 != "\"" }
      #expect(steps.allSatisfy { "MVHZ 0123456789".contains($0) }, "\(steps)")
      #expect(steps.hasPrefix("M"))
    }
    #expect(text.split(separator: "base64,").count == 1 + drawing.pictures.count)
  }

  @Test("The largest of what is put together stays, at its place", .seed(31))
  func maxima() {
    var random = SplitMix64()
    for _ in 0..<20 {
      let limit = [2, 4, 10, 16].randomElement(using: &random) ?? 2
      let window = Int.random(in: 1...60, using: &random)
      var pool = PooledMaxima(series: 2, largestCells: limit)
      var all: [(column: Int, series: Int, age: Int, value: Float)] = []
      var halvings = 0
      for step in 0..<100 {
        let count = min(step + 1, window)
        for series in 0..<2 {
          let weights = random.floats(count)
          let column = step >> halvings
          pool.add(weights: weights.span, series: series, columns: column...column)
          all += weights.enumerated().map { (step, series, count - 1 - $0.offset, $0.element) }
        }
        if [30, 70].contains(step) {
          pool.halveColumns()
          halvings += 1
        }
      }
      #expect(pool.cells <= limit && pool.cells * pool.stepsPerCell >= window)
      #expect(pool.columns == 25)
      for column in 0..<pool.columns {
        for series in 0..<2 {
          for cell in 0..<pool.cells {
            let expected = all.filter {
              $0.column >> 2 == column && $0.series == series && $0.age / pool.stepsPerCell == cell
            }.map(\.value).max()
            #expect(pool.maximum(column: column, series: series, cell: cell) == expected)
          }
        }
      }
    }
  }

  @Test("Marks of an hour stand on the same axis as its rows")
  func anHour() throws {
    var sequence = Sequence(rows: 360_000, keywords: 1, window: 1, wordEvery: 1_000_000)
    // Half an hour, to a step.
    sequence.posterior = { step, _ in step == 60_000 ? 1 : 0 }
    let record = sequence.record()
    #expect(record.columns == record.pool.columns && record.columns <= PooledRows.largestWidth)
    let drawing = drawing(record)
    let area = try #require(drawing.curves.first)
    let place = area.heights.indices.filter { (area.heights[$0] ?? 0) > 0 }
    #expect(place == [180_002 / record.pool.rowsPerColumn])
    #expect(drawing.texts.contains { $0.text == "0:30:00" })
    let label = try #require(drawing.texts.first { $0.text == "0:30:00" })
    #expect(abs(label.x - (area.x + place[0] * area.columnWidth)) <= 2)
  }
}

@Suite("attnd batch --plot")
struct BatchPlotTests {
  @Test("Draws what the lines say, and changes none of them")
  func sameResults() async throws {
    let folder = try TemporaryFolder()
    let files = ["demo", "keywords", "noise"].map { fixture("\($0).flac") }
    let path = folder.path + "/pictures"
    let plain = try await ChildProcess(attnd, ["batch"] + files).wait()
    let plotted = try await ChildProcess(
      attnd, ["batch", "--plot", path, "--plot-format", "svg"] + files
    ).wait()
    #expect(plotted.status == 0, "\(plotted.errors)")
    #expect(plotted.output == plain.output)
    let made = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    #expect(made == ["demo.svg", "keywords.svg", "noise.svg"])
    for file in ["demo", "keywords", "noise"] {
      let text = String(decoding: try fileBytes("\(path)/\(file).svg"), as: UTF8.self)
      let found = try lines(plain).filter { $0.file == fixture("\(file).flac") }
      let count = found.isEmpty ? "no" : "\(found.count)"
      #expect(text.contains("<title>\(file).flac: \(count) detections</title>"))
      for line in found {
        let label = "\(line.keyword ?? "") \(fixed(line.score ?? 0, 2))"
        #expect(text.contains(">\(label)</text>"), "\(label)")
      }
    }
  }

  @Test("A picture of one file is what its name says; recordings too short for one are told of")
  func oneFile() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/new/noise.png"
    let drawn = try await ChildProcess(
      attnd, ["batch", "--plot", path, fixture("noise.flac")]
    ).wait()
    #expect(drawn.status == 0, "\(drawn.errors)")
    let picture = try PNGPicture(png: fileBytes(path))
    #expect(picture.width > 640 && picture.height > 400)

    let short = try folder.file("short.wav", waveFile([0, 0, 0]))
    let none = try await ChildProcess(
      attnd, ["batch", "--plot", folder.path + "/short.png", short]
    ).wait()
    #expect(none.status == 0)
    #expect(none.errors == "attnd: \(short): has no picture: it has no row to draw\n")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/short.png"))
  }

  @Test("With --resume the picture may go to standard output, and what is complete is not redrawn")
  func resumption() async throws {
    let folder = try TemporaryFolder()
    let results = folder.path + "/found.jsonl"
    let stream = folder.path + "/stream"
    func run(_ plot: String) async throws -> ChildProcess.Outcome {
      try await ChildProcess(
        "/bin/sh",
        [
          "-c", "\"$0\" batch --resume \"$1\" --plot \"$2\" \"$3\" > \"$STREAM\"", attnd, results,
          plot, fixture("noise.flac"),
        ], environment: ["STREAM": stream]
      ).wait()
    }
    let first = try await run("-")
    #expect(first.status == 0, "\(first.errors)")
    _ = try PNGPicture(png: fileBytes(stream))
    let second = try await run(folder.path + "/again.png")
    #expect(second.status == 0, "\(second.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/again.png"))
  }

  @Test("What cannot be drawn where is refused before any work")
  func usage() async throws {
    let folder = try TemporaryFolder()
    let copy = try folder.file("noise.flac", fileBytes(fixture("noise.flac")))
    let files = [fixture("noise.flac"), copy]
    for (options, status, message) in [
      (["--plot", folder.path + "/one.png"], 64, "is one picture for several recordings"),
      (["--plot", "-"], 64, "results are on standard output; name a file, or give --resume"),
      (["--plot", folder.path + "/both/"], 73, "give --root to keep folders"),
      (["--plot-format", "svg"], 64, "there is no --plot that it could be for"),
    ] as [([String], Int32, String)] {
      let outcome = try await ChildProcess(attnd, ["batch"] + options + files).wait()
      #expect(outcome.status == status, "\(options): \(outcome.errors)")
      #expect(outcome.errors.contains(message), "\(options): \(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
  }
}
