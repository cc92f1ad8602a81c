import FeatureExtraction
import Glibc
import TestSupport
import Testing

/// The files of reference rows; Tests/Golden/README.md, "frontend", says what is in them and how
/// far a row may be from it.
enum GoldenRows: String, CaseIterable, CustomTestStringConvertible {
  case kaldi16k = "kaldi_fbank_16k"
  case kaldi8k48k = "kaldi_fbank_8k_48k"
  case kaldiMFCC = "kaldi_mfcc"
  case librosa
  case pcen
  case deltas
  case runningNormalisation = "running_norm"

  var testDescription: String { rawValue }

  /// Compares every tensor of the file; the worst of each configuration can be printed.
  func check(in folder: GoldenFolder) throws {
    let tensors = try folder.tensors("frontend/\(rawValue).safetensors")
    let ratios =
      switch self {
      case .kaldi16k, .kaldi8k48k: try Self.kaldi(tensors, folder)
      case .kaldiMFCC: try Self.kaldiMFCC(tensors, folder)
      case .librosa: try Self.librosa(tensors, folder)
      case .pcen: try Self.pcen(tensors)
      case .deltas: try Self.deltas(tensors)
      case .runningNormalisation: try Self.runningNormalisation(tensors)
      }
    for ratio in ratios {
      #expect(ratio.count > 0 && ratio.value <= 1, "\(rawValue), \(ratio)")
      ratio.print()
    }
  }

  // fbank40_povey_snip_nopow2.chirp_16k
  private static func kaldi(
    _ tensors: GoldenTensors, _ folder: GoldenFolder
  ) throws -> [WorstRatio] {
    try eachConfiguration(tensors) { name, recording, worst in
      let parts = name.split(separator: "_").map(String.init)
      var frontEnd = FrontEnd.kaldi(
        rate: recording.rate, bins: try #require(Int(parts[0].dropFirst(5))),
        window: try #require(WindowFunction(rawValue: parts[1])),
        edges: parts[2] == "snip" ? .snip : .mirror)
      if parts.last == "nopow2" { frontEnd.fftSize = frontEnd.frameLength }
      let samples = try signal(recording.name, in: folder)
      let loudestSample = 32_768 * Double(samples.map(abs).max() ?? 0)
      compare(try rows(of: samples, frontEnd), with: recording, into: &worst) { frame, bin in
        DefinedRowsTests.tolerance(
          bin, of: recording.reference[frame], loudestSample: loudestSample)
      }
    }
  }

  // mfcc13_energy.noise_16k
  private static func kaldiMFCC(
    _ tensors: GoldenTensors, _ folder: GoldenFolder
  ) throws -> [WorstRatio] {
    try eachConfiguration(tensors) { name, recording, worst in
      var frontEnd = FrontEnd.kaldi(rate: recording.rate, bins: 23)
      frontEnd.cepstra = FrontEnd.kaldiMFCC.cepstra
      frontEnd.cepstra?.energy = name == "mfcc13_energy"
      let samples = try signal(recording.name, in: folder)
      compare(try rows(of: samples, frontEnd), with: recording, into: &worst) { _, _ in 5e-3 }
    }
  }

  // mel40_fft400_reflect.chirp_16k, mfcc20_mel40_fft400_reflect.speechlike_16k
  private static func librosa(
    _ tensors: GoldenTensors, _ folder: GoldenFolder
  ) throws -> [WorstRatio] {
    try eachConfiguration(tensors) { name, recording, worst in
      let parts = name.split(separator: "_").map(String.init)
      let isCepstral = parts[0] == "mfcc20"
      let mel = parts[isCepstral ? 1 : 0]
      var frontEnd = FrontEnd.librosa(
        rate: recording.rate, bins: try #require(Int(mel.dropFirst(3))),
        fftSize: try #require(Int(parts[isCepstral ? 2 : 1].dropFirst(3))),
        edges: parts.last == "reflect" ? .reflect : .zero)
      if isCepstral { frontEnd.cepstra = .init(count: 20) }
      let got = try rows(of: try signal(recording.name, in: folder), frontEnd)
      compare(got, with: recording, into: &worst) { frame, bin in
        if isCepstral { return 2e-3 }
        let reference = recording.reference[frame]
        // The floor is exact.
        guard reference[bin] > -100 else { return 0 }
        let loudest = reference.max() ?? 0
        return 4.34 * (3e-5 + 4e-6 * exp((loudest - reference[bin]) / 8.686))
      }
    }
  }

