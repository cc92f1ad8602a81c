import KernelDispatch
import Kernels
import TestSupport
import Testing

/// Overlapping filters, packed for `FramingKernels.filter` as its documentation says.
struct PackedFilters {
  /// First bin and weights of each filter, a multiple of eight of them.
  var filters: [(first: Int, weights: [Float])] = []
  var weights: [Float] = []
  var layout: [Int32] = []

  var groups: Int { filters.count / 8 }

  /// Floats that may be read behind the last bin.
  var readable: Int { 8 * (filters.map { Self.chunks($0.weights.count) }.max() ?? 0) }

  static func chunks(_ width: Int) -> Int { max(1, (width + 7) / 8) }

  /// Filters of the given numbers of bins, at random places among `bins`.
  init(widths: [Int], bins: Int, _ random: inout SplitMix64) {
    for width in widths {
      let first = Int.random(in: 0...bins - width, using: &random)
      filters.append((first, random.floats(width).map(abs)))
    }
    for group in stride(from: 0, to: filters.count, by: 8) {
      let members = filters[group..<group + 8]
      let own = members.map { Self.chunks($0.weights.count) }
      let chunks = own.max() ?? 0
      layout += [Int32(chunks), Int32(weights.count)]
      layout += members.map { Int32($0.first) } + own.map(Int32.init)
      for filter in members {
        weights += filter.weights
        weights += [Float](repeating: 0, count: 8 * chunks - filter.weights.count)
      }
    }
  }

  /// The energies in the order that `filter` states: eight accumulators by place in the filter.
  func energies(of power: [Float], _ set: InstructionSet) -> [Float] {
    filters.map { filter in
      var lanes = [Float](repeating: 0, count: 8)
      for (i, weight) in filter.weights.enumerated() {
        let term = power[filter.first + i]
        lanes[i % 8] = i < 8 ? term * weight : set.fused(term, weight, lanes[i % 8])
      }
      return InstructionSet.total(lanes)
    }
  }
}

@Suite("Filters")
struct FilterTests {
  /// Filters a chunk wide, one either side of it, and wide ones beside narrow ones.
  static let widths = [
    [Int](repeating: 1, count: 8), [0, 1, 2, 3, 4, 5, 6, 7], [7, 8, 9, 7, 8, 9, 8, 8],
    [15, 16, 17, 1, 64, 65, 2, 33],
    [1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 9, 10, 12, 14, 17, 20, 24, 28, 253],
  ]

  @Test(
    "Energies have the reference's bits, eight at once those of each alone", .seed(56),
    arguments: widths, InstructionSet.available)
  func filter(widths: [Int], set: InstructionSet) {
    var random = SplitMix64()
    let bins = 257
    let packed = PackedFilters(widths: widths, bins: bins, &random)
    let spectra = (0..<8).map { _ in random.floats(bins, scale: 1e4).map(abs) }
    // Behind the spectrum stand large numbers that no weight may let through.
    let behind = [Float](repeating: 3e30, count: packed.readable)
    let layout = UnsafeMutablePointer<Int32>.allocate(capacity: packed.layout.count)
    layout.initialize(from: packed.layout, count: packed.layout.count)
    defer { layout.deallocate() }
    let weights = FloatBuffer(packed.weights)
    let lanes = FloatBuffer(
      (0..<bins + packed.readable).flatMap { bin in
        (0..<8).map { bin < bins ? spectra[$0][bin] : 3e30 }
      })
    let energiesOfLanes = FloatBuffer([Float](repeating: 9, count: 8 * widths.count + 16))
    set.kernels.filterEight(
      lanes.pointer, weights: weights.pointer, layout: layout, groups: packed.groups,
      into: energiesOfLanes.pointer)
    var worst = WorstRatio("filters of \(widths.max() ?? 0) bins by \(set)")
    for (lane, spectrum) in spectra.enumerated() {
      let power = FloatBuffer(spectrum + behind)
      let energies = FloatBuffer([Float](repeating: 9, count: widths.count + 16))
      set.kernels.filter(
        power.pointer, weights: weights.pointer, layout: layout, groups: packed.groups,
        into: energies.pointer)
      let alone = Array(energies.elements[..<widths.count])
      #expect(bitDifference(alone, packed.energies(of: spectrum, set)) == nil, "lane \(lane)")
      let together = widths.indices.map { energiesOfLanes.pointer[8 * $0 + lane] }
      #expect(bitDifference(together, alone) == nil, "lane \(lane)")
      #expect(energies.elements[widths.count...].allSatisfy { $0 == 9 })
      for (i, filter) in packed.filters.enumerated() {
        let terms = filter.weights.indices.map {
          Double(filter.weights[$0]) * Double(spectrum[filter.first + $0])
        }
        let reference = terms.reduce(0, +)
        // All terms are positive: a chain of one in eight, four more sums, a product's rounding.
        worst.add(
          got: alone[i], reference: reference,
          tolerance: Double(terms.count / 8 + 5) * 0x1p-24 * reference,
          at: "filter \(i) of \(terms.count) bins")
      }
    }
    #expect(energiesOfLanes.elements[(8 * widths.count)...].allSatisfy { $0 == 9 })
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }
}
