import AttentionSocket
import AudioInput
import Glibc
import JSONText
import TestSupport
import Testing
import attnd

@Suite("attnd run --capture-directory", .timeLimit(.minutes(2)))
struct ClipRunTests {
  private func files(of folder: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for (name, _) in try DiskFolder(folder).files() {
      files[name] = try fileBytes("\(folder)/\(name)")
    }
    return files
  }

  private func run(
    _ file: String, _ arguments: [String], in folder: TemporaryFolder
  ) async throws -> ChildProcess.Outcome {
    try await ChildProcess(
      attnd,
      ["run", "--file", file, "--pace", "fastest", "--socket", folder("attnd.sock")] + arguments
    ).wait()
  }

  @Test("As fast as a file goes every word gets its clip, and batch finds the word in it")
  func roundTrip() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await run(
      fixture("keywords.flac"), ["--capture-directory", folder("clips")], in: folder)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let batch = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    let found = try files(of: folder("clips"))
    let clips = try Clip.all(in: found)
    #expect(found.count == 2 * clips.count)
    #expect(try clips.map { try $0.string("keyword") } == batch.compactMap(\.keyword))
    #expect(try clips.map { try $0.double("time") } == batch.map(\.time))
    let sound = try samples(ofFixture: "keywords.flac")
    for clip in clips {
      let (start, end) = (
        try clip.integer("clip", "start_sample"), try clip.integer("clip", "end_sample")
      )
      #expect(clip.samples == Array(sound[start..<end]))
    }
    let paths = found.keys.filter { $0.hasSuffix(".flac") }.sorted().map { folder("clips/\($0)") }
    let again = try lines(await ChildProcess(attnd, ["batch"] + paths).wait())
    #expect(again.count >= clips.count - 1, "two seconds before it are enough to hear a word")
  }

  @Test("Without the setting nothing is written anywhere")
  func off() async throws {
    let folder = try TemporaryFolder()
    mkdir(folder("clips"), 0o700)
    let outcome = try await run(fixture("keywords.flac"), [], in: folder)
    #expect(outcome.status == 0)
    #expect(try DiskFolder(folder("clips")).files().isEmpty)
    #expect(!outcome.errors.contains("clips"))
  }

  @Test("So many clips, the newest, whatever else lies in the folder")
  func bounded() async throws {
    let folder = try TemporaryFolder()
    mkdir(folder("clips"), 0o700)
    _ = try folder.file("clips/mine.flac", [1, 2, 3])
    let outcome = try await run(
      fixture("keywords.flac"),
      ["--capture-directory", folder("clips"), "--capture-most-clips", "2"], in: folder)
    #expect(outcome.status == 0)
    let batch = try lines(await ChildProcess(attnd, ["batch", fixture("keywords.flac")]).wait())
    let clips = try Clip.all(in: files(of: folder("clips")))
    #expect(try clips.map { try $0.string("keyword") } == batch.compactMap(\.keyword).suffix(2))
    #expect(try fileBytes(folder("clips/mine.flac")) == [1, 2, 3])
  }

  @Test("A folder that can't be: two lines and a warning event, and every word is heard")
  func noFolder() async throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("file", [1])
    let socket = folder("attnd.sock")
    let daemon = try ChildProcess(
      attnd,
      ["run", "--stdin", "--socket", socket, "--capture-directory", file + "/clips"],
      hasInput: true)
    let (words, codes) = try await withDaemon(daemon, at: socket) { client in
      try await client.subscribe(SubscriptionRequest(events: [.detection, .warning]))
      let sound = try samples(ofFixture: "keywords.flac")
      #expect(
        daemon.write(
          sound.flatMap { sample in
            let value = UInt16(bitPattern: FLACFile.integer(sample))
            return [UInt8(value & 0xFF), UInt8(value >> 8)]
          }))
      daemon.closeInput()
      var words: [String] = []
      var codes: [WarningCode] = []
      while let event = try await client.next() {
        switch event {
        case .detection(let detection): words.append(detection.name)
        case .warning(let warning): codes.append(warning.code)
        default: break
        }
      }
      return (words, codes)
    }
    let outcome = await daemon.wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(words.count >= 5)
    #expect(codes == [.noSpace])
    #expect(outcome.errorLines.filter { $0.contains("warning") }.count == 2, "\(outcome.errors)")
  }
}