  // impulses.in, impulses.published_init_first
  private static func pcen(_ tensors: GoldenTensors) throws -> [WorstRatio] {
    // librosa's time constant of 0.4 s, T = 40 rows: s = (sqrt(1 + 4 T^2) - 1) / (2 T^2).
    let timeSquared = 1_600.0
    let librosaSmoothing = ((1 + 4 * timeSquared).squareRoot() - 1) / (2 * timeSquared)
    return try tensors.names.filter { !$0.hasSuffix(".in") }.map { name in
      let parts = name.split(separator: ".").map(String.init)
      let input = try tensors["\(parts[0]).in"].rows.map { $0.map(Float.init) }
      var frontEnd = FrontEnd()
      frontEnd.compression = .publishedPCEN
      if parts[1] == "librosa_default" {
        frontEnd.compression = .pcen(
          .init(
            smoothing: Float(librosaSmoothing), gain: 0.98, bias: 2, power: 0.5, epsilon: 1e-6))
      }
      // A first row of ones is a mean of one before the recording.
      let ones = parts[1] == "published_init_first" ? [] : [[Float](repeating: 1, count: 40)]
      let got = try rows(of: ones + input, frontEnd).dropFirst(ones.count)
      var worst = WorstRatio("pcen \(name)")
      let recording = Recording(name: name, rate: 16_000, reference: try tensors[name].rows)
      compare(Array(got), with: recording, into: &worst) { frame, bin in
        1e-6 + 1e-5 * abs(recording.reference[frame][bin])
      }
      return worst
    }
  }

  private static func deltas(_ tensors: GoldenTensors) throws -> [WorstRatio] {
    let input = try tensors["in"].rows.map { $0.map(Float.init) }
    return try (1...2).flatMap { orders in
      var frontEnd = FrontEnd()
      frontEnd.bins = 13
      frontEnd.deltas = orders
      let got = try rows(of: input, frontEnd)
      #expect(bits(got.map { Array($0[..<13]) }) == bits(input))
      return try (1...orders).map { order in
        var worst = WorstRatio("order \(order) of \(orders)")
        let recording = Recording(
          name: "in", rate: 16_000, reference: try tensors["order\(order)"].rows)
        let part = got.map { Array($0[13 * order..<13 * order + 13]) }
        compare(part, with: recording, into: &worst) { _, _ in 5e-6 }
        return worst
      }
    }
  }

  private static func runningNormalisation(_ tensors: GoldenTensors) throws -> [WorstRatio] {
    let input = try tensors["in"].rows.map { $0.map(Float.init) }
    let starts: [(String, FrontEnd.RunningNormalisation)] = [
      ("fixed", .init(rate: 0x1p-7, start: .model)), ("warm", .init(rate: 0x1p-5, start: .warm)),
    ]
    return try starts.map { name, running in
      var frontEnd = FrontEnd()
      frontEnd.bins = 13
      frontEnd.running = running
      let scale = try tensors["init_var"].doubles.map { Float(1 / $0.squareRoot()) }
      let isWarm = running.start == .warm
      let got = try rows(
        of: input, frontEnd, mean: isWarm ? nil : tensors["init_mean"].floats,
        scale: isWarm ? nil : scale)
      var worst = WorstRatio("running normalisation \(name)")
      let recording = Recording(
        name: name, rate: 16_000, reference: try tensors["\(name).out"].rows)
      let sigma = try tensors["\(name).sigma"].rows
      compare(got, with: recording, into: &worst) { 1e-5 / sigma[$0][$1] + 2e-6 }
      return worst
    }
  }

  /// A recording by its name, and what should come of it.
  private struct Recording {
    let name: String
    let rate: Int
    let reference: [[Double]]
  }

  /// Compares all recordings of each configuration: CONFIGURATION.SIGNAL_RATE.
  private static func eachConfiguration(
    _ tensors: GoldenTensors,
    _ compare: (_ name: String, Recording, inout WorstRatio) throws -> Void
  ) throws -> [WorstRatio] {
    try tensors.cases(before: ".").map { configuration in
      var worst = WorstRatio(configuration)
      for name in tensors.names where name.hasPrefix(configuration + ".") {
        let recording = String(name.dropFirst(configuration.count + 1))
        let rate = ["8k": 8_000, "16k": 16_000, "48k": 48_000][recording.split { $0 == "_" }[1]]
        try compare(
          configuration,
          Recording(name: recording, rate: try #require(rate), reference: try tensors[name].rows),
          &worst)
      }
      return worst
    }
  }

  private static func compare(
    _ rows: [[Float]], with recording: Recording, into worst: inout WorstRatio,
    tolerance: (_ frame: Int, _ element: Int) -> Double
  ) {
    let name = "\(worst.name), \(recording.name)"
    #expect(rows.count == recording.reference.count, "\(name): number of rows")
    for (frame, (row, reference)) in zip(rows, recording.reference).enumerated() {
      #expect(row.count == reference.count, "\(name): elements of row \(frame)")
      for (element, (got, expected)) in zip(row, reference).enumerated() {
        worst.add(
          got: got, reference: expected, tolerance: tolerance(frame, element),
          at: "\(recording.name), row \(frame), element \(element)")
      }
    }
  }
}

@Suite("Rows against the committed reference vectors")
struct GoldenRowsTests {
  @Test("Every recording gives the reference's rows", arguments: GoldenRows.allCases)
  func golden(file: GoldenRows) throws { try file.check(in: .committed) }
}

@Suite(
  "Rows against the full set of reference vectors",
  .enabled(if: GoldenFolder.full != nil, "skipped: no ATTND_GOLDEN"))
struct FullGoldenRowsTests {
  @Test("Every recording gives the reference's rows", arguments: GoldenRows.allCases)
  func golden(file: GoldenRows) throws {
    try file.check(in: try #require(GoldenFolder.full))
  }
}
