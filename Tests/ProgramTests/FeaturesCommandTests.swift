import AudioInput
import FeatureExtraction
import FoundationEssentials
import ModelFile
import TestSupport
import Testing
import attnd

/// A line of `attnd features --format jsonl`.
private struct RowLine: Decodable {
  let file: String
  let row: Int
  let time: Double
  let sample: Int
  let values: [Float]
}

/// The rows of a recording, made by the library itself.
private func rows(of path: String, _ frontEnd: FrontEnd) throws -> [Float] {
  var extractor = try FeatureExtractor(frontEnd)
  let source = try SoundFile(path: path, sampleRate: frontEnd.sampleRate)
  var block = [Float](repeating: 0, count: 1_000)
  var values: [Float] = []
  let append: (Swift.Span<Float>) -> Void = { row in
    for i in row.indices { values.append(row[i]) }
  }
  while true {
    let count = try block.withUnsafeMutableBufferPointer { try source.read(into: $0).count }
    guard count > 0 else { break }
    let samples = block[..<count]
    extractor.push(samples.span, append)
  }
  extractor.finish(append)
  return values
}

/// A recording of 16 bits, one channel, 16 kHz.
func waveFile(_ samples: [Float]) -> [UInt8] {
  func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
  let data = samples.flatMap { little(Int16(($0 * 32_767).rounded())) }
  return Array("RIFF".utf8) + little(UInt32(36 + data.count)) + Array("WAVEfmt ".utf8)
    + little(UInt32(16)) + little(UInt16(1)) + little(UInt16(1)) + little(UInt32(16_000))
    + little(UInt32(32_000)) + little(UInt16(2)) + little(UInt16(16)) + Array("data".utf8)
    + little(UInt32(data.count)) + data
}

@Suite("attnd features")
struct FeaturesCommandTests {
  private static let clip = fixture("noise.flac")

  private static func preset(_ name: String) throws -> FrontEnd {
    switch name {
    case "kaldi-logmel": .kaldiLogMel()
    case "librosa-logmel": .librosaLogMel()
    case "kaldi-mfcc": .kaldiMFCC
    case "librosa-mfcc": .librosaMFCC
    case "pcen": .pcen
    case "power": .powerSpectrum
    default: try ModelFile.embedded().frontEnd()
    }
  }

  private func array(_ path: String) throws -> GoldenArray {
    try GoldenArray(npy: fileBytes(path), name: path)
  }

  @Test(
    "Rows are those that the library makes of the same samples, bit for bit",
    arguments: [
      "model", "kaldi-logmel", "librosa-logmel", "kaldi-mfcc", "librosa-mfcc", "pcen", "power",
    ])
  func presets(name: String) async throws {
    let folder = try TemporaryFolder()
    let outcome = try await ChildProcess(
      attnd, ["features", "--front-end", name, "--out", folder.path, Self.clip]
    ).wait()
    #expect(outcome.status == 0)
    #expect(outcome.output.isEmpty && outcome.errors.isEmpty)
    let frontEnd = try Self.preset(name)
    let expected = try rows(of: Self.clip, frontEnd)
    let written = try array(folder.path + "/noise.npy")
    #expect(written.shape == [expected.count / frontEnd.rowLength, frontEnd.rowLength])
    #expect(try written.floats.map(\.bitPattern) == expected.map(\.bitPattern))
  }

