import FeatureExtraction
import Testing

@Suite("Mel triangles")
struct MelTrianglesTests {
  /// The weights of every filter at every bin of the spectrum.
  private static func matrix(_ frontEnd: FrontEnd) -> [[Float]] {
    MelTriangles(frontEnd).filters.map { filter in
      var row = [Float](repeating: 0, count: frontEnd.fftSize / 2 + 1)
      for (i, weight) in filter.weights.enumerated() { row[filter.firstBin + i] = weight }
      return row
    }
  }

  @Test("Neighbouring filters of Kaldi's scale add up to one, and none weighs the Nyquist bin")
  func htk() {
    for bins in [1, 23, 40, 80] {
      let matrix = Self.matrix(.kaldiLogMel(bins: bins))
      #expect(matrix.count == bins)
      let sums = (0...256).map { bin in matrix.reduce(0) { $0 + $1[bin] } }
      // Between the centres of the first and the last filter.
      let first = matrix[0].firstIndex(of: matrix[0].max() ?? 0) ?? 0
      let last = matrix[bins - 1].firstIndex(of: matrix[bins - 1].max() ?? 0) ?? 0
      for bin in first + 1..<max(first + 1, last) { #expect(abs(sums[bin] - 1) < 1e-6, "\(bin)") }
      #expect(sums[0] == 0 && sums[256] == 0)
      #expect(matrix.allSatisfy { $0.allSatisfy { (0...1).contains($0) } })
    }
  }

  @Test("A filter of Slaney's scale has the area of one hertz, where its bins are close enough")
  func slaney() {
    var frontEnd = FrontEnd.librosaLogMel(bins: 40)
    frontEnd.fftSize = 16_384
    for (filter, row) in Self.matrix(frontEnd).enumerated() {
      let area = row.reduce(0.0) { $0 + Double($1) } * 16_000 / 16_384
      #expect(abs(area - 1) < 1e-3, "filter \(filter): \(area)")
    }
  }

  @Test("A filter weighs a run of bins, each more than nothing, within the spectrum")
  func runs() {
    for named in NamedFrontEnd.presets {
      for bins in [1, 2, 40, 128, 256] where named.frontEnd.melScale != .none {
        var frontEnd = named.frontEnd
        frontEnd.bins = bins
        for filter in MelTriangles(frontEnd).filters {
          #expect(filter.weights.allSatisfy { $0 > 0 })
          #expect(filter.firstBin + filter.weights.count <= 257)
        }
      }
    }
  }

  @Test("Without filters every bin weighs itself")
  func none() {
    let matrix = Self.matrix(.powerSpectrum)
    #expect(matrix.count == 257)
    for (bin, row) in matrix.enumerated() {
      #expect(row.enumerated().allSatisfy { $0.element == ($0.offset == bin ? 1 : 0) })
    }
  }
}
