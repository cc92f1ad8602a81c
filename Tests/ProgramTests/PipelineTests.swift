import AttentionSocket
import AudioInput
import FeatureExtraction
import Glibc
import Logging
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

/// Everything that a pipeline gave out, bit for bit.
struct Heard: Equatable {
  var frames: [[UInt32]] = []
  var positions: [Int] = []
  var detections: [StreamingAttention.Detection] = []
  var gaps: [Int] = []
}

func listen(
  to source: any AudioSource, model: ModelFile, threshold: Float? = nil
) throws -> Heard {
  var pipeline = try Pipeline(model, threshold: threshold)
  var heard = Heard()
  let keywords = model.keywords.count
  while try pipeline.advance(
    reading: source,
    gap: { heard.gaps.append($0.samples) },
    frame: { frame, stream in
      var row = [frame.level.bitPattern]
      for i in 0..<keywords {
        row.append(stream.posterior(i).bitPattern)
        row.append(stream.focus(head: i).expected.bitPattern)
      }
      heard.frames.append(row)
      heard.positions.append(frame.position)
    },
    detection: { heard.detections.append($0) })
  {}
  return heard
}

func samples(ofFixture name: String) throws -> [Float] {
  let file = try SoundFile(path: Golden.path("../Fixtures/\(name)"), sampleRate: 16_000)
  var samples = [Float](repeating: 0, count: Int(file.framesTotal ?? 0))
  let count = try samples.withUnsafeMutableBufferPointer { try file.read(into: $0).count }
  return Array(samples.prefix(count))
}

@Suite("The pipeline, from samples to events")
struct PipelineTests {
  let model: ModelFile
  let keywords: [Float]

  init() throws {
    model = try ModelFile.embedded()
    keywords = try samples(ofFixture: "keywords.flac")
  }

  @Test(
    "How a pipe's writer cuts the samples changes no bit of any frame",
    arguments: [1, 7, 160, 1_600, 16_000])
  func chunks(size: Int) throws {
    let sound = Array(keywords.prefix(5 * 16_000))
    let whole = try listen(to: ArraySource(sound), model: model)
    #expect(whole.frames.count > 100)

    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    let (readEnd, writeEnd) = (ends[0], ends[1])
    defer { close(readEnd) }
    let writer = try ThreadedWriter(sound, to: writeEnd, samplesAtOnce: size)
    let pipe = try PCMStream(
      fileDescriptor: readEnd, format: PCMFormat(encoding: .f32le, rate: 16_000, channels: 1),
      sampleRate: 16_000)
    let cut = try listen(to: pipe, model: model)
    writer.join()
    #expect(cut == whole, "chunks of \(size) samples give other bits than one piece")
  }

  @Test("Frames come a step apart, each as soon as its last sample is in")
  func positions() throws {
    let heard = try listen(to: ArraySource(keywords), model: model)
    let front = try model.frontEnd()
    let first = front.endPosition(ofRow: model.architecture.stack - 1)
    for (index, position) in heard.positions.enumerated() {
      try #require(position == first + index * model.stepSamples, "frame \(index)")
    }
    let last = try #require(heard.positions.last)
    #expect(keywords.count - last < model.stepSamples + front.hop)
  }

  @Test(
    "What is read is what a step needs: a stream is woken once for each, whatever gaps there are")
  func steps() throws {
    let sound = Array(keywords.prefix(48_000))
    // Gaps between hops, in the middle of one, and twice in one.
    let gaps = [(before: 8_080, lost: 160), (16_001, 4_800), (24_013, 7), (24_050, 5)]
    var pipeline = try Pipeline(model)
    let source = ArraySource(sound, gaps: gaps)
    var told = 0
    var frames = 0
    var readings = 0
    while true {
      var count = 0
      let goesOn = try pipeline.advance(
        reading: source, gap: { _ in told += 1 }, frame: { _, _ in count += 1 })
      guard goesOn else { break }
      #expect(count <= 1, "sample \(pipeline.position)")
      frames += count
      readings += 1
    }
    #expect(frames == 1 + (sound.count - 720) / 480)
    #expect(told == gaps.count)
    // A gap and the end may cut a reading in two.
    #expect(readings <= frames + gaps.count + 1)
  }

