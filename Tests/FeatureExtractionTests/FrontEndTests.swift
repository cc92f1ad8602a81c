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

  static let all: [BadFrontEnd] = [
    BadFrontEnd("sample_rate", "999", "1000 to 384000") { $0.sampleRate = 999 },
    BadFrontEnd("sample_rate", "384001", "1000 to 384000") { $0.sampleRate = 384_001 },
    BadFrontEnd("sample_rate", "\(Int.min)", "1000 to 384000") { $0.sampleRate = .min },
    BadFrontEnd("frame_length", "15", "16 to 8192") { $0.frameLength = 15 },
    BadFrontEnd("frame_length", "8193", "16 to 8192") { $0.frameLength = 8_193 },
    BadFrontEnd("frame_length", "\(Int.max)", "16 to 8192") { $0.frameLength = .max },
    BadFrontEnd("hop", "0", "1 to 400") { $0.hop = 0 },
    BadFrontEnd("hop", "-1", "1 to 400") { $0.hop = -1 },
    BadFrontEnd("hop", "401", "1 to 400") { $0.hop = 401 },
    BadFrontEnd("fft_size", "256", "400 to 8192") { $0.fftSize = 256 },
    BadFrontEnd("fft_size", "16384", "400 to 8192") { $0.fftSize = 16_384 },
    BadFrontEnd("fft_size", "500", "a power of two from 64 to 8192") { $0.fftSize = 500 },
    BadFrontEnd("fft_size", "32", "a power of two from 64 to 8192") {
      $0.frameLength = 20
      $0.hop = 10
      $0.fftSize = 32
    },
    BadFrontEnd("pre_emphasis", "-0.01", "0.0 to 1.0") { $0.preEmphasis = -0.01 },
    BadFrontEnd("pre_emphasis", "1.01", "0.0 to 1.0") { $0.preEmphasis = 1.01 },
    BadFrontEnd("pre_emphasis", "nan", "0.0 to 1.0") { $0.preEmphasis = .nan },
    BadFrontEnd("sample_scale", "0.0", "9.536743e-07 to 1048576.0") { $0.sampleScale = 0 },
    BadFrontEnd("sample_scale", "inf", "9.536743e-07 to 1048576.0") { $0.sampleScale = .infinity },
    BadFrontEnd("sample_scale", "nan", "9.536743e-07 to 1048576.0") { $0.sampleScale = .nan },
    BadFrontEnd("bins", "0", "1 to 256") { $0.bins = 0 },
    BadFrontEnd("bins", "257", "1 to 256") { $0.bins = 257 },
    BadFrontEnd("low_hz", "-1.0", "0.0 to 8000.0") { $0.lowFrequency = -1 },
    BadFrontEnd("low_hz", "nan", "0.0 to 8000.0") { $0.lowFrequency = .nan },
    BadFrontEnd("high_hz", "8000.5", "0.0 to 8000.0") { $0.highFrequency = 8_000.5 },
    BadFrontEnd("high_hz", "inf", "0.0 to 8000.0") { $0.highFrequency = .infinity },
    BadFrontEnd("high_hz", "20.0", "more than low_hz, 20.0") { $0.highFrequency = 20 },
    BadFrontEnd("floor", "0.0", smallest) { $0.compression = .log(floor: 0) },
    BadFrontEnd("floor", "nan", smallest) { $0.compression = .log(floor: .nan) },
    BadFrontEnd("floor", "inf", smallest) { $0.compression = .log(floor: .infinity) },
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
  ]
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
    smallest.fftSize = 64
    smallest.bins = 1
    smallest.lowFrequency = 0
    smallest.highFrequency = 500
    smallest.preEmphasis = 1
    smallest.sampleScale = 0x1p-20
    var largest = FrontEnd()
    largest.sampleRate = 384_000
    largest.frameLength = 8_192
    largest.hop = 8_192
    largest.fftSize = 8_192
    largest.bins = 512
    largest.highFrequency = 192_000
    largest.preEmphasis = 0
    largest.sampleScale = 0x1p20
    for frontEnd in [FrontEnd(), smallest, largest] {
      let samples = [Float](repeating: 0.5, count: 2 * frontEnd.frameLength)
      let rows = try rows(of: samples, frontEnd)
      #expect(rows.count == frontEnd.rows(inSamples: samples.count))
      #expect(rows.count > 1)
      for row in rows {
        #expect(row.count == frontEnd.bins)
        #expect(allFinite(row))
      }
    }
  }

  @Test("A window function is symmetric, between 0 and 1, highest in the middle")
  func windows() {
    for window in WindowFunction.allCases {
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
}
