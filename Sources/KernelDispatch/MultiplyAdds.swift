import Kernels

/// The peak that loops are measured by: multiply-adds on registers alone, by the kernels in use.
public enum MultiplyAdds {
  /// Multiply-adds of a round.
  public static var perRound: Int { kernels.multiplyAddsARound }

  /// Does rounds of them.
  ///
  /// - Parameter rounds: How many.
  public static func run(rounds: Int) { _ = kernels.multiplyAdds(rounds: rounds) }
}