  @Test("Lost samples move the positions on and leave the frames without a hole")
  func gaps() throws {
    let sound = Array(keywords.prefix(32_000))
    let whole = try listen(to: ArraySource(sound), model: model)
    let holed = try listen(
      to: ArraySource(sound, gaps: [(before: 16_000, lost: 4_800)]), model: model)
    #expect(holed.gaps == [4_800])
    #expect(holed.frames == whole.frames)
    for (before, after) in zip(whole.positions, holed.positions) {
      let isBehind = after - before == 4_800
      try #require(isBehind || after == before)
      try #require(isBehind == (before > 16_000), "position \(before)")
    }
  }

  @Test("The demonstration's words are heard, each once, where they were spoken")
  func spokenWords() throws {
    let spans = try Span.table().filter { $0.file == "keywords.flac" || $0.file == "demo.flac" }
    #expect(spans.count >= 12)
    var found = 0
    for file in Set(spans.map(\.file)).sorted() {
      let heard = try listen(to: ArraySource(samples(ofFixture: file)), model: model)
      for span in spans where span.file == file {
        let hits = heard.detections.filter {
          model.keywords[$0.keyword].name == span.word
            && Double($0.position) / 16_000 > span.start
            && Double($0.position) / 16_000 < span.end + 1
        }
        if hits.count == 1 { found += 1 }
      }
      let words = spans.filter { $0.file == file }.count
      #expect(heard.detections.count <= words + 1, "\(file): detections that nobody spoke")
    }
    // Synthetic voices, two of which the model never heard; one in six may be missed.
    #expect(found * 6 >= spans.count * 5, "\(found) of \(spans.count) words found")
  }

  @Test("Ordinary speech and noise hold no keyword", arguments: ["negative.flac", "noise.flac"])
  func noWords(file: String) throws {
    let heard = try listen(to: ArraySource(samples(ofFixture: file)), model: model)
    #expect(heard.detections.isEmpty)
  }

  @Test(
    "A hop goes from samples to the socket's ring without allocating, locking or freeing",
    .enabled(if: AllocationCount.isAvailable))
  func noAllocations() throws {
    let server = AttentionServer(
      AttentionServer.Description(
        model: model, threshold: nil, streams: [(name: "test", kind: .file)]),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    var pipeline = try Pipeline(model, threshold: 0.05, timekeeper: SystemTime())
    var watch = try SignalWatch(sampleRate: model.sampleRate)
    var output = StreamOutput(model: model, publisher: server.publisher(forStream: 0))
    let source = ArraySource(keywords + keywords)
    func hop() throws -> Bool {
      try pipeline.advance(
        reading: source, gap: { output.publish($0) },
        sound: { watch.push($0) { _, _ in } },
        frame: { output.publish($0, $1) }, detection: { output.publish($0) })
    }
    // The first hops make what is made once: a frame's worth of samples, lazy tables of the runtime.
    for _ in 0..<10 { _ = try hop() }
    let (frames, detections) = (output.summary.frames, output.summary.detections)
    try expectNoAllocations("a hop from samples to ring") {
      while try hop() {}
    }
    #expect(output.summary.frames > frames + 100)
    #expect(output.summary.detections > detections, "a detection was among what was counted")

    // The control: one array a frame is seen.
    var another = try Pipeline(model, threshold: 0.05)
    let control = try allocations {
      var sum: Float = 0
      let again = ArraySource(Array(repeating: 0.1, count: 16_000))
      while try another.advance(
        reading: again,
        frame: { _, stream in
          sum += stream.withWeights(head: 0) { row in row.indices.map { row[$0] } }.reduce(0, +)
        })
      {}
      #expect(sum > 0)
    }
    #expect(control.allocations > 30)
  }
}

/// Where a word lies in one of the clips that Tests/Fixtures/make.sh makes.
struct Span {
  let file: String
  let word: String
  let start: Double
  let end: Double

  /// The rows of Tests/Fixtures/spans.tsv.
  static func table() throws -> [Span] {
    let text = String(decoding: try Golden.bytes("../Fixtures/spans.tsv"), as: UTF8.self)
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: "\t")
      guard fields.count >= 4, let start = Double(fields[2]), let end = Double(fields[3]) else {
        return nil
      }
      return Span(
        file: String(fields[0]), word: fields[1].split(separator: " ").joined(separator: "_"),
        start: start, end: end)
    }
  }
}
