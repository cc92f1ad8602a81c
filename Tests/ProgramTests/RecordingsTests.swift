import Glibc
import TestSupport
import Testing

/// The recordings of Training/README.md, for those who have them: `ATTND_DATA` is their folder.
enum Recordings {
  struct Row {
    let path: String
    let split: String
    let kind: String
    let word: String
  }

  static let folder = getenv("ATTND_DATA").map { String(cString: $0) }

  static func rows(_ kind: String, split: String) throws -> [Row] {
    guard let folder else { return [] }
    let text = String(decoding: try fileBytes("\(folder)/manifest.tsv"), as: UTF8.self)
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count > 3, fields[1] == split, fields[2] == kind else { return nil }
      return Row(
        path: "\(folder)/\(fields[0])", split: split, kind: kind,
        word: fields[3].split(separator: " ").joined(separator: "_"))
    }
  }

  /// What `attnd batch` finds in recordings, by path.
  static func detections(in paths: [String]) async throws -> [String: [ResultLine]] {
    let child = try ChildProcess(attnd, ["batch", "-"], hasInput: true)
    child.write(Array((paths.joined(separator: "\n") + "\n").utf8))
    child.closeInput()
    let outcome = await child.wait()
    try #require(outcome.status == 0, "\(outcome.errors)")
    return Dictionary(grouping: try lines(outcome), by: \.file)
  }
}

@Suite(
  "Real recordings, which no model was trained on",
  .enabled(if: Recordings.folder != nil, "skipped: no ATTND_DATA"), .timeLimit(.minutes(30)))
struct RecordingsTests {
  @Test("Seven of ten keywords are found by name, with at most three alarms in all speech")
  func recognition() async throws {
    let keywords = try Recordings.rows("keyword", split: "dev")
    let speech = try Recordings.rows("speech", split: "dev")
    try #require(keywords.count > 200 && speech.count > 200)

    let inKeywords = try await Recordings.detections(in: keywords.map(\.path))
    let found = keywords.filter { row in
      inKeywords[row.path]?.contains { $0.keyword == row.word } == true
    }
    let alarms = try await Recordings.detections(in: speech.map(\.path)).values.joined()
    print("found \(found.count) of \(keywords.count), \(alarms.count) false alarms in speech")
    #expect(found.count * 10 >= keywords.count * 7, "\(found.count) of \(keywords.count) found")
    #expect(alarms.count <= 3, "\(alarms.map { "\($0.file) \($0.time)" })")
  }

  @Test(
    "What is found in a recording is found in it at another rate, width or container",
    arguments: [
      "8000.wav", "44100.wav", "48000-stereo.wav", "48000-24.wav", "16000.flac", "44100.ogg",
    ])
  func formats(name: String) async throws {
    let rows = try Recordings.rows("keyword", split: "dev")
    let every = max(1, rows.count / 30)
    let folder = try TemporaryFolder()
    var found = 0
    var kept = 0
    let chosen = stride(from: 0, to: rows.count, by: every).map { rows[$0] }
    let original = try await Recordings.detections(in: chosen.map(\.path))
    for row in chosen {
      let words = Set((original[row.path] ?? []).compactMap(\.keyword))
      guard words.contains(row.word) else { continue }
      found += 1
      let converted = "\(folder.path)/\(name)"
      try convert(row.path, to: converted)
      let again = try await Recordings.detections(in: [converted])
      if again[converted]?.contains(where: { $0.keyword == row.word }) == true { kept += 1 }
    }
    print("\(name): \(kept) of \(found)")
    // At 8 kHz the upper half of the spectrum is gone, and some words with it.
    let allowed = name.hasPrefix("8000") ? found / 2 : max(1, found / 20)
    #expect(found >= 15)
    #expect(found - kept <= allowed, "\(kept) of \(found) kept")
  }
}
