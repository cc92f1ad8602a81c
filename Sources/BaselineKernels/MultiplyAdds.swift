import Kernels

extension Loops {
  package static var multiplyAddsARound: Int { 16 &* chains }

  /// Chains of sums that run side by side: more than hide the latency of one.
  private static var chains: Int { 6 }

  package static func multiplyAdds(rounds: Int) -> Float {
    // Numbers that the compiler can't know, and whose products don't grow; chains that begin alike
    // would be computed once.
    let factor = Lanes16(repeating: rounds > 0 ? 0.5 : 0.25)
    let addend = Lanes16(repeating: rounds > 1 ? 1 : 2)
    let first = Float(rounds & 7)
    var (a, b, c) = (Lanes16(repeating: first), factor, addend)
    var d = Lanes16(repeating: first + 1)
    var (e, f) = (Lanes16(repeating: first + 2), Lanes16(repeating: first + 3))
    for _ in 0..<rounds {
      a = Lanes16.fma(a, factor, addend)
      b = Lanes16.fma(b, factor, addend)
      c = Lanes16.fma(c, factor, addend)
      d = Lanes16.fma(d, factor, addend)
      e = Lanes16.fma(e, factor, addend)
      f = Lanes16.fma(f, factor, addend)
    }
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: 96) { memory in
      guard let place = memory.baseAddress else { return 0 }
      a.store(place)
      b.store(place + 16)
      c.store(place + 32)
      d.store(place + 48)
      e.store(place + 64)
      f.store(place + 80)
      return Reduction.sum(place, count: 96)
    }
  }
}
