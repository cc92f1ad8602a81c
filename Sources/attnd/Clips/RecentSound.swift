import Glibc
import Synchronization

/// The last seconds of a stream: one thread hears, another looks back, and neither waits.
///
/// In: every block of a stream, and how many samples were lost before it. Out: copies of any stretch
/// that isn't too long ago. Owns its memory, taken once.
///
///     stored - capacity        stored   claimed         all only grow; slot = counter mod capacity
///           |  readable          |  being |
///     ......[####################|========]......
///
/// The counters count samples that were heard. Positions count those that were lost as well; what lies
/// between the two are gaps, which have a ring of their own. The writer claims slots before it writes
/// them; a reader copies first and then asks whether any of what it copied has been claimed meanwhile.
package final class RecentSound: @unchecked Sendable {
  // Unchecked: memory holds atomics only; `heard`, `lost` and `gapCount` are the writer's.

  /// A hole in the sound.
  package struct Gap: Equatable, Sendable {
    /// Position of the first sample that was lost.
    package let position: Int
    /// How many were lost.
    package let samples: Int
    /// Samples of the stretch before it.
    package let offset: Int

    package init(position: Int, samples: Int, offset: Int) {
      self.position = position
      self.samples = samples
      self.offset = offset
    }
  }

  /// A copy of what was heard.
  package struct Stretch: Equatable, Sendable {
    /// What was heard, without holes: nothing is made up for what was lost.
    package let samples: [Float]
    /// Position of the first sample.
    package let start: Int
    /// Position just after the last.
    package let end: Int
    /// What was lost in between.
    package let gaps: [Gap]

    package var lostSamples: Int { end - start - samples.count }

    package init(samples: [Float], start: Int, end: Int, gaps: [Gap]) {
      self.samples = samples
      self.start = start
      self.end = end
      self.gaps = gaps
    }
  }

  private struct StoredGap: ~Copyable {
    /// Number of the first sample after it, among those heard.
    let next = Atomic(0)
    /// Samples lost in all gaps before this one.
    let lostBefore = Atomic(0)
    let lost = Atomic(0)
  }

  /// Gaps that are remembered: with one in ten milliseconds, ten seconds.
  private static let gapCapacity = 1_024

  /// Samples that fit.
  package let capacity: Int
  private let samples: UnsafeMutablePointer<Atomic<UInt32>>
  private let gaps: UnsafeMutablePointer<StoredGap>
  private let claimed = Atomic(0)
  private let stored = Atomic(0)
  private let claimedGaps = Atomic(0)
  private let storedGaps = Atomic(0)
  private let newest = Atomic(0)

  // The writer's.
  private var heard = 0
  private var lost = 0
  private var gapCount = 0

  /// Takes memory for so many samples, 1 or more.
  package init(capacity: Int) {
    precondition(capacity > 0, "Sound has samples")
    self.capacity = capacity
    samples = .allocate(capacity: capacity)
    for i in 0..<capacity { (samples + i).initialize(to: Atomic(0)) }
    gaps = .allocate(capacity: Self.gapCapacity)
    for i in 0..<Self.gapCapacity { (gaps + i).initialize(to: StoredGap()) }
  }

  deinit {
    samples.deinitialize(count: capacity)
    samples.deallocate()
    gaps.deinitialize(count: Self.gapCapacity)
    gaps.deallocate()
  }

  /// Position just after the newest sample; any thread may ask.
  package var position: Int { newest.load(ordering: .sequentiallyConsistent) }

  // MARK: The writer's side

  /// Takes in what was heard; allocates nothing, and waits for nobody.
  ///
  /// - Parameters:
  ///   - block: Any number of samples.
  ///   - lostBefore: Samples missing before them.
  package func append(_ block: UnsafeBufferPointer<Float>, lostBefore: Int = 0) {
    if lostBefore > 0 { lose(lostBefore) }
    claimed.store(heard + block.count, ordering: .relaxed)
    // What is written from here on is seen by nobody who doesn't see the claim.
    atomicMemoryFence(ordering: .acquiringAndReleasing)
    var slot = heard % capacity
    for i in block.indices {
      (samples + slot).pointee.store(block[i].bitPattern, ordering: .relaxed)
      slot += 1
      if slot == capacity { slot = 0 }
    }
    heard += block.count
    stored.store(heard, ordering: .releasing)
    newest.store(heard + lost, ordering: .sequentiallyConsistent)
  }

  private func lose(_ samples: Int) {
    claimedGaps.store(gapCount + 1, ordering: .relaxed)
    atomicMemoryFence(ordering: .acquiringAndReleasing)
    let gap = gaps + gapCount % Self.gapCapacity
    gap.pointee.next.store(heard, ordering: .relaxed)
    gap.pointee.lostBefore.store(lost, ordering: .relaxed)
    gap.pointee.lost.store(samples, ordering: .relaxed)
    gapCount += 1
    lost += samples
    storedGaps.store(gapCount, ordering: .releasing)
  }

  /// Whether a block can be taken in without overwriting anything from a position on.
  package func hasRoom(for count: Int, keeping position: Int) -> Bool {
    // At most all that was lost was lost before it.
    heard + count - capacity <= max(0, position - lost)
  }

  // MARK: The reader's side

  /// Copies what was heard between two positions.
  ///
  /// - Parameters:
  ///   - start: Where to begin; the stretch begins later where the stream does, or after a gap.
  ///   - end: Where to end; the stretch ends earlier where nothing more was heard, or before a gap.
  /// - Returns: The stretch; nil if some of it has been overwritten.
  package func stretch(from start: Int, to end: Int) -> Stretch? {
    // Before the gaps: those before any sample that is seen are seen, too.
    let heard = stored.load(ordering: .acquiring)
    guard let holes = holes(within: heard) else { return nil }
    let first = holes.number(at: start, of: heard)
    let last = max(first, holes.number(at: end, of: heard))
    guard first >= holes.knownFrom, heard - first <= capacity else { return nil }
    let copy = [Float](unsafeUninitializedCapacity: last - first) { buffer, count in
      for i in 0..<last - first {
        let bits = (samples + (first + i) % capacity).pointee.load(ordering: .relaxed)
        buffer.initializeElement(at: i, to: Float(bitPattern: bits))
      }
      count = last - first
    }
    atomicMemoryFence(ordering: .acquiringAndReleasing)
    guard claimed.load(ordering: .relaxed) - first <= capacity else { return nil }
    let position = holes.position(of: first)
    return Stretch(
      samples: copy, start: position,
      end: last > first ? holes.position(of: last - 1) + 1 : position,
      gaps: holes.between(first, last))
  }

  /// The gaps before the newest of so many samples; nil when they were overwritten meanwhile.
  private func holes(within heard: Int) -> Holes? {
    let count = storedGaps.load(ordering: .acquiring)
    let oldest = max(0, count - Self.gapCapacity)
    var holes = Holes()
    for index in oldest..<count {
      let gap = gaps + index % Self.gapCapacity
      let next = gap.pointee.next.load(ordering: .relaxed)
      // Of gaps that have no sample behind them yet nobody needs to know.
      guard next < heard else { break }
      holes.list.append(
        Holes.Hole(
          next: next, lostBefore: gap.pointee.lostBefore.load(ordering: .relaxed),
          lost: gap.pointee.lost.load(ordering: .relaxed)))
    }
    atomicMemoryFence(ordering: .acquiringAndReleasing)
    guard claimedGaps.load(ordering: .relaxed) - oldest <= Self.gapCapacity else { return nil }
    if oldest > 0 { holes.knownFrom = holes.list.first?.next ?? heard }
    return holes
  }
}

