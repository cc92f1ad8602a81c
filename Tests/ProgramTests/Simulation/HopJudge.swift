import TestSupport

/// Looks after what hops ask of the allocator: nothing, but in the second around a hole in the sound, where
/// the resampler's queues grow anew.
struct HopJudge {
  private let sampleRate: Int
  /// Up to where a hop may ask.
  private var quietFrom = 0
  private var greed: (position: Int, count: AllocationCount)?

  init(sampleRate: Int) {
    self.sampleRate = sampleRate
    quietFrom = sampleRate
  }

  /// Judges a hop.
  ///
  /// - Parameters:
  ///   - position: Samples of the stream up to its end.
  ///   - count: What it asked for.
  ///   - mayAllocate: Whether it met a hole or a new model.
  /// - Throws: `Broken`.
  mutating func judge(_ position: Int, _ count: AllocationCount, mayAllocate: Bool) throws {
    guard AllocationCount.isAvailable else { return }
    if mayAllocate {
      quietFrom = position + sampleRate
      greed = nil
    } else if count != .none, greed == nil, position > quietFrom {
      greed = (position, count)
    }
    // A hole may be seen a hop before it is told of.
    if let greed, position > greed.position + sampleRate {
      throw Broken(description: "the hop up to sample \(greed.position) took \(greed.count)")
    }
  }
}
