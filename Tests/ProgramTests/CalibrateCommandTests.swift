import AudioInput
import Calibration
import FoundationEssentials
import ModelFile
import StreamingAttention
import TestSupport
import Testing
import attnd

/// What `attnd calibrate --json` prints.
private struct Calibrated: Decodable {
  struct Fit: Decodable {
    let peaks: Int
    let shape: Double
    let scale: Double
  }

  struct Keyword: Decodable {
    let keyword: String
    let peaks: Int
    let fit: Fit?
    let threshold_before: Float
    let threshold: Float
    let basis: String
    let expected_per_hour: Double
    let limit_per_hour: Double
    let clamped: Bool
    let too_short: Bool
  }

  let files: Int
  let hours: Double
  let budget_per_hour: Double
  let keyword_budget_per_hour: Double
  let hours_needed: Double
  let keywords: [Keyword]
  let highest: [ResultLine]
}

@Suite("attnd calibrate")
struct CalibrateCommandTests {
  /// A model of random weights, and minutes of noise.
  private struct Noise {
    let folder: TemporaryFolder
    let model: String
    let clips: [String]

    init(_ change: (inout ModelDocument) -> Void = { _ in }) throws {
      folder = try TemporaryFolder()
      model = try folder.file("model.safetensors", SmallModel.bytes(seed: 5, change))
      var random = SplitMix64(seed: 60)
      var clips: [String] = []
      for number in 0..<4 {
        let samples = noise(60 * 16_000, using: &random)
        clips.append(try folder.file("\(number).wav", waveFile(samples)))
      }
      self.clips = clips
    }

    func run(_ options: [String], environment: [String: String] = [:]) async throws
      -> ChildProcess.Outcome
    {
      try await ChildProcess(
        attnd, ["calibrate", "--model", model] + options, environment: environment
      ).wait()
    }
  }

  private func decode(_ outcome: ChildProcess.Outcome) throws -> Calibrated {
    try JSONDecoder().decode(Calibrated.self, from: Data(outcome.output.utf8))
  }

  @Test("Noise gives thresholds from its candidates; what is printed is what follows from them")
  func thresholds() async throws {
    let noise = try Noise()
    let outcome = try await noise.run(
      ["--budget", "60/h", "--confidence", "0.95", "--json"] + noise.clips)
    #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    let found = try decode(outcome)
    #expect(found.files == 4 && abs(found.hours - 4.0 / 60) < 1e-9)
    #expect(found.budget_per_hour == 60 && found.keyword_budget_per_hour == 30)

    let batch = try await ChildProcess(
      attnd, ["batch", "--candidates", "--model", noise.model] + noise.clips
    ).wait()
    let candidates = try lines(batch)
    #expect(candidates.count > 100)
    for keyword in found.keywords {
      let scores = candidates.filter { $0.keyword == keyword.keyword }.compactMap(\.score)
      let choice = ThresholdChoice(
        scores.map(Float.init),
        ThresholdChoice.Terms(hours: found.hours, budget: 30, confidence: 0.95, floor: 0.05),
        present: 0.5)
      #expect(keyword.threshold_before == 0.5)
      #expect(keyword.peaks == scores.count && keyword.fit?.peaks == choice.fit?.peaks)
      #expect(keyword.fit?.shape == choice.fit?.tail.shape)
      #expect(keyword.threshold == choice.threshold && keyword.basis == choice.basis.rawValue)
      #expect(keyword.limit_per_hour == choice.limit && keyword.clamped == choice.isClamped)
      #expect(keyword.expected_per_hour == choice.expected)
    }
    let order = candidates.enumerated().sorted {
      (-($0.element.score ?? 0), $0.offset) < (-($1.element.score ?? 0), $1.offset)
    }
    #expect(found.highest.map(\.score) == order.prefix(10).map(\.element.score))
    #expect(found.highest.first == order.first?.element)

    // Whatever the threads.
    let together = try await noise.run(
      ["--budget", "60/h", "--confidence", "0.95", "--json", "-j", "2"] + noise.clips)
    #expect(together.output == outcome.output)
  }

