import Kernels

extension Loops {
  package static func filter(
    _ power: UnsafePointer<Float>, weights: UnsafePointer<Float>, layout: UnsafePointer<Int32>,
    groups: Int, into energies: UnsafeMutablePointer<Float>
  ) {
    for group in 0..<groups {
      let numbers = layout + FilterLayout.stride &* group
      let chunks = Int(numbers[FilterLayout.chunks])
      let w = weights + Int(numbers[FilterLayout.weights])
      let first = numbers + FilterLayout.firstBin
      let sums = Lanes8.transpose(
        (
          Filters.sum(power, first, w, 0, chunks), Filters.sum(power, first, w, 1, chunks),
          Filters.sum(power, first, w, 2, chunks), Filters.sum(power, first, w, 3, chunks),
          Filters.sum(power, first, w, 4, chunks), Filters.sum(power, first, w, 5, chunks),
          Filters.sum(power, first, w, 6, chunks), Filters.sum(power, first, w, 7, chunks)
        ))
      Filters.total(sums).store(energies + 8 &* group)
    }
  }

  package static func filterEight(
    _ power: UnsafePointer<Float>, weights: UnsafePointer<Float>, layout: UnsafePointer<Int32>,
    groups: Int, into energies: UnsafeMutablePointer<Float>
  ) {
    for group in 0..<groups {
      let numbers = layout + FilterLayout.stride &* group
      let pitch = 8 &* Int(numbers[FilterLayout.chunks])
      var w = weights + Int(numbers[FilterLayout.weights])
      for filter in 0..<8 {
        Filters.sumEight(
          power + 8 &* Int(numbers[FilterLayout.firstBin &+ filter]), w,
          chunks: Int(numbers[FilterLayout.filterChunks &+ filter])
        ).store(energies + 8 &* (8 &* group &+ filter))
        w += pitch
      }
    }
  }
}

private enum Filters {
  /// The eight sums of one filter of a group.
  @inline(__always)
  static func sum(
    _ power: Input, _ first: UnsafePointer<Int32>, _ weights: Input, _ filter: Int, _ chunks: Int
  ) -> Lanes8 {
    var p = power + Int(first[filter])
    var w = weights + 8 &* chunks &* filter
    var sum = Lanes8(p) * Lanes8(w)
    for _ in 1..<chunks {
      p += 8
      w += 8
      sum = Lanes8.fma(Lanes8(p), Lanes8(w), sum)
    }
    return sum
  }

  /// One filter over eight spectra: each bin's lane of `sum` is a vector here.
  @inline(__always)
  static func sumEight(_ power: Input, _ weights: Input, chunks: Int) -> Lanes8 {
    var (p, w) = (power, weights)
    var sums = (
      product(p, w, 0), product(p, w, 1), product(p, w, 2), product(p, w, 3), product(p, w, 4),
      product(p, w, 5), product(p, w, 6), product(p, w, 7)
    )
    for _ in 1..<chunks {
      p += 64
      w += 8
      sums = (
        add(p, w, 0, sums.0), add(p, w, 1, sums.1), add(p, w, 2, sums.2), add(p, w, 3, sums.3),
        add(p, w, 4, sums.4), add(p, w, 5, sums.5), add(p, w, 6, sums.6), add(p, w, 7, sums.7)
      )
    }
    return total(sums)
  }

  @inline(__always)
  private static func product(_ p: Input, _ w: Input, _ bin: Int) -> Lanes8 {
    Lanes8(p + 8 &* bin) * Lanes8(repeating: w[bin])
  }

  @inline(__always)
  private static func add(_ p: Input, _ w: Input, _ bin: Int, _ sum: Lanes8) -> Lanes8 {
    Lanes8.fma(Lanes8(p + 8 &* bin), Lanes8(repeating: w[bin]), sum)
  }

  @inline(__always)
  static func total(
    _ a: (Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8, Lanes8)
  ) -> Lanes8 {
    ((a.0 + a.4) + (a.2 + a.6)) + ((a.1 + a.5) + (a.3 + a.7))
  }
}
