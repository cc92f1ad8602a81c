import AudioInput
import Glibc
import JSONText
import Logging
import ModelFile
import StreamingAttention
import Synchronization
import TestSupport
import Testing
import attnd

/// The lines that were logged, for tests that count them.
final class LoggedLines: Sendable {
  private let lines = Mutex<[String]>([])

  var all: [String] { lines.withLock { $0 } }

  var logger: Logger {
    Logger(label: "test") { [self] _ in Handler(lines: self) }
  }

  private struct Handler: LogHandler {
    let lines: LoggedLines
    var metadata = Logger.Metadata()
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.lines.withLock { $0.append("\(event.level) \(event.message)") }
    }
  }
}

/// A clip as it lies in a folder.
struct Clip {
  let samples: [Float]
  let document: [String: JSON]

  /// Every clip of a folder, in the order of the stream.
  ///
  /// The clock of most tests stands still: names only tell keywords apart.
  static func inOrder(_ files: [String: [UInt8]]) throws -> [Clip] {
    try all(in: files).sorted { try $0.integer("sample") < $1.integer("sample") }
  }

  /// Every clip of a folder, in the order of the names.
  static func all(in files: [String: [UInt8]]) throws -> [Clip] {
    try files.keys.filter { $0.hasSuffix(".json") }.sorted().map { name in
      let bytes = try #require(files[name])
      let fields = try #require(try JSON(parsing: bytes, called: name).fields)
      let sound = try #require(files[name.dropLast(5) + ".flac"], "\(name) has no sound")
      #expect(fields["file"] == .string(name.dropLast(5) + ".flac"))
      return Clip(samples: try decoded(sound), document: fields)
    }
  }

  private static func decoded(_ bytes: [UInt8]) throws -> [Float] {
    try bytes.withUnsafeBytes { bytes in
      let file = try SoundFile(bytes: bytes, name: "clip", sampleRate: 16_000)
      #expect(file.fileRate == 16_000 && file.fileChannels == 1)
      #expect(file.formatName.contains("FLAC") && file.formatName.contains("16 bit"))
      var samples = [Float](repeating: 0, count: Int(file.framesTotal ?? 0))
      let count = try samples.withUnsafeMutableBufferPointer { try file.read(into: $0).count }
      #expect(count == samples.count)
      return samples
    }
  }

