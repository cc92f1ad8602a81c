import FoundationEssentials
import Glibc
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

/// A line of `attnd batch`.
struct ResultLine: Decodable, Equatable {
  struct Focus: Decodable, Equatable {
    let expected: Double
    let spread: Double
    let peak: Double
  }

  let file: String
  let time: Double
  // Of a detection.
  let keyword: String?
  let score: Double?
  let start: Double?
  let end: Double?
  // Of a frame.
  let posterior: [String: Double]?
  let focus: [String: Focus]?
}

/// The program that was built beside these tests.
var attnd: String { "\(buildFolder)/attnd" }

func fixture(_ name: String) -> String { Golden.path("../Fixtures/\(name)") }

func lines(_ outcome: ChildProcess.Outcome) throws -> [ResultLine] {
  try outcome.lines.map { try JSONDecoder().decode(ResultLine.self, from: Data($0.utf8)) }
}

@Suite("attnd batch")
struct BatchCommandTests {
  @Test("Prints a line a detection, in the order of the arguments and of time, whatever -j")
  func order() async throws {
    let files = ["demo.flac", "noise.flac", "keywords.flac", "demo.flac"].map(fixture)
    let alone = try await ChildProcess(attnd, ["batch", "-j", "1"] + files).wait()
    #expect(alone.status == 0)
    #expect(alone.errors.isEmpty)
    let found = try lines(alone)
    #expect(found.count >= 12)
    var runs: [String] = []
    for line in found where runs.last != line.file { runs.append(line.file) }
    #expect(runs == [files[0], files[2], files[3]])
    for (before, after) in zip(found, found.dropFirst()) where before.file == after.file {
      let isNextFile = before.time > after.time
      #expect(before.time <= after.time || isNextFile && before.file == files[0])
    }
    for line in found {
      let start = try #require(line.start)
      let end = try #require(line.end)
      #expect(start <= end && end <= line.time, "a word ends before it is decided: \(line)")
    }
    let together = try await ChildProcess(attnd, ["batch", "-j", "3"] + files).wait()
    #expect(together.output == alone.output)
  }

  @Test("Reads a list of files from standard input")
  func list() async throws {
    let child = try ChildProcess(attnd, ["batch", "-"], hasInput: true)
    child.write(Array("\(fixture("keywords.flac"))\n\n\(fixture("noise.flac"))\n".utf8))
    child.closeInput()
    let listed = await child.wait()
    let named = try await ChildProcess(
      attnd, ["batch", fixture("keywords.flac"), fixture("noise.flac")]
    ).wait()
    #expect(listed.status == 0)
    #expect(listed.output == named.output)
    #expect(!listed.output.isEmpty)
  }

