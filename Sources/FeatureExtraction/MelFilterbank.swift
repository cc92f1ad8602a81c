import Glibc
import Kernels

/// Power spectrum -> mel energies: overlapping triangles, each stored from its first bin to its
/// last.
///
/// Kaldi's convention: `mel(f) = 1127 ln(1 + f / 700)` (HTK book, section 5.4), triangles linear
/// in mel with peak 1 and no area normalisation; the Nyquist bin is never used.
struct MelFilterbank: ~Copyable {
  /// A filter's place: its first bin of the spectrum, its bins, where its weights begin.
  private struct Filter {
    let firstBin: Int
    let count: Int
    let weights: Int
  }

  private let filters: [Filter]
  private let weights: FloatBuffer

  /// Makes the triangles for a front end.
  ///
  /// - Parameter frontEnd: The number of bins, the edges, the rate and the transform's size.
  init(_ frontEnd: FrontEnd) {
    let low = Self.mel(frontEnd.lowFrequency)
    let high = Self.mel(frontEnd.highFrequency)
    let width = (high - low) / Double(frontEnd.bins + 1)
    let binWidth = Double(frontEnd.sampleRate) / Double(frontEnd.fftSize)

    var filters: [Filter] = []
    var table: [Float] = []
    for filter in 0..<frontEnd.bins {
      let left = low + Double(filter) * width
      let centre = left + width
      let right = centre + width
      var first = 0
      var row: [Float] = []
      for bin in 0..<frontEnd.fftSize / 2 {
        let mel = Self.mel(Double(bin) * binWidth)
        guard mel > left, mel < right else { continue }
        if row.isEmpty { first = bin }
        row.append(Float(mel <= centre ? (mel - left) / width : (right - mel) / width))
      }
      filters.append(Filter(firstBin: first, count: row.count, weights: table.count))
      table += row
    }
    self.filters = filters
    weights = FloatBuffer(table)
  }

  /// Frequency in hertz to mel.
  static func mel(_ frequency: Double) -> Double { 1_127 * Glibc.log(1 + frequency / 700) }

  /// Sums a power spectrum under each triangle.
  func apply(_ power: UnsafePointer<Float>, into energies: UnsafeMutablePointer<Float>) {
    for i in filters.indices {
      let filter = filters[i]
      energies[i] = Reduction.dot(
        power + filter.firstBin, weights.pointer + filter.weights, count: filter.count)
    }
  }
}
