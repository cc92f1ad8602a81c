import ArgumentParser

/// A part of a list, for one of several processes: `I/N`, the I-th of N.
///
/// Of n files shard I has those from (I - 1) n / N (rounded down) up to I n / N: neighbours in the
/// list, so that the shards' results, one after the other, are those of the whole list.
package struct Shard: Equatable, Sendable, ExpressibleByArgument {
  /// Most parts of a list.
  package static let mostParts = 1_000_000

  /// Which part, from 1.
  package let index: Int
  /// How many parts there are.
  package let count: Int

  /// Parses `I/N`.
  package init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let index = Int(parts[0]), let count = Int(parts[1]),
      parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
      (1...Self.mostParts).contains(count), (1...count).contains(index)
    else { return nil }
    self.index = index
    self.count = count
  }

  /// The part of a list.
  ///
  /// - Parameter count: Files in the list.
  /// - Returns: The places of those that belong to this shard.
  package func places(in count: Int) -> Range<Int> {
    func bound(_ index: Int) -> Int {
      // index n / N without the product, which may be too large: n = q N + r.
      let (quotient, remainder) = count.quotientAndRemainder(dividingBy: self.count)
      return quotient * index + remainder * index / self.count
    }
    return bound(index - 1)..<bound(index)
  }
}