/// From numbers of samples that were heard to positions, and back.
private struct Holes {
  struct Hole {
    let next: Int
    let lostBefore: Int
    let lost: Int
  }

  /// In the order of the stream.
  var list: [Hole] = []
  /// Before this sample there are gaps that nobody remembers.
  var knownFrom = 0

  /// Position of a sample that was heard.
  func position(of number: Int) -> Int {
    guard let hole = list.last(where: { $0.next <= number }) else {
      return number + (list.first?.lostBefore ?? 0)
    }
    return number + hole.lostBefore + hole.lost
  }

  /// Number of the first of so many samples that lies at a position or behind it.
  func number(at position: Int, of heard: Int) -> Int {
    // The last hole before which, or in which, the position lies.
    var number = position - (list.first?.lostBefore ?? 0)
    for hole in list {
      guard number >= hole.next else { break }
      number = max(hole.next, position - hole.lostBefore - hole.lost)
    }
    return min(max(0, number), heard)
  }

  /// The holes between samples of a stretch.
  func between(_ first: Int, _ last: Int) -> [RecentSound.Gap] {
    list.filter { $0.next > first && $0.next < last }.map {
      RecentSound.Gap(
        position: $0.next + $0.lostBefore, samples: $0.lost, offset: $0.next - first)
    }
  }
}
