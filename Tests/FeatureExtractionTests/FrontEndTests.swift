import FeatureExtraction
import Testing

/// A front end that cannot be: what is changed, which number is to blame, what could be.
struct BadFrontEnd: Sendable, CustomTestStringConvertible {
  let name: String
  let found: String
  let expected: String
  let change: @Sendable (inout FrontEnd) -> Void

  init(
    _ name: String, _ found: String, _ expected: String,
    _ change: @escaping @Sendable (inout FrontEnd) -> Void
  ) {
    self.name = name
    self.found = found
    self.expected = expected
    self.change = change
  }

  var testDescription: String { "\(name) \(found)" }

  static let smallest = "\(Float.leastNormalMagnitude) to 1e+30"

  /// PCEN with one number changed.
  static func pcen(
    _ name: String, _ expected: String, _ value: Float,
    _ path: any WritableKeyPath<FrontEnd.PCEN, Float> & Sendable
  ) -> BadFrontEnd {
    BadFrontEnd(name, "\(value)", expected) { frontEnd in
      var pcen = FrontEnd.PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1e-6)
      pcen[keyPath: path] = value
      frontEnd.compression = .pcen(pcen)
    }
  }

  /// A transform's size that is too small for the frame or too large, odd, or has a prime above 5.
  static func fftSize(_ size: Int) -> BadFrontEnd {
    BadFrontEnd(
      "fft_size", "\(size)", "an even number from 400 to 16384 with no prime factor above 5"
    ) { $0.fftSize = size }
  }

  static let all: [BadFrontEnd] = [
    BadFrontEnd("sample_rate", "999", "1000 to 384000") { $0.sampleRate = 999 },
    BadFrontEnd("sample_rate", "384001", "1000 to 384000") { $0.sampleRate = 384_001 },
    BadFrontEnd("sample_rate", "\(Int.min)", "1000 to 384000") { $0.sampleRate = .min },
    BadFrontEnd("frame_length", "15", "16 to 16384") { $0.frameLength = 15 },
    BadFrontEnd("frame_length", "16385", "16 to 16384") { $0.frameLength = 16_385 },
    BadFrontEnd("frame_length", "\(Int.max)", "16 to 16384") { $0.frameLength = .max },
    BadFrontEnd("hop", "0", "1 to 400") { $0.hop = 0 },
    BadFrontEnd("hop", "-1", "1 to 400") { $0.hop = -1 },
    BadFrontEnd("hop", "401", "1 to 400") { $0.hop = 401 },
    fftSize(256), fftSize(.min), fftSize(0), fftSize(398), fftSize(405), fftSize(406),
    fftSize(502), fftSize(16_386), fftSize(32_768), fftSize(.max),
    BadFrontEnd("pre_emphasis", "-0.01", "0.0 to 1.0") { $0.preEmphasis = -0.01 },
    BadFrontEnd("pre_emphasis", "1.01", "0.0 to 1.0") { $0.preEmphasis = 1.01 },
    BadFrontEnd("pre_emphasis", "nan", "0.0 to 1.0") { $0.preEmphasis = .nan },
    BadFrontEnd("sample_scale", "0.0", "9.536743e-07 to 1048576.0") { $0.sampleScale = 0 },
    BadFrontEnd("sample_scale", "inf", "9.536743e-07 to 1048576.0") { $0.sampleScale = .infinity },
    BadFrontEnd("sample_scale", "nan", "9.536743e-07 to 1048576.0") { $0.sampleScale = .nan },
    BadFrontEnd("bins", "0", "1 to 256") { $0.bins = 0 },
    BadFrontEnd("bins", "257", "1 to 256") { $0.bins = 257 },
    BadFrontEnd("bins", "256", "257 with mel_scale none") { $0.withoutFilters { $0.bins = 256 } },
    BadFrontEnd("bins", "40", "257 with mel_scale none") { $0.melScale = .none },
    BadFrontEnd("low_hz", "20.0", "0.0 with mel_scale none") {
      $0.withoutFilters { $0.lowFrequency = 20 }
    },
    BadFrontEnd("high_hz", "7600.0", "8000.0 with mel_scale none") {
      $0.withoutFilters { $0.highFrequency = 7_600 }
    },
    BadFrontEnd("low_hz", "-1.0", "0.0 to 8000.0") { $0.lowFrequency = -1 },
    BadFrontEnd("low_hz", "nan", "0.0 to 8000.0") { $0.lowFrequency = .nan },
    BadFrontEnd("high_hz", "8000.5", "0.0 to 8000.0") { $0.highFrequency = 8_000.5 },
    BadFrontEnd("high_hz", "inf", "0.0 to 8000.0") { $0.highFrequency = .infinity },
    BadFrontEnd("high_hz", "20.0", "more than low_hz, 20.0") { $0.highFrequency = 20 },
    BadFrontEnd("floor", "0.0", smallest) { $0.compression = .log(floor: 0) },
    BadFrontEnd("floor", "nan", smallest) { $0.compression = .log(floor: .nan) },
    BadFrontEnd("floor", "inf", smallest) { $0.compression = .log(floor: .infinity) },
    BadFrontEnd("floor", "0.0", smallest) { $0.compression = .decibels(floor: 0) },
    BadFrontEnd("floor", "2e+30", smallest) { $0.compression = .decibels(floor: 2e30) },
    pcen("smoothing", "9.536743e-07 to 1.0", 0, \.smoothing),
    pcen("smoothing", "9.536743e-07 to 1.0", .nan, \.smoothing),
    pcen("gain", "0.0 to 1.0", -0.1, \.gain),
    pcen("gain", "0.0 to 1.0", 1.5, \.gain),
    pcen("bias", "0.0 to 1000000.0", -1, \.bias),
    pcen("bias", "0.0 to 1000000.0", .infinity, \.bias),
    pcen("power", "0.0009765625 to 1.0", 0, \.power),
    pcen("power", "0.0009765625 to 1.0", 2, \.power),
    pcen("epsilon", "1e-30 to 1e+30", 0, \.epsilon),
    pcen("epsilon", "1e-30 to 1e+30", .nan, \.epsilon),
    BadFrontEnd("cepstra.count", "0", "1 to 40") { $0.cepstra = .init(count: 0) },
    BadFrontEnd("cepstra.count", "41", "1 to 40") { $0.cepstra = .init(count: 41) },
    BadFrontEnd("cepstra.count", "\(Int.max)", "1 to 40") { $0.cepstra = .init(count: .max) },
    BadFrontEnd("cepstra.lifter", "-1.0", "0.0 to 1000.0") {
      $0.cepstra = .init(count: 13, lifter: -1)
    },
    BadFrontEnd("cepstra.lifter", "nan", "0.0 to 1000.0") {
      $0.cepstra = .init(count: 13, lifter: .nan)
    },
    BadFrontEnd("deltas", "-1", "0 to 2") { $0.deltas = -1 },
    BadFrontEnd("deltas", "3", "0 to 2") { $0.deltas = 3 },
    BadFrontEnd("deltas", "\(Int.max)", "0 to 2") { $0.deltas = .max },
    BadFrontEnd("running.rate", "0.0", "6.1035156e-05 to 0.5") {
      $0.running = .init(rate: 0, start: .warm)
    },
    BadFrontEnd("running.rate", "1.0", "6.1035156e-05 to 0.5") {
      $0.running = .init(rate: 1, start: .model)
    },
    BadFrontEnd("running.rate", "nan", "6.1035156e-05 to 0.5") {
      $0.running = .init(rate: .nan, start: .warm)
    },
  ]
}

