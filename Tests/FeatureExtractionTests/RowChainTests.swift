import FeatureExtraction
import Glibc
import TestSupport
import Testing

@Suite("Row chain")
struct RowChainTests {
  private static func compressed(_ energies: [Float], _ frontEnd: FrontEnd) throws -> [Float] {
    let chain = try RowChain(frontEnd)
    var energies = energies
    energies.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      chain.compress(base, count: buffer.count)
    }
    return energies
  }

  @Test("Eight rows compressed at once have the bits of each by itself", .seed(101))
  func compressedTogether() throws {
    var random = SplitMix64()
    for compression in [.linear, .log(floor: 1e-3), FrontEnd.Compression.decibels(floor: 1e-10)] {
      for bins in [1, 7, 23, 40] {
        var frontEnd = FrontEnd.kaldiLogMel(bins: bins)
        frontEnd.compression = compression
        let energies = random.floats(8 * bins).map { exp(40 * $0) }
        let together = try Self.compressed(energies, frontEnd)
        for row in 0..<8 {
          let part = row * bins..<(row + 1) * bins
          #expect(
            bits([try Self.compressed(Array(energies[part]), frontEnd)])
              == bits([Array(together[part])]), "\(compression), row \(row) of \(bins) bins")
        }
      }
    }
  }

  @Test("Decibels are those of the energy, at the floor exactly, and nowhere less")
  func decibels() throws {
    let floors: [(Float, Float)] = [(1e-10, -100), (1, 0), (1e-3, -30), (0x1p-126, -379.2978)]
    for (floor, lowest) in floors {
      var frontEnd = FrontEnd.librosaLogMel()
      frontEnd.compression = .decibels(floor: floor)
      let below = [0, -0.0, -1, .nan, floor / 2, floor.nextDown, floor]
      for energy in below {
        #expect(try Self.compressed([energy], frontEnd) == [lowest], "\(energy)")
      }
      var energy = floor
      for step in 0..<4_000 {
        energy = step < 1_000 ? energy.nextUp : energy * 1.02
        let got = try #require(try Self.compressed([energy], frontEnd).first)
        let expected = 10 * log10(Double(min(energy, 1e30)))
        #expect(got >= lowest, "\(energy)")
        #expect(abs(Double(got) - expected) <= 4e-7 * abs(expected) + 1e-6, "\(energy)")
      }
    }
  }

  @Test("A constant has no differences, whatever its size")
  func constant() throws {
    for value in [0, 1, -3.3333333, 17.17, 1e30, 0x1p-130] as [Float] {
      var frontEnd = FrontEnd.kaldiLogMel(bins: 3)
      frontEnd.deltas = 2
      for count in 1...12 {
        let rows = try rows(of: Array(repeating: [value, value, value], count: count), frontEnd)
        #expect(rows.count == count)
        for row in rows { #expect(row == [value, value, value, 0, 0, 0, 0, 0, 0]) }
      }
    }
  }

  @Test("Differences are Kaldi's sums over rows clamped at the ends, for any number of rows")
  func differences() throws {
    let taps: [[Double]] = [
      [-0.2, -0.1, 0, 0.1, 0.2], [0.04, 0.04, 0.01, -0.04, -0.1, -0.04, 0.01, 0.04, 0.04],
    ]
    var random = SplitMix64(seed: 102)
    for orders in 1...2 {
      for count in 0...14 {
        var frontEnd = FrontEnd.kaldiLogMel(bins: 5)
        frontEnd.deltas = orders
        let input = (0..<count).map { _ in random.floats(5, scale: 16) }
        let got = try rows(of: input, frontEnd)
        #expect(got.count == count)
        for (t, row) in got.enumerated() {
          for order in 1...orders {
            for bin in 0..<5 {
              let half = taps[order - 1].count / 2
              let expected = taps[order - 1].enumerated().reduce(0.0) { sum, tap in
                sum + tap.1 * Double(input[max(0, min(count - 1, t + tap.0 - half))][bin])
              }
              #expect(abs(Double(row[5 * order + bin]) - expected) < 5e-6, "\(t) of \(count)")
            }
          }
        }
      }
    }
  }

  @Test("A row with differences leaves as soon as those after it are there")
  func delay() throws {
    for orders in 0...2 {
      var frontEnd = FrontEnd.kaldiLogMel(bins: 2)
      frontEnd.deltas = orders
      var chain = try RowChain(frontEnd)
      for taken in 1...20 {
        var row: [Float] = [Float(taken), 1]
        var given: [Float] = []
        row.withUnsafeMutableBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          chain.push(base, frameEnergy: 0) { given.append($0[0]) }
        }
        let late = taken - 2 * orders
        #expect(given == (late > 0 ? [Float(late)] : []), "row \(taken), order \(orders)")
        #expect(chain.rows == max(0, late))
      }
    }
  }

  @Test("Cepstra are the orthonormal cosine transform, liftered; the energy replaces the first")
  func cepstra() throws {
    var random = SplitMix64(seed: 103)
    let cases: [(Int, Int, Float)] = [(23, 13, 22), (40, 40, 0), (1, 1, 22), (17, 16, 5.5)]
    for (bins, count, lifter) in cases {
      var frontEnd = FrontEnd.kaldiLogMel(bins: bins)
      for energy in [false, true] {
        frontEnd.cepstra = .init(count: count, lifter: lifter, energy: energy)
        let input = [random.floats(bins, scale: 20)]
        let got = try rows(of: input, energies: [1_234], frontEnd)[0]
        #expect(got.count == count)
        for (k, coefficient) in got.enumerated() {
          let sum = input[0].enumerated().reduce(0.0) { sum, element in
            let angle = Double.pi * Double(k) * (Double(element.0) + 0.5) / Double(bins)
            return sum + Double(element.1) * cos(angle)
          }
          let weight =
            lifter > 0 ? 1 + Double(lifter) / 2 * sin(Double.pi * Double(k) / Double(lifter)) : 1
          let scale = (Double(k == 0 ? 1 : 2) / Double(bins)).squareRoot()
          let expected = k == 0 && energy ? log(1_234) : weight * scale * sum
          #expect(abs(Double(coefficient) - expected) < 2e-4, "\(k) of \(count), \(lifter)")
        }
      }
    }
  }

  @Test("The energy of silence is its floor in a cepstrum, and so is that of a NaN")
  func silentEnergy() throws {
    var frontEnd = FrontEnd.kaldiLogMel(bins: 2)
    frontEnd.cepstra = .init(count: 1, energy: true)
    for silence in [0, -1, .nan, 0x1p-24] as [Float] {
      let got = try rows(of: [[1, 2]], energies: [silence], frontEnd)
      #expect(abs(Double(got[0][0]) - log(0x1p-23)) < 4e-6, "\(silence)")
    }
  }

  @Test("Running normalisation gives weighted means and deviations of the rows so far", .seed(104))
  func moments() throws {
    var random = SplitMix64()
    for rate in [0.5, 0.1, 0x1p-7] as [Float] {
      var frontEnd = FrontEnd.kaldiLogMel(bins: 3)
      frontEnd.running = .init(rate: rate, start: .warm)
      let input = (0..<60).map { _ in random.floats(3, scale: 8) }
      let got = try rows(of: input, frontEnd)
      #expect(got[0] == [0, 0, 0])
      var weights: [Double] = []
      for (t, row) in got.enumerated() {
        // Every row's weight fades by 1 - a with each row after it.
        let a = max(Double(rate), 1 / Double(t + 1))
        weights = weights.map { $0 * (1 - a) } + [a]
        for bin in 0..<3 {
          let x = input[...t].map { Double($0[bin]) }
          let mean = zip(weights, x).reduce(0) { $0 + $1.0 * $1.1 }
          let variance = zip(weights, x).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) }
          let expected = (x[t] - mean) / (variance + 1e-5).squareRoot()
          let tolerance = 1e-5 / (variance + 1e-5).squareRoot() + 2e-6
          #expect(abs(Double(row[bin]) - expected) <= tolerance, "row \(t), bin \(bin), \(rate)")
        }
      }
    }
  }

  @Test("The model's mean and scale are applied after a warm start, and are the other start")
  func meanAndScale() throws {
    var random = SplitMix64(seed: 105)
    var frontEnd = FrontEnd.kaldiLogMel(bins: 4)
    let (mean, scale) = ([1, -2, 3, 0] as [Float], [0.5, 2, 1, 0.25] as [Float])
    let input = (0..<30).map { _ in random.floats(4, scale: 8) }
    frontEnd.running = .init(rate: 0.05, start: .warm)
    let plain = try rows(of: input, frontEnd)
    let expected = plain.map { row in (0..<4).map { (row[$0] - mean[$0]) * scale[$0] } }
    #expect(bits(try rows(of: input, frontEnd, mean: mean, scale: scale)) == bits(expected))

    frontEnd.running = .init(rate: 0.05, start: .model)
    let fromModel = try rows(of: input, frontEnd, mean: mean, scale: scale)
    for i in 0..<4 {
      // The first row by the equations; `golden` holds the others to them.
      let distance = Double(input[0][i] - mean[i])
      let variance = 0.95 * (1 / Double(scale[i] * scale[i]) + 0.05 * distance * distance)
      let expected = 0.95 * distance / (variance + 1e-5).squareRoot()
      #expect(abs(Double(fromModel[0][i]) - expected) < 1e-5, "element \(i)")
    }
  }

  @Test("A running normalisation that starts from the model needs deviations")
  func badModelStart() {
    var frontEnd = FrontEnd.kaldiLogMel(bins: 2)
    frontEnd.running = .init(rate: 0.01, start: .model)
    let cases: [(Float, String)] = [(0, "0.0"), (-1, "-1.0"), (.nan, "nan"), (1e9, "1e+09")]
    for (bad, found) in cases {
      let error = #expect(throws: FrontEndError.self) {
        _ = try FeatureExtractor(frontEnd, scale: [1, bad])
      }
      #expect(
        error?.description
          == "front end: feature.scale[1] is \(found), expected 1e-18 to 1e+08")
    }
    let error = #expect(throws: FrontEndError.self) {
      _ = try FeatureExtractor(frontEnd, mean: [1e19, 0])
    }
    #expect(
      error?.description == "front end: feature.mean[0] is 1e+19, expected -1e+18 to 1e+18")
  }
}
