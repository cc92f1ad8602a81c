import CAllocationCount
import Testing

/// What the calling thread asked of the allocator and of mutexes while something ran.
package struct AllocationCount: Sendable, Equatable, CustomStringConvertible {
  /// Calls to the allocator: malloc and its kin.
  package var allocations: UInt64
  /// Calls to free with something to free.
  package var frees: UInt64
  /// Calls to pthread_mutex_lock; `Synchronization.Mutex` is not among them.
  package var locks: UInt64

  package init(allocations: UInt64, frees: UInt64, locks: UInt64) {
    (self.allocations, self.frees, self.locks) = (allocations, frees, locks)
  }

  /// Nothing.
  package static let none = AllocationCount(allocations: 0, frees: 0, locks: 0)

  /// Whether counts mean anything in this build, for `.enabled(if:)` of the tests that count.
  ///
  /// They don't under a sanitizer, which replaces malloc itself, nor in a debug build, which
  /// allocates where a release build doesn't.
  package static var isAvailable: Bool {
    #if DEBUG
      false
    #else
      attnd_counts_allocations() != 0
    #endif
  }

  /// The calling thread's counts since it began.
  package static var now: AllocationCount {
    AllocationCount(
      allocations: attnd_allocation_count(), frees: attnd_free_count(), locks: attnd_lock_count())
  }

  package var description: String {
    "\(allocations) allocations, \(frees) frees, \(locks) locks"
  }
}

/// Counts what the calling thread asks of the allocator while `body` runs.
///
/// - Parameter body: What to count; run it once before, so that lazily made tables exist.
/// - Returns: The counts, which mean something where `AllocationCount.isAvailable`.
/// - Throws: What `body` throws.
@inline(never)
package func allocations<E: Error>(in body: () throws(E) -> Void) throws(E) -> AllocationCount {
  let before = AllocationCount.now
  try body()
  let after = AllocationCount.now
  return AllocationCount(
    allocations: after.allocations - before.allocations, frees: after.frees - before.frees,
    locks: after.locks - before.locks)
}

/// Records an issue if `body` allocates, frees or locks a mutex on the calling thread.
///
/// - Parameters:
///   - what: Said in the issue.
///   - sourceLocation: Where the issue is reported.
///   - body: Run once; what it makes once and for all should have been made before.
/// - Throws: What `body` throws.
package func expectNoAllocations<E: Error>(
  _ what: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation,
  in body: () throws(E) -> Void
) throws(E) {
  let count = try allocations(in: body)
  #expect(
    count == .none, "\(what())",
    sourceLocation: sourceLocation)
}