  @Test("Without options the front end is the model's")
  func standard() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await ChildProcess(
      attnd, ["features", "--out", folder.path, Self.clip]
    ).wait()
    #expect(outcome.status == 0)
    let expected = try rows(of: Self.clip, ModelFile.embedded().frontEnd())
    #expect(try array(folder.path + "/noise.npy").floats == expected)
  }

  @Test("Every number has an option")
  func options() async throws {
    var frontEnd = FrontEnd.kaldiLogMel()
    frontEnd.sampleRate = 8_000
    frontEnd.frameLength = 200
    frontEnd.hop = 100
    frontEnd.fftSize = 256
    frontEnd.window = .hamming
    frontEnd.preEmphasis = 0.5
    frontEnd.removesDC = false
    frontEnd.edges = .mirror
    frontEnd.sampleScale = 2
    frontEnd.melScale = .slaney
    frontEnd.bins = 17
    frontEnd.lowFrequency = 100
    frontEnd.highFrequency = 3_500
    frontEnd.compression = .decibels(floor: 0.25)
    frontEnd.cepstra = FrontEnd.Cepstra(count: 9, lifter: 11, energy: true)
    frontEnd.deltas = 2
    frontEnd.running = FrontEnd.RunningNormalisation(rate: 0.125, start: .warm)
    let folder = try TemporaryFolder()
    let outcome = try await ChildProcess(
      attnd,
      [
        "features", "--front-end", "kaldi-logmel", "--sample-rate", "8000", "--frame-length",
        "200", "--hop", "100", "--fft-size", "256", "--window", "hamming", "--pre-emphasis", "0.5",
        "--no-remove-dc", "--edges", "mirror", "--sample-scale", "2", "--mel-scale", "slaney",
        "--bins", "17", "--low-hz", "100", "--high-hz", "3500", "--compression", "decibels",
        "--floor", "0.25", "--cepstra", "9", "--lifter", "11", "--energy", "--deltas", "2",
        "--running", "0.125", "--out", folder.path, Self.clip,
      ]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let written = try array(folder.path + "/noise.npy")
    #expect(written.shape.last == 27)
    #expect(try written.floats == rows(of: Self.clip, frontEnd))
  }

  @Test("The numbers of the automatic gain have options, and 0 takes a step away")
  func gain() async throws {
    var frontEnd = FrontEnd.kaldiMFCC
    frontEnd.cepstra = nil
    frontEnd.compression = .pcen(
      FrontEnd.PCEN(smoothing: 0.5, gain: 0.25, bias: 3, power: 0.75, epsilon: 10))
    let folder = try TemporaryFolder()
    let outcome = try await ChildProcess(
      attnd,
      [
        "features", "--front-end", "kaldi-mfcc", "--cepstra", "0", "--running", "0",
        "--compression", "pcen", "--pcen-smoothing", "0.5", "--pcen-gain", "0.25", "--pcen-bias",
        "3", "--pcen-power", "0.75", "--pcen-epsilon", "10", "--out", folder.path, Self.clip,
      ]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try array(folder.path + "/noise.npy").floats == rows(of: Self.clip, frontEnd))
  }

  @Test("Without filters the bins and the band follow from the transform")
  func wholeSpectrum() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await ChildProcess(
      attnd,
      [
        "features", "--front-end", "power", "--sample-rate", "8000", "--fft-size", "1024", "--out",
        folder.path, Self.clip,
      ]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try array(folder.path + "/noise.npy").shape.last == 513)
  }

  @Test(
    "A number that cannot be is named by its option, with what can, and the end is 64",
    arguments: [
      (["--hop", "0"], "--hop 0: expected 1 to"),
      (["--fft-size", "401"], "--fft-size 401: expected an even number"),
      (["--fft-size=-2"], "--fft-size -2: expected"),
      (["--fft-size", "9223372036854775807"], "--fft-size 9223372036854775807: expected"),
      (["--front-end", "power", "--fft-size=-9223372036854775808"], "expected"),
      (["--sample-rate", "0"], "--sample-rate 0: expected"),
      (["--pre-emphasis", "nan"], "--pre-emphasis nan: expected 0.0 to 1.0"),
      (["--low-hz", "5000", "--high-hz", "200"], "expected more than --low-hz, 5000"),
      (
        ["--front-end", "kaldi-logmel", "--sample-rate", "8000"],
        "--high-hz 8000.0 (from kaldi-logmel): expected 0.0 to 4000.0"
      ),
      (["--front-end", "power", "--bins", "80"], "--bins 80: expected 257 with --mel-scale none"),
      (["--cepstra=-1"], "--cepstra -1: expected"),
      (["--cepstra", "13", "--lifter=-4"], "--lifter -4.0: expected"),
      (["--deltas", "3"], "--deltas 3: expected 0 to 2"),
      (["--running", "inf"], "--running inf: expected"),
      (["--compression", "pcen", "--pcen-power", "2"], "--pcen-power 2.0: expected"),
      (["--compression", "log", "--floor", "0"], "--floor 0.0: expected"),
      (["--compression", "linear", "--floor", "1"], "--floor: the model has no use for it"),
      (["--compression", "log", "--pcen-gain", "1"], "--pcen-gain: the model has no use for it"),
      (["--lifter", "22"], "--lifter: the model has no use for it; it belongs to --cepstra"),
      (["--energy"], "--energy: the model has no use for it; it belongs to --cepstra"),
      (["--model", "x", "--front-end", "pcen"], "--model and --front-end pcen exclude"),
      (["--plot", "x.jpg"], "--plot x.jpg: expected FILE.png, FILE.svg or a folder"),
      (["--plot", "-", "--out", "-"], "--out - and --plot - exclude one another"),
      (["--plot", "x.png", "--plot-format", "svg"], "is not what --plot-format svg says"),
      (["--plot-format", "svg"], "there is no --plot that it could be for"),
      (["--hop", "ten"], "The value 'ten' is invalid for '--hop"),
      (["--window", "kaiser"], "The value 'kaiser' is invalid for '--window"),
    ] as [([String], String)])
  func usage(arguments: [String], message: String) async throws {
    let outcome = try await ChildProcess(attnd, ["features"] + arguments + [Self.clip]).wait()
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.errors.contains(message), "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
  }

  @Test("JSON Lines hold the same numbers, with the time of each frame's end")
  func lines() async throws {
    let folder = try TemporaryFolder()
    let arguments = ["features", "--front-end", "kaldi-logmel", "--out"]
    let binary = try await ChildProcess(attnd, arguments + [folder.path, Self.clip]).wait()
    let text = try await ChildProcess(attnd, arguments + ["-", "--format", "jsonl", Self.clip])
      .wait()
    #expect(binary.status == 0 && text.status == 0)
    let written = try array(folder.path + "/noise.npy")
    let lines = try text.lines.map { try JSONDecoder().decode(RowLine.self, from: Data($0.utf8)) }
    #expect(lines.map(\.row) == Array(0..<written.shape[0]))
    #expect(lines.allSatisfy { $0.file == Self.clip })
    #expect(lines.flatMap(\.values).map(\.bitPattern) == (try written.floats).map(\.bitPattern))
    for line in lines {
      #expect(line.sample == line.row * 160 + 400)
      #expect(line.time == Double(line.sample) / 16_000)
    }
  }

  @Test("JSON Lines go into files, too")
  func lineFiles() async throws {
    let folder = try TemporaryFolder()
    let arguments = ["features", "--format", "jsonl", "--out"]
    let file = try await ChildProcess(attnd, arguments + [folder.path, Self.clip]).wait()
    let output = try await ChildProcess(attnd, arguments + ["-", Self.clip]).wait()
    #expect(file.status == 0)
    let bytes = try fileBytes(folder.path + "/noise.jsonl")
    #expect(String(decoding: bytes, as: UTF8.self) == output.output)
  }

  @Test("Arrays on standard output stand in the order of the recordings, whatever -j")
  func standardOutput() async throws {
    let folder = try TemporaryFolder()
    let names = ["keywords", "noise", "demo"]
    let files = names.map { fixture("\($0).flac") }
    let written = try await ChildProcess(
      attnd, ["features", "--out", folder.path] + files
    ).wait()
    #expect(written.status == 0)
    let expected = try names.flatMap { try fileBytes("\(folder.path)/\($0).npy") }
    for jobs in ["1", "3"] {
      // By way of a file: the output isn't text.
      let stream = "\(folder.path)/stream.\(jobs)"
      let outcome = try await ChildProcess(
        "/bin/sh",
        ["-c", "\"$0\" features -j \(jobs) --out - \"$@\" > \"$STREAM\"", attnd] + files,
        environment: ["STREAM": stream]
      ).wait()
      #expect(outcome.status == 0)
      #expect(try fileBytes(stream) == expected, "-j \(jobs)")
    }
  }

  @Test("A reader that goes away ends it in silence and with success", arguments: ["npy", "jsonl"])
  func brokenPipe(format: String) async throws {
    let outcome = try await ChildProcess(
      "/bin/sh",
      [
        "-c",
        "{ \"$0\" features --format \(format) --out - \"$1\" \"$1\" \"$1\"; echo $? >&2; } "
          + "| head -c 8 > /dev/null",
        attnd, fixture("demo.flac"),
      ]
    ).wait()
    #expect(outcome.errors == "0\n")
  }

  @Test("One bad recording is a line on standard error; the others go on, and the end is 65")
  func badFiles() async throws {
    let folder = try TemporaryFolder()
    let empty = try folder.file("empty.wav", [])
    let whole = try fileBytes(Self.clip)
    let cut = try folder.file("cut.flac", Array(whole.prefix(whole.count / 2)))
    let out = folder.path + "/rows"
    let outcome = try await ChildProcess(
      attnd, ["features", "--out", out, empty, cut, Self.clip]
    ).wait()
    #expect(outcome.status == 65)
    try #require(outcome.errorLines.count == 3, "\(outcome.errors)")
    #expect(outcome.errorLines[0].contains(empty))
    #expect(outcome.errorLines[1].contains(cut))
    #expect(outcome.errorLines[2] == "attnd: 2 of 3 recordings failed")
    let left = try FileManager.default.contentsOfDirectory(atPath: out)
    #expect(left == ["noise.npy"], "nothing half is left")
  }

  @Test("A recording shorter than a frame is an array of no rows, and cannot be drawn")
  func short() async throws {
    let folder = try TemporaryFolder()
    let click = try folder.file("click.wav", waveFile([0.5, -0.5, 0.25]))
    let written = try await ChildProcess(
      attnd, ["features", "--front-end", "kaldi-logmel", "--out", folder.path, click]
    ).wait()
    #expect(written.status == 0)
    #expect(try array(folder.path + "/click.npy").shape == [0, 40])
    let drawn = try await ChildProcess(
      attnd, ["features", "--plot", folder.path + "/click.png", click]
    ).wait()
    #expect(drawn.status == 65)
    #expect(drawn.errors.contains("\(click): has no row to draw"))
  }

  @Test("A folder that cannot be written to is named, and the end is 73")
  func unwritable() async throws {
    let folder = try TemporaryFolder()
    let file = try folder.file("file", [1])
    for option in ["--out", "--plot"] {
      let outcome = try await ChildProcess(
        attnd, ["features", option, file + "/below/", Self.clip]
      ).wait()
      #expect(outcome.status == 73, "\(option): \(outcome.errors)")
      #expect(outcome.errorLines.count == 1)
      #expect(outcome.errors.contains(file))
    }
  }

  @Test("Two recordings that would be one file are refused before anything is written")
  func collision() async throws {
    let folder = try TemporaryFolder()
    let other = try folder.file("noise.wav", waveFile([Float](repeating: 0, count: 1_000)))
    for arguments in [["--out", folder.path], ["--plot", folder.path]] {
      let outcome = try await ChildProcess(
        attnd, ["features"] + arguments + [Self.clip, other]
      ).wait()
      #expect(outcome.status == 73)
      #expect(outcome.errors.contains("would both be written to"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["noise.wav"])
    let outside = try await ChildProcess(
      attnd, ["features", "--root", folder.path, "--out", folder.path, Self.clip]
    ).wait()
    #expect(outside.status == 66)
  }

  @Test("--root keeps folders")
  func root() async throws {
    let folder = try TemporaryFolder()
    let fixtures = String(Self.clip.dropLast("/noise.flac".count))
    let parent = String(fixtures.prefix { _ in true }.dropLast("/Fixtures".count))
    let outcome = try await ChildProcess(
      attnd, ["features", "--root", parent, "--out", folder.path, Self.clip]
    ).wait()
    #expect(outcome.status == 0)
    #expect(try array(folder.path + "/Fixtures/noise.npy").shape[0] > 250)
  }

  @Test("A long recording is written in pieces, and as a whole")
  func long() async throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64(seed: 4)
    // 60 s in steps of a sixteenth of the usual hop: 15 MB of rows.
    let sound = try folder.file("long.wav", waveFile(random.floats(960_000, scale: 0.5)))
    let outcome = try await ChildProcess(
      attnd,
      ["features", "--front-end", "kaldi-logmel", "--hop", "10", "--out", folder.path, sound]
    ).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let written = try array(folder.path + "/long.npy")
    #expect(written.shape == [95_961, 40])
    var frontEnd = FrontEnd.kaldiLogMel()
    frontEnd.hop = 10
    let expected = try rows(of: sound, frontEnd)
    #expect(try written.floats == expected)
  }
}

@Suite("NumPy files")
struct NumPyFileTests {
  @Test(
    "An array is read back as it was, its data on a 64-byte boundary",
    arguments: [0, 1, 3, 500, 1_000_000_000_000])
  func header(rows: Int) throws {
    let header = NumPyFile.header(rows: rows, columns: 40)
    #expect(header.count == NumPyFile.headerSize)
    #expect(header.last == UInt8(ascii: "\n"))
    guard rows <= 500 else { return }
    let values = (0..<rows * 40).map { Float($0) * 0.25 - 7 }
    let bytes = header + values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    let array = try GoldenArray(npy: bytes, name: "written")
    #expect(array.shape == [rows, 40])
    #expect(try array.floats == values)
  }
}
