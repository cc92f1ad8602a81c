import Glibc
import Synchronization

/// The queue between a card's thread and the reader: one writer, one reader, no lock.
///
/// In: blocks of mono samples, each with the time of its last sample and the number of samples
/// lost before it. Out: the same. Owns its memory, allocated once.
///
///     consumed          written                  both only grow; slot = counter & mask
///        |                 |
///     [blk 5][blk 6][blk 7][ free ][ free ]...   written - consumed = blocks to be read
///
/// When it is full, the writer's block is dropped and counted: it becomes loss before the next
/// block that finds room. The writer never waits. The reader waits on a semaphore, which the
/// writer touches only when the reader has said that it waits, and all that it waits for is there:
/// to be woken costs more than what is done with a block.
package final class SampleRing: @unchecked Sendable {
  // Unchecked: block contents are handed over through `written` and `consumed`, `fault` through
  // `finished`; `pendingLoss` is the writer's, `offset` and `lossPassed` are the reader's.

  /// What comes next in the stream.
  package enum Next: Equatable {
    /// `take` will give at least one sample.
    case samples
    /// So many samples are missing here; `passLoss` goes past them.
    case loss(Int, LossReason)
    /// Nothing follows.
    case ended
  }

  private struct Block {
    var count = 0
    var lostBefore = 0
    var lossReason = LossReason.overrun
    var captured = 0.0
  }

  /// The most samples in a block.
  package let blockSize: Int
  private let mask: Int
  private let samples: UnsafeMutablePointer<Float>
  private let blocks: UnsafeMutablePointer<Block>
  private let semaphore: UnsafeMutablePointer<sem_t>
  /// What the reader does in place of sleeping, where writer and reader are one thread.
  private let idle: (() -> Void)?
  private let written = Atomic(0)
  private let consumed = Atomic(0)
  private let finished = Atomic(false)
  private let cancelled = Atomic(false)
  private let readerWaits = Atomic(false)
  /// What `written` must have come to before a waiting reader is woken.
  private let wakeAt = Atomic(0)
  private let dropped = Atomic(0)
  private var fault: AudioInputError?
  private var pendingLoss = 0
  private var pendingReason = LossReason.overrun
  private var offset = 0
  private var lossPassed = false

  /// Makes an empty ring.
  ///
  /// - Parameters:
  ///   - blockSize: The most samples in a block.
  ///   - blockCount: Blocks that fit; a power of two.
  ///   - idle: What the reader does in place of sleeping, where nobody else writes; nil: it sleeps.
  package init(blockSize: Int, blockCount: Int, idle: (() -> Void)? = nil) {
    precondition(blockSize > 0, "a ring needs room for a sample in a block")
    precondition(
      blockCount > 0 && blockCount & (blockCount - 1) == 0,
      "a ring's block count must be a power of two")
    self.blockSize = blockSize
    mask = blockCount - 1
    self.idle = idle
    samples = .allocate(capacity: blockSize * blockCount)
    samples.initialize(repeating: 0, count: blockSize * blockCount)
    blocks = .allocate(capacity: blockCount)
    blocks.initialize(repeating: Block(), count: blockCount)
    semaphore = .allocate(capacity: 1)
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
    blocks.deallocate()
    samples.deallocate()
  }

  /// Samples dropped so far because the ring was full; any thread may ask.
  package var droppedSamples: Int { dropped.load(ordering: .relaxed) }

  /// Whether the reader sleeps until more has come, or is about to; any thread may ask.
  package var hasWaitingReader: Bool { readerWaits.load(ordering: .sequentiallyConsistent) }

  // MARK: The writer's side

  /// Appends a block; drops and counts it when the ring is full.
  ///
  /// - Parameters:
  ///   - source: 1 to `blockSize` samples.
  ///   - captured: When the last of them was captured, in seconds since boot.
  ///   - lostBefore: Samples missing between the block before and this one.
  ///   - lossReason: Why.
  package func write(
    _ source: UnsafeBufferPointer<Float>, captured: Double, lostBefore: Int = 0,
    lossReason: LossReason = .overrun
  ) {
    precondition((1...blockSize).contains(source.count), "a block of 1 to blockSize samples")
    let index = written.load(ordering: .relaxed)
    if lostBefore > 0 { lose(lostBefore, lossReason) }
    guard index - consumed.load(ordering: .acquiring) <= mask, let first = source.baseAddress
    else {
      lose(source.count, .overload)
      dropped.wrappingAdd(source.count, ordering: .relaxed)
      return
    }
    let slot = index & mask
    (samples + slot * blockSize).update(from: first, count: source.count)
    blocks[slot] = Block(
      count: source.count, lostBefore: pendingLoss, lossReason: pendingReason, captured: captured)
    pendingLoss = 0
    written.store(index + 1, ordering: .sequentiallyConsistent)
    if index + 1 >= wakeAt.load(ordering: .sequentiallyConsistent) { wakeReader() }
  }

  /// Of several losses in a row the first names the reason, except that an estimate makes an estimate
  /// of the sum.
  private func lose(_ samples: Int, _ reason: LossReason) {
    if pendingLoss == 0 || pendingReason.isExact { pendingReason = reason }
    pendingLoss += samples
  }

  /// Says that nothing follows, and why; the reader gets what is there, then `ended`.
  package func finish(_ fault: AudioInputError? = nil) {
    self.fault = fault
    finished.store(true, ordering: .sequentiallyConsistent)
    wakeReader()
  }

  // MARK: Any thread's

  /// Ends the reader's stream at once.
  package func cancel() {
    cancelled.store(true, ordering: .sequentiallyConsistent)
    wakeReader()
  }

  // MARK: The reader's side

  /// Waits until it is known what comes next.
  ///
  /// - Parameter count: So many blocks at least are needed: where there is none, sleeps until they are
  ///   there, or as many as fit, or nothing follows.
  /// - Returns: What comes next.
  package func next(needing count: Int = 1) -> Next {
    let index = consumed.load(ordering: .relaxed)
    while true {
      if cancelled.load(ordering: .acquiring) { return .ended }
      // Asked before `written`: what was written before the end must not be missed.
      let isFinished = finished.load(ordering: .acquiring)
      if written.load(ordering: .acquiring) != index {
        let block = blocks[index & mask]
        return block.lostBefore > 0 && !lossPassed
          ? .loss(block.lostBefore, block.lossReason) : .samples
      }
      if isFinished { return .ended }
      waitForWriter(until: index + min(max(count, 1), mask + 1))
    }
  }

  /// Why nothing follows; nil as long as the writer hasn't finished, and when all was well.
  package var endReason: AudioInputError? {
    finished.load(ordering: .acquiring) ? fault : nil
  }

  /// Goes past the loss that `next` told of.
  package func passLoss() {
    lossPassed = true
  }

  /// Takes samples of one block; only after `next` said `samples`.
  ///
  /// - Parameter buffer: Receives them; not empty.
  /// - Returns: How many, and when the last of them was captured, given the card's rate by the
  ///   caller: `behind` samples of the block follow it, and that block ended at `captured`.
  package func take(
    into buffer: UnsafeMutableBufferPointer<Float>
  ) -> (count: Int, captured: Double, behind: Int) {
    let index = consumed.load(ordering: .relaxed)
    let slot = index & mask
    let block = blocks[slot]
    let count = min(buffer.count, block.count - offset)
    let source = UnsafeBufferPointer(start: samples + slot * blockSize + offset, count: count)
    _ = buffer.update(fromContentsOf: source)
    offset += count
    let behind = block.count - offset
    if behind == 0 {
      offset = 0
      lossPassed = false
      consumed.store(index + 1, ordering: .releasing)
    }
    return (count, block.captured, behind)
  }

  /// Sleeps until `written` has come to a count, or nothing follows; may return earlier.
  ///
  /// Reader: say "I wait", then look again. Writer: write, then look whether the reader waits. All
  /// four in one total order (sequentially consistent), so at least one sees the other. For what the
  /// reader waits is said first and only grows: a writer that still sees the count of an earlier time
  /// wakes it too early, never too late.
  private func waitForWriter(until count: Int) {
    if let idle { return idle() }
    wakeAt.store(count, ordering: .sequentiallyConsistent)
    readerWaits.store(true, ordering: .sequentiallyConsistent)
    let changed =
      written.load(ordering: .sequentiallyConsistent) >= count
      || finished.load(ordering: .sequentiallyConsistent)
      || cancelled.load(ordering: .sequentiallyConsistent)
    // Who turns the flag back is owed nothing; otherwise a post has come or is about to.
    if changed && readerWaits.exchange(false, ordering: .sequentiallyConsistent) { return }
    while sem_wait(semaphore) != 0 && errno == EINTR {}
  }

  private func wakeReader() {
    if readerWaits.exchange(false, ordering: .sequentiallyConsistent) {
      sem_post(semaphore)
    }
  }
}