extension FrontEnd {
  /// Makes rows the power spectrum itself, then changes something.
  fileprivate mutating func withoutFilters(_ change: (inout FrontEnd) -> Void) {
    melScale = .none
    bins = 257
    lowFrequency = 0
    highFrequency = 8_000
    change(&self)
  }
}

@Suite("Front end")
struct FrontEndTests {
  @Test("A number that can't be is refused by name, with what can be", arguments: BadFrontEnd.all)
  func refused(bad: BadFrontEnd) {
    var frontEnd = FrontEnd()
    bad.change(&frontEnd)
    let sentence = "front end: \(bad.name) is \(bad.found), expected \(bad.expected)"
    let byItself = #expect(throws: FrontEndError.self) { try frontEnd.validate() }
    #expect(byItself?.description == sentence)
    let byExtractor = #expect(throws: FrontEndError.self) { _ = try FeatureExtractor(frontEnd) }
    #expect(byExtractor?.description == sentence)
  }

  @Test("Numbers at their limits are accepted and give rows")
  func limits() throws {
    var smallest = FrontEnd()
    smallest.sampleRate = 1_000
    smallest.frameLength = 16
    smallest.hop = 1
    smallest.fftSize = 16
    smallest.bins = 1
    smallest.lowFrequency = 0
    smallest.highFrequency = 500
    smallest.preEmphasis = 1
    smallest.sampleScale = 0x1p-20
    var largest = FrontEnd()
    largest.sampleRate = 384_000
    largest.frameLength = 16_384
    largest.hop = 16_384
    largest.fftSize = 16_384
    largest.bins = 512
    largest.highFrequency = 192_000
    largest.preEmphasis = 0
    largest.sampleScale = 0x1p20
    largest.cepstra = .init(count: 512, lifter: 1_000, energy: true)
    largest.deltas = 2
    largest.running = .init(rate: 0.5, start: .model)
    var widest = FrontEnd()
    widest.fftSize = 16_384
    widest.melScale = .none
    widest.bins = 8_193
    widest.lowFrequency = 0
    widest.deltas = 2
    widest.running = .init(rate: 0x1p-14, start: .warm)
    for frontEnd in [FrontEnd(), smallest, largest, widest] {
      let samples = [Float](repeating: 0.5, count: 2 * frontEnd.frameLength)
      let rows = try rows(of: samples, frontEnd)
      #expect(rows.count == frontEnd.rows(inSamples: samples.count))
      #expect(rows.count > 1)
      for row in rows {
        #expect(row.count == frontEnd.rowLength)
        #expect(allFinite(row))
      }
    }
  }

