import AudioInput
import Glibc
import ModelFile
import TestSupport
import Testing
import attnd

/// Writes results to a file to be resumed; says nothing.
private final class ResumedOutput: ResultReceiver {
  private let target: ResumeFile

  init(_ target: ResumeFile) { self.target = target }

  func receive(_ lines: [UInt8]) throws { try target.append(lines) }
  func fileEnds(_ file: Int, failure: String?) {}
  func fileIsDone() {}
}

/// Recordings to be worked on again and again.
private struct Corpus {
  let folder: TemporaryFolder
  let files: [String]
  let model: ModelFile

  init() throws {
    folder = try TemporaryFolder()
    model = try SmallModel.make()
    var random = SplitMix64(seed: 3)
    var files: [String] = []
    for (number, count) in [300, 0, 640, 40, 500].enumerated() {
      let samples = noise(count, using: &random)
      // The second holds nothing, and fails; the third is cut off, and fails behind its frames.
      let bytes = waveFile(samples)
      files.append(
        try folder.file("\(number).wav", number == 2 ? Array(bytes.dropLast(64)) : bytes))
    }
    // One of them twice.
    self.files = files + [files[0]]
  }

  func plan(_ files: [String], jobs: Int = 1) -> BatchPlan {
    BatchPlan(
      files: files, input: .sound(.mix), model: model, threshold: nil, content: [.frames, .ends],
      settings: "small", jobs: jobs)
  }

  /// Works on what a file of results doesn't hold yet.
  func resume(_ path: String, jobs: Int = 1) async throws {
    let target = try ResumeFile(path, settings: "small")
    try await plan(target.unfinished(of: files).files, jobs: jobs).run(into: ResumedOutput(target))
  }
}

@Suite("attnd batch --resume and --shard")
struct ResumeTests {
  @Test("Whatever byte a run was ended at, the next one completes the file as one run would have")
  func everyByte() async throws {
    let corpus = try Corpus()
    let path = corpus.folder.path + "/results.jsonl"
    try await corpus.resume(path)
    let whole = try fileBytes(path)
    let text = String(decoding: whole, as: UTF8.self)
    #expect(text.split(separator: "\n").filter { $0.contains("\"done\":true") }.count == 4)
    #expect(text.split(separator: "\n").filter { $0.contains("\"done\":false") }.count == 2)
    #expect(whole.count > 2_000)
    for count in 0...whole.count {
      let cut = try corpus.folder.file("cut.jsonl", Array(whole.prefix(count)))
      try await corpus.resume(cut)
      try #require(try fileBytes(cut) == whole, "cut at byte \(count) of \(whole.count)")
    }
    try await corpus.resume(corpus.folder.path + "/two.jsonl", jobs: 2)
    #expect(try fileBytes(corpus.folder.path + "/two.jsonl") == whole)
  }

  @Test("The results of all shards, one after the other, are those of one process")
  func shards() async throws {
    let corpus = try Corpus()
    let path = corpus.folder.path + "/whole.jsonl"
    try await corpus.resume(path)
    let whole = try fileBytes(path)
    for count in [1, 2, 4, 9] {
      var merged: [UInt8] = []
      for index in 1...count {
        let shard = try #require(Shard(argument: "\(index)/\(count)"))
        let part = corpus.folder.path + "/part-\(index)-\(count).jsonl"
        let target = try ResumeFile(part, settings: "small")
        let files = Array(corpus.files[shard.places(in: corpus.files.count)])
        try await corpus.plan(files).run(into: ResumedOutput(target))
        merged += try fileBytes(part)
      }
      #expect(merged == whole, "\(count) shards")
    }
  }

