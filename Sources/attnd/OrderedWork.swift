/// Does independent pieces of work side by side and hands over the results in order.
///
/// At most `jobs` pieces run at once, and at most four times as many are done or being done ahead
/// of the one that is handed over next, so that memory stays bounded however unequal they are.
///
/// - Parameters:
///   - items: The pieces.
///   - jobs: How many at once, 1 or more.
///   - work: Does a piece; runs on any thread.
///   - finished: Called on the caller's task as each piece ends, in any order, for a progress bar.
///   - emit: Given the results, in the order of the items.
/// - Throws: What `emit` throws; pieces that run then are waited for.
package func inOrder<Item: Sendable, Result: Sendable>(
  _ items: [Item], jobs: Int,
  work: @escaping @Sendable (Item) -> Result,
  finished: () -> Void = {},
  emit: (Result) throws -> Void
) async throws {
  guard jobs > 1, items.count > 1 else {
    // Nothing would run beside it, and handing over from thread to thread costs as much as 20 ms
    // of sound do.
    for item in items {
      let result = work(item)
      finished()
      try emit(result)
    }
    return
  }
  try await withThrowingTaskGroup(of: (Int, Result).self) { group in
    var next = 0
    var emitted = 0
    var waiting: [Int: Result] = [:]
    var running = 0
    while emitted < items.count {
      while running < jobs, next < items.count, next < emitted + 4 * jobs {
        let index = next
        group.addTask { (index, work(items[index])) }
        next += 1
        running += 1
      }
      guard let (index, result) = try await group.next() else { break }
      running -= 1
      finished()
      waiting[index] = result
      while let result = waiting.removeValue(forKey: emitted) {
        emitted += 1
        try emit(result)
      }
    }
  }
}
