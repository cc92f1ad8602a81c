import Synchronization

/// The thresholds of a stream: written by the event loop, read by the processing thread.
package final class ThresholdBoard: @unchecked Sendable {
  // Unchecked: the memory holds atomics only.
  private let values: UnsafeMutablePointer<Atomic<UInt32>>
  private let count: Int
  private let changes = Atomic<Int>(0)

  init(_ thresholds: [Float]) {
    count = thresholds.count
    values = .allocate(capacity: count)
    for (index, threshold) in thresholds.enumerated() {
      (values + index).initialize(to: Atomic(threshold.bitPattern))
    }
  }

  deinit {
    values.deinitialize(count: count)
    values.deallocate()
  }

  /// Changes with every threshold; to be read before the thresholds.
  var version: Int { changes.load(ordering: .acquiring) }

  /// The threshold of a keyword, by its index.
  package subscript(keyword: Int) -> Float {
    Float(bitPattern: values[keyword].load(ordering: .relaxed))
  }

  /// Event loop.
  func set(_ threshold: Float, of keyword: Int) {
    values[keyword].store(threshold.bitPattern, ordering: .relaxed)
    changes.wrappingAdd(1, ordering: .releasing)
  }
}
