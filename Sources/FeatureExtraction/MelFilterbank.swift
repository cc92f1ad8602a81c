import KernelDispatch
import Kernels

/// Power spectrum -> mel energies: the sum under each filter, eight filters together.
struct MelFilterbank: ~Copyable {
  private let groups: Int
  private let weights: FloatBuffer
  /// `FilterLayout.stride` numbers a group.
  private let layout: UnsafeMutablePointer<Int32>
  /// Bins that are read behind a filter's first one at most.
  let reach: Int

  /// Lays out the weights of filters, those of a group filled up with zeros to the widest.
  init(_ filters: [MelTriangles.Filter]) {
    groups = (filters.count + 7) / 8
    layout = UnsafeMutablePointer<Int32>.allocate(capacity: FilterLayout.stride * max(1, groups))
    layout.initialize(repeating: 0, count: FilterLayout.stride * max(1, groups))
    var table: [Float] = []
    var reach = 8
    for group in 0..<groups {
      let members = filters[8 * group..<min(8 * group + 8, filters.count)]
      let chunks = members.reduce(1) { max($0, ($1.weights.count + 7) / 8) }
      let numbers = layout + FilterLayout.stride * group
      numbers[FilterLayout.chunks] = Int32(chunks)
      numbers[FilterLayout.weights] = Int32(table.count)
      for i in 0..<8 { numbers[FilterLayout.filterChunks + i] = 1 }
      for (i, filter) in members.enumerated() {
        numbers[FilterLayout.firstBin + i] = Int32(filter.firstBin)
        numbers[FilterLayout.filterChunks + i] = Int32(max(1, (filter.weights.count + 7) / 8))
        table += filter.weights + Array(repeating: 0, count: 8 * chunks - filter.weights.count)
      }
      table += Array(repeating: 0, count: 8 * chunks * (8 - members.count))
      reach = max(reach, 8 * chunks)
    }
    weights = FloatBuffer(table)
    self.reach = reach
  }

  deinit { layout.deallocate() }

  /// Energies that are written: the filters, rounded up to eight.
  var paddedCount: Int { 8 * groups }

  /// Sums a power spectrum under each filter.
  ///
  /// - Parameters:
  ///   - power: The powers; `reach` finite ones readable behind the last.
  ///   - energies: Receives `paddedCount` energies.
  func apply(_ power: UnsafePointer<Float>, into energies: UnsafeMutablePointer<Float>) {
    kernels.filter(
      power, weights: weights.pointer, layout: layout, groups: groups, into: energies)
  }

  /// Sums eight power spectra, lanes side by side, under each filter.
  func applyEight(_ power: UnsafePointer<Float>, into energies: UnsafeMutablePointer<Float>) {
    kernels.filterEight(
      power, weights: weights.pointer, layout: layout, groups: groups, into: energies)
  }
}
