import Glibc
import Synchronization

/// A ring of fixed-size slots between one writing and one reading thread, without locks.
///
///     read <= written <= read + capacity        both only grow; slot = counter mod capacity
///
/// The writer fills the slot it is given and commits it; the reader reads the oldest and releases it.
/// Each slot belongs to one side at a time, by the counters. Memory is taken once. When the ring is full the writer is told, and goes on: what that means is the
/// owner's rule.
final class FrameRing: @unchecked Sendable {
  let capacity: Int
  private let stride: Int
  private let memory: UnsafeMutableRawPointer
  private let slots: UnsafeMutableRawPointer
  private let written = Atomic<Int>(0)
  private let read = Atomic<Int>(0)

  /// Slots start at multiples of a cache line, so that the two threads don't share one.
  private static let alignment = 64

  /// Takes the memory: `capacity` slots and a spare one, all zeros.
  init(capacity: Int, slotBytes: Int) {
    precondition(capacity > 0 && slotBytes > 0, "A ring has at least one slot of one byte.")
    self.capacity = capacity
    stride = (slotBytes + Self.alignment - 1) / Self.alignment * Self.alignment
    // calloc leaves pages untouched until they are written: a large window that nobody asks for costs
    // addresses, no memory.
    guard let memory = calloc(stride * (capacity + 2), 1) else {
      preconditionFailure("No memory for a ring of \(capacity) slots of \(slotBytes) bytes.")
    }
    self.memory = memory
    slots = memory.alignedUp(toMultipleOf: Self.alignment)
  }

  /// Writer: a slot that is never read, for what finds the ring full.
  var spare: UnsafeMutableRawPointer { slots + capacity * stride }

  deinit { free(memory) }

  /// Writer: the slot to fill next, or nil when the ring is full.
  func slotToWrite() -> UnsafeMutableRawPointer? {
    let position = written.load(ordering: .relaxed)
    guard position - read.load(ordering: .acquiring) < capacity else { return nil }
    return slots + position % capacity * stride
  }

  /// Writer: how many slots it can fill now.
  var freeSlots: Int {
    capacity - (written.load(ordering: .relaxed) - read.load(ordering: .acquiring))
  }

  /// Reader: how many slots it can read now.
  var filledSlots: Int {
    written.load(ordering: .acquiring) - read.load(ordering: .relaxed)
  }

  /// Writer: hands the slot it filled to the reader.
  func commit() { written.wrappingAdd(1, ordering: .releasing) }

  /// Reader: the oldest slot, or nil when there is none.
  func slotToRead() -> UnsafeRawPointer? {
    let position = read.load(ordering: .relaxed)
    guard position < written.load(ordering: .acquiring) else { return nil }
    return UnsafeRawPointer(slots + position % capacity * stride)
  }

  /// Reader: gives the slot it has read back to the writer.
  func release() { read.wrappingAdd(1, ordering: .releasing) }
}