  @Test("The model that is written has the thresholds, and else the bytes of the old one")
  func model() async throws {
    let noise = try Noise()
    let path = noise.folder("out/new.safetensors")
    let outcome = try await noise.run(
      ["--budget", "60/h", "--json", "--out", path] + noise.clips)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let thresholds = try decode(outcome).keywords.map(\.threshold)
    let old = try ModelFile(path: noise.model)
    let new = try ModelFile(path: path)
    #expect(new.keywords.map(\.threshold) == thresholds && thresholds != [0.5, 0.5])
    #expect(new.digest != old.digest && new.mean == old.mean)
    let (before, after) = (try fileBytes(noise.model), try fileBytes(path))
    func elements(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
      bytes[(8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) })...]
    }
    #expect(elements(after) == elements(before))
    // With the old thresholds again it is the old file.
    let back = try ModelFile.replacing(thresholds: [0.5, 0.5], in: after, name: "back")
    #expect(back == before)
    // Nothing else is left in the folder.
    #expect(try FileManager.default.contentsOfDirectory(atPath: noise.folder("out")).count == 1)
    // The program hears with it: no more detections than are within the limit, in the noise itself.
    let heard = try await ChildProcess(
      attnd, ["batch", "--model", path] + noise.clips
    ).wait()
    let candidates = try await ChildProcess(
      attnd, ["batch", "--candidates", "--model", noise.model] + noise.clips
    ).wait()
    for (keyword, threshold) in zip(new.keywords, thresholds) {
      let above = try lines(candidates).filter {
        $0.keyword == keyword.name && Float($0.score ?? 0) >= threshold
      }
      let detections = try lines(heard).filter { $0.keyword == keyword.name }
      #expect(detections.isEmpty == above.isEmpty)
    }
  }

  @Test("The model inside the program is written as it is, with the thresholds")
  func embedded() async throws {
    let noise = try Noise()
    let path = noise.folder("new.safetensors")
    let outcome = try await ChildProcess(
      attnd, ["calibrate", "--budget", "1/d", "--json", "--out", path] + noise.clips
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let found = try decode(outcome)
    let new = try ModelFile(path: path)
    let old = try ModelFile.embedded()
    #expect(new.keywords.map(\.threshold) == found.keywords.map(\.threshold))
    #expect(new.keywords.map(\.name) == old.keywords.map(\.name))
    #expect(new.provenance == old.provenance)
    #expect(found.keywords.allSatisfy { $0.too_short })
    #expect(abs(found.hours_needed - 6 * 24 * 2.302585) < 1e-3)
  }

  @Test("The configuration that is written is read back, with the highest threshold for all")
  func configuration() async throws {
    let noise = try Noise()
    let path = noise.folder("thresholds.yaml")
    let outcome = try await noise.run(
      ["--budget", "60/h", "--json", "--out", path] + noise.clips)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let settings = try Settings.resolve(
      environment: [:], file: SettingsFile.find(named: path, environment: [:]))
    #expect(try settings.threshold == decode(outcome).keywords.map(\.threshold).max())
  }

  @Test("For people it is a table, what is to be known, and the highest peaks with their places")
  func text() async throws {
    let noise = try Noise()
    let outcome = try await noise.run(
      ["--budget", "0.1/h"] + noise.clips, environment: ["ATTND_THRESHOLD": "0.75"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = outcome.lines
    #expect(lines.first == "two-words, 2 keywords; 0.0667 h in 4 files")
    #expect(
      lines.dropFirst().first
        == "budget 0.1/h: at most 0.0500 an hour for each keyword, with a confidence of 90 %")
    #expect(lines.contains { $0.hasPrefix("keyword ") && $0.hasSuffix("  limit/h") })
    #expect(lines.contains { $0.hasPrefix("alexa ") && $0.contains(" 0.7500  -> 0.") })
    #expect(lines.contains { $0.hasPrefix("view_glass ") })
    #expect(
      lines.contains {
        $0.hasPrefix("0.0667 h are too short") && $0.contains(" 46.1 h would be needed")
      }, "\(outcome.output)")
    #expect(lines.contains { $0.hasPrefix("The setting threshold, 0.75, takes the place") })
    #expect(lines.filter { $0.hasPrefix("  0.") && $0.hasSuffix(".wav") }.count == 10)
  }

  @Test("A bad file is a line and 65 at the end; the others count, and the result is written")
  func badFile() async throws {
    let noise = try Noise()
    let text = try noise.folder.file("text.wav", Array("This is no sound at all.\n".utf8))
    let path = noise.folder("new.safetensors")
    let outcome = try await noise.run(
      ["--budget", "60/h", "--json", "--out", path, noise.clips[0], text, noise.clips[1]])
    #expect(outcome.status == 65)
    #expect(outcome.errorLines.count == 2)
    #expect(outcome.errorLines.first?.contains(text) == true)
    #expect(outcome.errorLines.last == "attnd: 1 of 3 files failed")
    #expect(try abs(decode(outcome).hours - 2.0 / 60) < 1e-9)
    #expect(throws: Never.self) { try ModelFile(path: path) }
    // Without any sound there is nothing to say, and nothing is written.
    let nothing = noise.folder("nothing.safetensors")
    let none = try await noise.run(["--budget", "60/h", "--out", nothing, text, text])
    #expect(none.status == 65 && none.output.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: nothing))
    let child = try ChildProcess(attnd, ["calibrate", "--budget", "1/h", "-"], hasInput: true)
    child.closeInput()
    let empty = await child.wait()
    #expect(empty.status == 65)
    #expect(empty.errors.hasPrefix("attnd: nothing was heard: "), "\(empty.errors)")
  }

  @Test("A list on standard input, and rows in place of sound, are what batch takes")
  func inputs() async throws {
    let noise = try Noise()
    let named = try await noise.run(["--budget", "60/h", "--json"] + noise.clips)
    let child = try ChildProcess(
      attnd, ["calibrate", "--model", noise.model, "--budget", "60/h", "--json", "-"],
      hasInput: true)
    child.write(Array((noise.clips.joined(separator: "\n") + "\n").utf8))
    child.closeInput()
    #expect(await child.wait().output == named.output)

    let rows = noise.folder("rows")
    let made = try await ChildProcess(
      attnd, ["features", "--model", noise.model, "--out", rows] + noise.clips
    ).wait()
    #expect(made.status == 0, "\(made.errors)")
    let fromRows = try await noise.run(
      ["--features", "--budget", "60/h", "--json"] + (0..<4).map { "\(rows)/\($0).npy" })
    #expect(fromRows.status == 0, "\(fromRows.errors)")
    let (a, b) = (try decode(named), try decode(fromRows))
    #expect(a.keywords.map(\.peaks) == b.keywords.map(\.peaks))
    #expect(a.highest.map(\.score) == b.highest.map(\.score))
    // Samples behind the last row aren't known any more.
    #expect(a.hours > b.hours && b.hours > 0.999 * a.hours)
  }

  @Test(
    "What can't be is refused with a line and 64",
    arguments: [
      ["--budget", "0.1"], ["--budget", "0/h"], ["--budget", "-1/h"], ["--budget", "nan/h"],
      ["--budget", "1/w"], ["--budget", "/h"], ["--budget", "1e9/h"], [],
      ["--budget", "1/h", "--confidence", "1"], ["--budget", "1/h", "--confidence", "0.4"],
      ["--budget", "1/h", "--out", "model.bin"], ["--budget", "1/h", "--out", "folder/"],
      ["--budget", "1/h", "--tensor", "x"], ["--budget", "1/h", "--threshold", "0.5"],
    ])
  func refused(options: [String]) async throws {
    let outcome = try await ChildProcess(
      attnd, ["calibrate"] + options + [fixture("noise.flac")]
    ).wait()
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.output.isEmpty && !outcome.errors.isEmpty)
  }

  @Test("Sums in place of posteriors, a model of rows, and a folder that isn't there")
  func unusable() async throws {
    let linear = try Noise { $0.architecture.output = .linear }
    let outcome = try await linear.run(["--budget", "1/h", linear.clips[0]])
    #expect(outcome.status == 65)
    #expect(
      outcome.errors
        == "attnd: model two-words: its output is linear, expected sigmoid or softmax: thresholds "
        + "are calibrated on posteriors\n")
    let rows = try await ChildProcess(
      attnd,
      [
        "calibrate", "--budget", "1/h", "--model",
        Golden.path("../Reference/models/13-lstm-aligned-x.safetensors"), fixture("noise.flac"),
      ]
    ).wait()
    #expect(rows.status == 65)
    let nowhere = try await ChildProcess(
      attnd,
      ["calibrate", "--budget", "1/h", "--out", "/dev/null/m.yaml", fixture("noise.flac")]
    ).wait()
    #expect(nowhere.status == 73)
    #expect(nowhere.output.isEmpty && nowhere.errorLines.count == 1)
  }

  @Test("Budgets are read in hours and days")
  func budgets() {
    #expect(FalseAlarmBudget(argument: "0.1/h")?.perHour == 0.1)
    #expect(FalseAlarmBudget(argument: "3/d")?.perHour == 0.125)
    #expect(FalseAlarmBudget(argument: "1e-2/h")?.perHour == 0.01)
    for bad in ["", "h", "1", "1/", "1/h/d", "0x1/h", "inf/h", " 1/h", "1 /h", "1/H"] {
      #expect(FalseAlarmBudget(argument: bad) == nil, "\(bad)")
    }
  }
}