  @Test("Every size of the form 2^a 3^b 5^c can be a transform's, and no other")
  func transformSizes() {
    var sizes: Set<Int> = []
    for a in 1...14 {
      for b in 0...9 {
        for c in 0...6 {
          let size = (0..<b).reduce(1 << a) { size, _ in size * 3 }
          sizes.insert((0..<c).reduce(size) { size, _ in size * 5 })
        }
      }
    }
    for size in -10...40_000 {
      let expected = sizes.contains(size) && (16...16_384).contains(size)
      #expect(FrontEnd.isTransformSize(size) == expected, "\(size)")
    }
  }

  @Test("The presets are valid, and their rows as long as one would think")
  func presets() throws {
    let lengths = [40, 80, 13, 13, 40, 257]
    for (named, length) in zip(NamedFrontEnd.presets, lengths) {
      #expect(named.frontEnd.rowLength == length, "\(named.name)")
      #expect(throws: Never.self, "\(named.name)") { try named.frontEnd.validate() }
      let silence = [Float](repeating: 0, count: 16_000)
      for row in try rows(of: silence, named.frontEnd) { #expect(row.count == length) }
    }
    #expect(FrontEnd.kaldiLogMel() == FrontEnd())
    #expect(FrontEnd.kaldiLogMel(bins: 80).rowLength == 80)
    var frontEnd = FrontEnd.kaldiMFCC
    frontEnd.deltas = 2
    #expect(frontEnd.rowLength == 39)
    #expect(frontEnd.deltaDelay == 4)
  }

  @Test("Rows and their ends are those of Kaldi and librosa")
  func rowsAndEnds() {
    let second = 16_000
    var frontEnd = FrontEnd()
    #expect(frontEnd.rows(inSamples: second) == 98)
    #expect(frontEnd.endPosition(ofRow: 97) == 15_920)
    frontEnd.edges = .mirror
    #expect(frontEnd.rows(inSamples: second) == 100)
    #expect(frontEnd.endPosition(ofRow: 0) == 280)
    for edges in [FrontEnd.Edges.reflect, .zero] {
      frontEnd.edges = edges
      #expect(frontEnd.rows(inSamples: second) == 101)
      #expect(frontEnd.rows(inSamples: second - 1) == 100)
      #expect(frontEnd.endPosition(ofRow: 0) == 200)
      #expect(frontEnd.endPosition(ofRow: 100) == second + 200)
    }
    // Zeros stand beside any recording; the farthest sample that is reflected is number 200.
    frontEnd.edges = .zero
    #expect([0, 1, 159, 160].map(frontEnd.rows(inSamples:)) == [0, 1, 1, 2])
    frontEnd.edges = .reflect
    #expect([0, 1, 200, 201].map(frontEnd.rows(inSamples:)) == [0, 0, 0, 2])
  }

  @Test("A window function is symmetric, between 0 and 1, highest in the middle")
  func windows() {
    for window in [WindowFunction.povey, .hamming, .hann, .rectangular] {
      for length in [2, 3, 16, 25, 400] {
        let taper = window.coefficients(length: length)
        #expect(taper.count == length)
        for i in 0..<length {
          #expect((0...1).contains(taper[i]), "\(window), \(i) of \(length)")
          #expect(abs(taper[i] - taper[length - 1 - i]) < 1e-7, "\(window), \(i) of \(length)")
        }
        #expect(taper.max() == taper[length / 2])
      }
    }
  }

  @Test("A periodic window is a symmetric one without its last coefficient")
  func periodicWindows() {
    for (periodic, symmetric) in [
      (WindowFunction.periodicHann, WindowFunction.hann), (.periodicHamming, .hamming),
    ] {
      for length in [2, 3, 16, 25, 400, 512] {
        #expect(
          periodic.coefficients(length: length)
            == Array(symmetric.coefficients(length: length + 1).dropLast()), "\(length)")
      }
    }
  }
}