  @Test("Every file belongs to exactly one shard, and no shard has two more than another")
  func partition() throws {
    for files in [0, 1, 2, 7, 100, 1_000_003] {
      for count in [1, 2, 3, 16, 999] {
        var next = 0
        var sizes: [Int] = []
        for index in 1...count {
          let places = try #require(Shard(argument: "\(index)/\(count)")).places(in: files)
          try #require(places.lowerBound == next)
          next = places.upperBound
          sizes.append(places.count)
        }
        #expect(next == files)
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1, "\(files) files, \(count) shards")
      }
    }
    let most = try #require(Shard(argument: "1000000/1000000"))
    #expect(most.places(in: .max).upperBound == .max)
  }

  @Test(
    "What is no shard is refused",
    arguments: ["", "1", "0/2", "3/2", "-1/2", "1/0", "1/2/3", "a/b", "+1/2", "1/1000001", " 1/2"])
  func noShard(text: String) { #expect(Shard(argument: text) == nil) }

  @Test("A file that holds something else is refused, and left as it is")
  func refused() throws {
    let folder = try TemporaryFolder()
    let end = #"{"file":"a.wav","done":true,"settings":"small"}"# + "\n"
    let cases = [
      ("RIFF\u{0}\u{0}WAVE", "line 1 is no result"),
      ("RIFF\u{0}\u{0}WAVE\n", "line 1 is no result"),
      ("{\"fi", nil), ("", nil), (end, nil), (end + end, nil),
      (end + "x", "line 2 is no result"), (end + "\n", "line 2 is no result"),
      (#"{"file":"a.wav"# + "\n", "line 1 is no result"),
      (#"{"file":"a.wav","done":true}"# + "\n", "line 1 is no result"),
      (
        #"{"file":"a.wav","done":true,"settings":"big"}"# + "\n",
        "line 1 was made with another model"
      ),
      (
        #"{"file":"a.wav","score":1}"# + "\n" + #"{"file":"b.wav","score":1}"# + "\n",
        "line 2 follows results without an end"
      ),
      // A name that looks like an end.
      (#"{"file":"a\",\"done\":true","score":1}"# + "\n", nil),
    ]
    for (content, message) in cases {
      let path = try folder.file("results", Array(content.utf8))
      do {
        _ = try ResumeFile(path, settings: "small")
        #expect(message == nil, "\(content) was taken")
      } catch {
        let message = try #require(message, "\(content): \(error)")
        #expect("\(error)".hasPrefix("--resume \(path): \(message)"), "\(error)")
        #expect(try fileBytes(path) == Array(content.utf8), "\(content) was changed")
      }
    }
    #expect(throws: (any Error).self) { try ResumeFile(folder.path, settings: "small") }
    #expect(throws: (any Error).self) { try ResumeFile("/dev/null", settings: "small") }
  }

  @Test("Two processes do not write to one file")
  func locked() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/results"
    let first = try ResumeFile(path, settings: "small")
    #expect(throws: (any Error).self) { try ResumeFile(path, settings: "small") }
    try first.append([])
  }

  @Test("A name that stands in the list more often than in the results is worked on again")
  func repeated() throws {
    let folder = try TemporaryFolder()
    let ends = [("a", true), ("b", false), ("a", true)].map { name, isDone in
      #"{"file":"\#(name)","done":\#(isDone),"settings":"small"}"# + "\n"
    }
    let path = try folder.file("results", Array(ends.joined().utf8))
    let rest = try ResumeFile(path, settings: "small")
      .unfinished(of: ["a", "b", "a", "c", "a", "b"])
    #expect(rest.files == ["c", "a", "b"])
    #expect(rest.failed == 1)
  }

  @Test("The command goes on where a killed one ended, and ends with 65 for earlier failures too")
  func command() async throws {
    let corpus = try Corpus()
    let results = corpus.folder.path + "/results.jsonl"
    let clips = [fixture("noise.flac"), corpus.files[1], fixture("keywords.flac")]
    let plain = try await ChildProcess(attnd, ["batch"] + clips).wait()
    let first = try await ChildProcess(attnd, ["batch", "--resume", results] + clips).wait()
    #expect(first.status == 65)
    #expect(first.output.isEmpty)
    #expect(first.errorLines == plain.errorLines)
    let whole = try fileBytes(results)
    let lines = String(decoding: whole, as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(lines.filter { !$0.contains("\"done\":") } == plain.lines)
    _ = try corpus.folder.file("results.jsonl", Array(whole.dropLast(40)))
    let second = try await ChildProcess(attnd, ["batch", "--resume", results] + clips).wait()
    #expect(second.status == 65)
    #expect(second.errorLines == ["attnd: 1 of 3 files failed"])
    #expect(try fileBytes(results) == whole)
    let other = try await ChildProcess(
      attnd, ["batch", "--frames", "--resume", results] + clips
    ).wait()
    #expect(other.status == 73, "not 65, which says that a recording failed")
    #expect(other.errors.contains("other options"))
  }
}