  @Test("--frames prints every step with posteriors by keyword and their focus")
  func frames() async throws {
    let outcome = try await ChildProcess(attnd, ["batch", "--frames", fixture("noise.flac")]).wait()
    let frames = try lines(outcome).filter { $0.posterior != nil }
    // 3 s of sound, a step every 30 ms, the first when its 45 ms are in.
    #expect((97...99).contains(frames.count))
    for (before, after) in zip(frames, frames.dropFirst()) {
      #expect(abs(after.time - before.time - 0.03) < 1e-9)
    }
    let last = try #require(frames.last)
    #expect(last.posterior?.count == 6)
    #expect(last.posterior?.values.allSatisfy { (0...1).contains($0) } == true)
    #expect(last.focus?.keys.sorted() == last.posterior?.keys.sorted())
    #expect(
      last.focus?.values.allSatisfy { $0.expected >= 0 && $0.spread >= 0 && $0.peak >= 0 } == true)
  }

  @Test("--threshold takes the place of every keyword's own")
  func threshold() async throws {
    let file = fixture("keywords.flac")
    let low = try lines(await ChildProcess(attnd, ["batch", "--threshold", "0.02", file]).wait())
    let own = try lines(await ChildProcess(attnd, ["batch", file]).wait())
    let never = try lines(await ChildProcess(attnd, ["batch", "--threshold", "1", file]).wait())
    #expect(low.count > own.count)
    #expect(low.allSatisfy { ($0.score ?? 0) >= 0.02 })
    #expect(never.isEmpty)
  }

  @Test("One bad file is a line on standard error; the others go on, and the end is 65")
  func badFiles() async throws {
    let folder = try TemporaryFolder()
    let empty = try folder.file("empty.wav", [])
    let text = try folder.file("text.wav", Array("This is no sound at all.\n".utf8))
    let good = fixture("keywords.flac")
    let whole = try fileBytes(good)
    let cut = try folder.file("cut.flac", Array(whole.prefix(whole.count / 2)))
    let missing = folder.path + "/missing.wav"
    let files = [empty, text, good, folder.path, missing, cut, good]
    let outcome = try await ChildProcess(attnd, ["batch"] + files).wait()

    #expect(outcome.status == 65)
    let errors = outcome.errorLines
    try #require(errors.count == 6, "one line for each bad file and one for all: \(errors)")
    for (line, file) in zip(errors, [empty, text, folder.path, missing, cut]) {
      #expect(line.hasPrefix("attnd: "))
      #expect(line.contains(file), "\(line) does not name \(file)")
    }
    #expect(errors[5] == "attnd: 5 of 7 files failed")
    let alone = try await ChildProcess(attnd, ["batch", good]).wait()
    let complete = outcome.lines.filter { $0.contains("\"\(good)\"") }
    #expect(complete == alone.lines + alone.lines, "the good files give all that they hold")
  }

  @Test("--weights prints the attention of each keyword over the window, which adds up to 1")
  func weights() async throws {
    struct Line: Decodable {
      let time: Double
      let weights: [String: [Double]]?
    }
    let clip = fixture("noise.flac")
    let outcome = try await ChildProcess(attnd, ["batch", "--frames", "--weights", clip]).wait()
    let frames = try outcome.lines.map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    let model = try ModelFile.embedded()
    for (step, frame) in frames.enumerated() {
      let weights = try #require(frame.weights)
      #expect(weights.keys.sorted() == model.keywords.map(\.name).sorted())
      for (keyword, values) in weights {
        try #require(values.count == min(step + 1, model.architecture.window))
        let sum = values.reduce(0, +)
        try #require(abs(sum - 1) < 1e-5, "\(keyword) at step \(step): \(sum)")
      }
    }
    // Everything else is as it is without.
    let plain = try await ChildProcess(attnd, ["batch", "--frames", clip]).wait()
    #expect(try lines(outcome) == lines(plain))
    let alone = try await ChildProcess(attnd, ["batch", "--weights", clip]).wait()
    #expect(alone.status == 64)
    #expect(alone.errors.contains("--frames"))
  }

  @Test("Rows that attnd features wrote give what their recordings give, bit for bit")
  func features() async throws {
    let folder = try TemporaryFolder()
    let names = ["keywords", "demo", "noise"]
    let made = try await ChildProcess(
      attnd, ["features", "--out", folder.path] + names.map { fixture("\($0).flac") }
    ).wait()
    #expect(made.status == 0)
    for flags in [[], ["--frames"], ["--frames", "--weights"]] {
      let fromSound = try await ChildProcess(
        attnd, ["batch"] + flags + names.map { fixture("\($0).flac") }
      ).wait()
      let fromRows = try await ChildProcess(
        attnd, ["batch", "--features"] + flags + names.map { "\(folder.path)/\($0).npy" }
      ).wait()
      #expect(fromRows.status == 0)
      // The names differ, and rows have no level.
      func bare(_ outcome: ChildProcess.Outcome) -> [Substring] {
        outcome.lines.map { line in
          let rest = line[(line.firstRange(of: ",\"")?.lowerBound ?? line.startIndex)...]
          guard let level = rest.firstRange(of: "\"level\":") else { return rest }
          return rest[..<level.lowerBound]
            + rest[level.upperBound...].drop { $0 != "," }
        }
      }
      #expect(bare(fromRows) == bare(fromSound), "\(flags)")
      #expect(fromRows.lines.contains { $0.contains("\"level\":null") } == !flags.isEmpty)
    }
    let wrong = try folder.file("wrong.npy", NumPyFile.header(rows: 0, columns: 7))
    let outcome = try await ChildProcess(attnd, ["batch", "--features", wrong]).wait()
    #expect(outcome.status == 65)
    #expect(outcome.errors == "attnd: rows \(wrong): has rows of 7, the model takes rows of 40\n")
  }

  @Test("Pipes in the list are read one after the other, however their writers take their time")
  func pipes() async throws {
    let folder = try TemporaryFolder()
    let clip = fixture("keywords.flac")
    let wave = folder.path + "/16000.wav"
    try convert(clip, to: wave)
    let plain = try await ChildProcess(attnd, ["batch", wave, wave]).wait()
    for jobs in ["1", "2"] {
      // The second pipe's writer begins when the first pipe has been read: whoever opened both at
      // once would wait for ever.
      let outcome = try await ChildProcess(
        "/bin/sh",
        [
          "-c",
          """
          rm -f "$2/a" "$2/b"; mkfifo "$2/a" "$2/b"
          { cat "$1" > "$2/a"; cat "$1" > "$2/b"; } &
          "$0" batch -j "$3" "$2/a" "$2/b"
          """, attnd, wave, folder.path, jobs,
        ]
      ).wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      let found = try lines(outcome).map(\.time)
      #expect(try found == lines(plain).map(\.time))
      #expect(found.count > 4)
    }
  }

  @Test("--shard prints a part of what all print together")
  func shards() async throws {
    let files = ["keywords.flac", "noise.flac", "demo.flac"].map(fixture)
    let whole = try await ChildProcess(attnd, ["batch"] + files).wait()
    for count in [2, 3, 5] {
      var parts = ""
      for index in 1...count {
        let part = try await ChildProcess(
          attnd, ["batch", "--shard", "\(index)/\(count)"] + files
        ).wait()
        #expect(part.status == 0)
        parts += part.output
      }
      #expect(parts == whole.output, "\(count) shards")
    }
    let none = try await ChildProcess(attnd, ["batch", "--shard", "4/3"] + files).wait()
    #expect(none.status == 64)
  }

  @Test("A reader that goes away ends it in silence and with success")
  func brokenPipe() async throws {
    let pipeline = try await ChildProcess(
      "/bin/sh",
      ["-c", "\"$0\" batch --frames \"$1\" \"$1\" | head -n 1", attnd, fixture("demo.flac")]
    ).wait()
    #expect(pipeline.errors.isEmpty)
    #expect(pipeline.lines.first?.hasPrefix("{\"file\"") == true)
  }

  @Test(
    "A recording of another rate, width, container or channel count gives the same keywords",
    arguments: ["8000.wav", "44100.flac", "48000-stereo-24.wav", "16000.ogg", "22050-float.wav"])
  func formats(name: String) async throws {
    let folder = try TemporaryFolder()
    let converted = folder.path + "/" + name
    try convert(fixture("keywords.flac"), to: converted)
    let original = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    let outcome = try await ChildProcess(attnd, ["batch", converted]).wait()
    #expect(outcome.status == 0)
    let found = try lines(outcome)
    // Telephone bandwidth may cost a word; nothing else may.
    let allowed = name.hasPrefix("8000") ? 2 : 0
    let words = Set(original.compactMap(\.keyword))
    #expect(words.subtracting(found.compactMap(\.keyword)).count <= allowed, "\(outcome.output)")
  }
}