  func integer(_ path: String...) throws -> Int { try #require(try value(path).integer) }

  func double(_ path: String...) throws -> Double { try #require(try value(path).double) }

  func string(_ path: String...) throws -> String {
    guard case .string(let text) = try value(path) else {
      throw GoldenError("\(path)", "is no string")
    }
    return text
  }

  func numbers(_ path: String...) throws -> [Float] {
    guard case .array(let values) = try value(path) else {
      throw GoldenError("\(path)", "is no array")
    }
    return try values.map { try #require($0.float) }
  }

  private func value(_ path: [String]) throws -> JSON {
    var fields: [String: JSON]? = document
    var value = JSON.null
    for name in path {
      value = try #require(fields?[name], "no \(path) in \(document)")
      fields = value.fields
    }
    return value
  }
}

@Suite("Clips of a stream")
struct ClipRecorderTests {
  let model: ModelFile
  let keywords: [Float]
  let folder = MemoryFolder()
  let log = LoggedLines()
  let warnings = Counter()

  final class Counter: Sendable {
    let value = Atomic(0)
    var count: Int { value.load(ordering: .relaxed) }
  }

  init() throws {
    model = try ModelFile.embedded()
    keywords = try samples(ofFixture: "keywords.flac")
  }

  private func recorder(
    _ source: any AudioSource, before: Double = 2, after: Double = 1,
    patience: ClipRecorder.Patience = .none, most: Int = 1_000,
    suppressing: @escaping ClipRecorder.Suppression = { _, _ in false }
  ) -> ClipRecorder {
    ClipRecorder(
      source, stream: "kitchen", models: ModelHistory(model),
      settings: ClipSettings(folder: "", before: before, after: after),
      store: ClipStore(folder: folder, mostClips: most, mostBytes: 1 << 30), patience: patience,
      clock: { Double(aMorning) / 1_000 }, isSuppressed: suppressing,
      warn: { [warnings] in warnings.value.wrappingAdd(1, ordering: .relaxed) }, logger: log.logger)
  }

  /// Hears a stream to its end, or until `goesOn` says otherwise after a hop.
  private func hear(
    _ recorder: ClipRecorder, threshold: Float? = nil, goesOn: () throws -> Bool = { true }
  ) throws -> [StreamingAttention.Detection] {
    var pipeline = try Pipeline(model, threshold: threshold)
    var detections: [StreamingAttention.Detection] = []
    while try pipeline.advance(
      reading: recorder.source, frame: { recorder.hear($0, $1) },
      detection: { detections.append($0) }), try goesOn()
    {}
    return detections
  }

  /// The same, with clips written between hops, as soon as they can be.
  private func record(
    _ recorder: ClipRecorder, threshold: Float? = nil
  ) throws -> [StreamingAttention.Detection] {
    let detections = try hear(recorder, threshold: threshold) {
      while recorder.writer.writeNext() {}
      return true
    }
    recorder.finish()
    while recorder.writer.writeNext() {}
    return detections
  }

  // MARK: What is in a clip

  @Test("A clip holds the source's own samples, from before the decision to after it")
  func samplesOfSpan() throws {
    let detections = try record(recorder(ArraySource(keywords)))
    let clips = try Clip.inOrder(folder.content)
    #expect(detections.count >= 5 && clips.count == detections.count)
    for (clip, detection) in zip(clips, detections) {
      let start = max(0, detection.position - 32_000)
      let end = min(keywords.count, detection.position + 16_000)
      // The fixture has 16 bits: a clip has them all.
      #expect(clip.samples == Array(keywords[start..<end]), "at \(detection.position)")
      #expect(try clip.integer("clip", "start_sample") == start)
      #expect(try clip.integer("clip", "end_sample") == end)
      #expect(try clip.integer("clip", "samples") == end - start)
      #expect(try clip.double("clip", "start") == Double(start) / 16_000)
      #expect(try clip.double("clip", "end") == Double(end) / 16_000)
      #expect(try clip.integer("clip", "lost_samples") == 0)
      #expect(try clip.integer("clip", "sample_rate") == 16_000)
    }
    #expect(log.all.isEmpty && warnings.count == 0)
  }

  @Test("The document says what was detected, when, by which model, and where it looked")
  func document() throws {
    var weights: [[Float]] = []
    var scores: [[Float]] = []
    var positions: [Int] = []
    var spans: [Int] = []
    let recorder = recorder(ArraySource(keywords))
    var pipeline = try Pipeline(model)
    var detections: [StreamingAttention.Detection] = []
    while try pipeline.advance(
      reading: recorder.source,
      frame: { frame, stream in
        recorder.hear(frame, stream)
        positions.append(frame.position)
        stream.forEachDetection { detection in
          detections.append(detection)
          spans.append(stream.span)
          stream.withWeights(head: stream.head(of: detection.keyword)) { row in
            weights.append(row.indices.map { row[$0] })
          }
          scores.append(model.keywords.indices.map { stream.smoothedPosterior($0) })
        }
      })
    {
      while recorder.writer.writeNext() {}
    }
    recorder.finish()
    while recorder.writer.writeNext() {}
    let clips = try Clip.inOrder(folder.content)
    #expect(clips.count == detections.count && clips.count >= 5)
    for (number, clip) in clips.enumerated() {
      let detection = detections[number]
      let keyword = model.keywords[detection.keyword]
      #expect(try clip.string("keyword") == keyword.name)
      #expect(try clip.string("phrase") == keyword.phrase)
      #expect(try clip.string("stream") == "kitchen")
      #expect(try clip.string("model", "name") == model.name)
      #expect(try clip.string("model", "digest") == model.digest)
      #expect(try Float(clip.double("score")) == detection.score)
      #expect(try Float(clip.double("threshold")) == detection.threshold)
      #expect(try clip.integer("sample") == detection.position)
      #expect(try clip.double("time") == Double(detection.position) / 16_000)
      #expect(try clip.integer("start_sample") == detection.start)
      #expect(try clip.integer("end_sample") == detection.end)
      for (index, keyword) in model.keywords.enumerated() {
        #expect(try Float(clip.double("scores", keyword.name)) == scores[number][index])
      }
      #expect(try clip.numbers("attention", "weights") == weights[number])
      let last = try #require(positions.firstIndex(of: detection.position))
      #expect(
        try clip.numbers("attention", "samples").map { Int($0) }
          == Array(positions[(last - spans[number] + 1)...last]))
      #expect(try clip.integer("attention", "steps_left_out") == 0)
      // No capture time in an array: the daemon's clock, and it says so.
      #expect(try clip.double("unix") == Double(aMorning) / 1_000)
      #expect(try clip.string("at") == "2026-11-23T10:15:30.123Z")
      #expect(try clip.string("clock") == "daemon")
    }
  }

  @Test("A stream that knows when it was captured gives its clips that time, and names in order")
  func captureTime() throws {
    let began = Double(aMorning) / 1_000
    let recorder = recorder(CapturedSource(ArraySource(keywords), began: began))
    let detections = try record(recorder)
    let clips = try Clip.all(in: folder.content)
    #expect(clips.count == detections.count)
    for (clip, detection) in zip(clips, detections) {
      #expect(try clip.integer("sample") == detection.position)
      #expect(try clip.string("clock") == "capture")
      let unix = try clip.double("unix")
      #expect(abs(unix - began - Double(detection.position) / 16_000) < 0.03)
      let milliseconds = ClipName.milliseconds(ofUnix: unix)
      #expect(try clip.string("at") == ClipName.timestamp(milliseconds: milliseconds))
      let name = ClipName(milliseconds: milliseconds, keyword: try clip.string("keyword"))
      #expect(try clip.string("file") == name.file(.sound))
    }
  }

  // MARK: Where it begins and ends

  @Test("At the stream's start a clip is short, at its end too; the end writes what still waits")
  func ends() throws {
    let first = try #require(try listen(to: ArraySource(keywords), model: model).detections.first)
    // Cut a tenth of a second behind the first decision.
    let sound = Array(keywords.prefix(first.position + 1_600))
    let recorder = recorder(ArraySource(sound), before: 60, after: 60)
    let detections = try hear(recorder) {
      #expect(!recorder.writer.writeNext(), "nothing is written before its time")
      return true
    }
    #expect(detections == [first])
    #expect(!recorder.writer.writeNext())
    recorder.finish()
    #expect(recorder.writer.writeNext() && !recorder.writer.writeNext())
    let clip = try #require(try Clip.all(in: folder.content).first)
    #expect(clip.samples == sound)
    #expect(try clip.integer("clip", "start_sample") == 0)
    #expect(try clip.integer("clip", "end_sample") == sound.count)
  }

  @Test("Nothing after the decision: the clip is there with the hop that decided")
  func noPostRoll() throws {
    let recorder = recorder(ArraySource(keywords), before: 0.5, after: 0)
    let detections = try record(recorder)
    let clips = try Clip.inOrder(folder.content)
    #expect(clips.count == detections.count)
    for (clip, detection) in zip(clips, detections) {
      #expect(clip.samples == Array(keywords[detection.position - 8_000..<detection.position]))
    }
  }

  @Test("Detections whose clips overlap have each a whole one")
  func overlapping() throws {
    let recorder = recorder(ArraySource(keywords), before: 5, after: 4)
    let detections = try record(recorder, threshold: 0.2)
    let clips = try Clip.inOrder(folder.content)
    let gaps = zip(detections, detections.dropFirst()).map { $1.position - $0.position }
    #expect(gaps.contains { $0 < 9 * 16_000 }, "some overlap")
    #expect(clips.count == detections.count)
    for clip in clips {
      let (start, end) = (
        try clip.integer("clip", "start_sample"), try clip.integer("clip", "end_sample")
      )
      #expect(clip.samples == Array(keywords[start..<end]))
      #expect(start == max(0, try clip.integer("sample") - 80_000))
    }
  }

  @Test("What was lost within a clip is counted, placed, and not made up")
  func loss() throws {
    let first = try #require(try listen(to: ArraySource(keywords), model: model).detections.first)
    // A hole a second before the first decision, and another after it.
    let holes = [
      (before: first.position - 16_000, lost: 700), (before: first.position + 8_000, lost: 300),
    ]
    let recorder = recorder(ArraySource(keywords, gaps: holes))
    let detections = try record(recorder)
    let detection = try #require(detections.first)
    #expect(detection.position == first.position + 700, "the model hears the same")
    let clip = try #require(try Clip.all(in: folder.content).first)
    #expect(try clip.integer("clip", "lost_samples") == 1_000)
    let start = try clip.integer("clip", "start_sample")
    let end = try clip.integer("clip", "end_sample")
    #expect((start, end) == (detection.position - 32_000, detection.position + 16_000))
    #expect(clip.samples == Array(keywords[start..<end - 1_000]))
    guard case .array(let gaps)? = clip.document["clip"]?.fields?["gaps"] else {
      Issue.record("a clip has gaps")
      return
    }
    #expect(gaps.count == 2)
    let earlier = try #require(gaps.first?.fields)
    let position = try #require(earlier["sample"]?.integer)
    #expect(earlier["lost_samples"] == .number("700"))
    #expect(earlier["offset"]?.integer == position - start)
    #expect(position >= holes[0].before && position < holes[0].before + 400)
    let later = try #require(gaps.last?.fields)
    #expect(later["lost_samples"] == .number("300"))
    #expect(later["offset"]?.integer == (try #require(later["sample"]?.integer)) - start - 700)
  }

  // MARK: What doesn't fit

  @Test("A writer that comes too late finds the sound overwritten: no clip, a line, and on it goes")
  func overwritten() throws {
    // The ring holds the clip and five seconds or more; the writer looks only at the end.
    let recorder = recorder(ArraySource(keywords), before: 0.1, after: 0.1)
    let detections = try hear(recorder)
    recorder.finish()
    while recorder.writer.writeNext() {}
    let clips = try Clip.all(in: folder.content)
    #expect(clips.count < detections.count && !clips.isEmpty)
    #expect(warnings.count == detections.count - clips.count)
    let line = "warning clips: not kept: \(ClipError.tooLate)"
    #expect(log.all.first == line)
    #expect(log.all == [line, "info clips: kept again"])
    for clip in clips {
      let start = try clip.integer("clip", "start_sample")
      #expect(clip.samples == Array(keywords[start..<start + clip.samples.count]))
    }
  }

  @Test("More detections than notes: those without one are counted and said")
  func tooMany() throws {
    // Many words, nobody who writes.
    let sound = (0..<8).flatMap { _ in keywords }
    let recorder = recorder(ArraySource(sound), before: 0.1, after: 0)
    let detections = try hear(recorder, threshold: 0.05)
    recorder.finish()
    while recorder.writer.writeNext() {}
    let room = 32 + model.keywords.count
    #expect(detections.count > room)
    #expect(warnings.count == detections.count - (try Clip.all(in: folder.content)).count)
    #expect(log.all.first == "warning clips: detections came faster than clips are written")
  }

  @Test("A disk that fills up costs clips, one line and warnings; detections go on")
  func noRoom() throws {
    folder.room = 200_000
    let detections = try record(recorder(ArraySource(keywords)))
    let clips = try Clip.all(in: folder.content).count
    #expect(clips > 0 && clips < detections.count)
    #expect(warnings.count == detections.count - clips)
    #expect(log.all.count == 1, "\(log.all)")
    #expect(log.all[0].hasPrefix("warning clips: not kept: folder memory: No space left on device"))
    #expect(folder.content.count == 2 * clips)
    #expect(detections == (try listen(to: ArraySource(keywords), model: model)).detections)
  }

  @Test("A folder that is gone and comes back: one line each, and clips from then on")
  func folderGone() throws {
    let recorder = recorder(ArraySource(keywords + keywords), before: 0.5, after: 0.1)
    var written = 0
    _ = try hear(recorder) {
      // Away for the first three, back after that.
      folder.fault = written < 3 ? ENOENT : nil
      while recorder.writer.writeNext() { written += 1 }
      return true
    }
    #expect(written > 5)
    #expect(try Clip.all(in: folder.content).count == written - 3)
    #expect(warnings.count == 3)
    #expect(log.all.count == 2, "\(log.all)")
    #expect(log.all[0].contains("No such file or directory"))
    #expect(log.all[1] == "info clips: kept again")
  }

  @Test("What nobody is told of isn't recorded either")
  func suppressed() throws {
    let alexa = try #require(model.keywords.firstIndex { $0.name == "alexa" })
    let recorder = recorder(
      ArraySource(keywords), suppressing: { keyword, _ in keyword == alexa })
    let detections = try record(recorder)
    #expect(detections.contains { $0.keyword == alexa })
    let clips = try Clip.all(in: folder.content)
    #expect(clips.count == detections.filter { $0.keyword != alexa }.count)
    #expect(try clips.allSatisfy { try $0.string("keyword") != "alexa" })
  }

  // MARK: Threads

  @Test("A file as fast as it goes waits for the writer: every detection has its clip")
  func patient() throws {
    // A minute and more, ten times what the ring holds.
    let sound = (0..<6).flatMap { _ in keywords }
    let recorder = recorder(ArraySource(sound), before: 0.3, after: 0.2, patience: .waits)
    let writer = try WriterThread(recorder.writer)
    let detections = try hear(recorder, threshold: 0.05)
    recorder.finish()
    writer.join()
    #expect(detections.count > 30)
    let clips = try Clip.all(in: folder.content)
    #expect(clips.count == detections.count)
    #expect(log.all.isEmpty && warnings.count == 0, "\(log.all)")
    for clip in clips {
      let start = try clip.integer("clip", "start_sample")
      let end = try clip.integer("clip", "end_sample")
      try #require(clip.samples == Array(sound[start..<end]))
    }
  }

  @Test("A stream that is cancelled while it waits for the writer ends")
  func cancelled() throws {
    let recorder = recorder(
      ArraySource(keywords + keywords), before: 0.1, after: 0, patience: .waits)
    // Nobody writes: without the cancellation this would stand still.
    recorder.source.cancel()
    #expect(try hear(recorder).count > 5)
  }

  @Test("The bits that the model hears are the same with and without clips")
  func sameBits() throws {
    let alone = try listen(to: ArraySource(keywords), model: model)
    let recorder = recorder(ArraySource(keywords))
    #expect(try listen(to: recorder.source, model: model) == alone)
  }

  @Test(
    "A hop allocates nothing, locks nothing and frees nothing with the tap in place",
    .enabled(if: AllocationCount.isAvailable))
  func noAllocations() throws {
    let recorder = recorder(ArraySource(keywords + keywords), before: 0.5, after: 0.1)
    let source = recorder.source
    var pipeline = try Pipeline(model, threshold: 0.05)
    var detections = 0
    func hop() throws -> Bool {
      try pipeline.advance(
        reading: source, frame: { recorder.hear($0, $1) }, detection: { _ in detections += 1 })
    }
    for _ in 0..<10 { _ = try hop() }
    try expectNoAllocations("a hop with its sound kept") { while try hop() {} }
    #expect(detections > 5)
    recorder.finish()
    var clips = 0
    while recorder.writer.writeNext() { clips += 1 }
    #expect(clips == detections, "all of them were noted down")
  }
}

/// A writer on a thread of its own.
private final class WriterThread {
  private let thread: pthread_t

  init(_ writer: ClipWriter) throws {
    var thread = pthread_t()
    let status = pthread_create(
      &thread, nil,
      { argument in
        if let argument { Unmanaged<ClipWriter>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, Unmanaged.passRetained(writer).toOpaque())
    guard status == 0 else { throw GoldenError("thread", "cannot be made") }
    self.thread = thread
  }

  func join() { pthread_join(thread, nil) }
}

/// A source that knows when its samples were captured.
private final class CapturedSource: AudioSource {
  private let source: any AudioSource
  private let began: Double

  init(_ source: any AudioSource, began: Double) {
    self.source = source
    self.began = began
  }

  var sampleRate: Int { source.sampleRate }
  var name: String { source.name }

  func read(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) throws(AudioInputError) -> AudioBlock {
    let block = try source.read(into: buffer)
    let end = block.position.advanced(by: block.count).seconds(at: sampleRate)
    return AudioBlock(
      count: block.count, position: block.position, lostSamples: block.lostSamples,
      captured: began + end)
  }

  func cancel() { source.cancel() }
}
