import Kernels

/// Power spectrum -> mel energies: the sum under each filter, stored from its first bin to its last.
struct MelFilterbank: ~Copyable {
  /// A filter's place: its first bin of the spectrum, its bins, where its weights begin.
  private struct Filter {
    let firstBin: Int
    let count: Int
    let weights: Int
  }

  private let filters: [Filter]
  private let weights: FloatBuffer

  /// Lays out the weights of filters one after the other.
  init(_ triangles: MelTriangles) {
    var filters: [Filter] = []
    var table: [Float] = []
    for filter in triangles.filters {
      filters.append(
        Filter(firstBin: filter.firstBin, count: filter.weights.count, weights: table.count))
      table += filter.weights
    }
    self.filters = filters
    weights = FloatBuffer(table)
  }

  /// Sums a power spectrum under each filter.
  func apply(_ power: UnsafePointer<Float>, into energies: UnsafeMutablePointer<Float>) {
    for i in filters.indices {
      let filter = filters[i]
      energies[i] = Reduction.dot(
        power + filter.firstBin, weights.pointer + filter.weights, count: filter.count)
    }
  }
}
