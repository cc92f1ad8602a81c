import Glibc
import Synchronization

/// A detection as the thread that hears it notes it down for the one that writes clips.
package struct ClipNote: Sendable, Equatable {
  /// Index of the keyword.
  package var keyword = 0
  /// Number of the model that decided.
  package var model = 0
  package var score: Float = 0
  package var threshold: Float = 0
  /// Position of the decision.
  package var position = 0
  /// Where the word began.
  package var wordStart = 0
  /// Where the word ended.
  package var wordEnd = 0
  /// When the sample at `position` was captured, Unix seconds; where nobody knows, when it was heard.
  package var unix = 0.0
  /// Whether `unix` is the time of the capture.
  package var isCaptureTime = false
  /// Where the clip is to begin.
  package var clipStart = 0
  /// Where the clip is to end.
  package var clipEnd = 0
}

/// What the model looked at when it decided.
package struct ClipAttention: Sendable, Equatable {
  /// The weights of the keyword's head, oldest step first.
  package var weights: [Float]
  /// Position just after the last sample of each step.
  package var positions: [Int]
  /// Steps of the window before those, which the note had no room for.
  package var stepsLeftOut: Int
  /// The smoothed posterior of every keyword.
  package var scores: [Float]
}

/// The notes on their way: one thread writes them down, another takes them off, without a lock.
///
///     taken <= written <= taken + capacity        both only grow; slot = counter mod capacity
///
/// Owns its memory, taken once and touched when it is first used. When it is full a note is dropped and
/// counted: a detection without a clip.
final class ClipNotes: @unchecked Sendable {
  // Unchecked: slots are handed over through the two counters.

  private struct Slot {
    var note = ClipNote()
    var steps = 0
    var stepsLeftOut = 0
  }

  /// Steps of the window that a note has room for: half an hour at a step of 30 ms.
  static let mostSteps = 65_536

  let capacity: Int
  private let keywords: Int
  private let steps: Int
  private let slots: UnsafeMutablePointer<Slot>
  private let scores: UnsafeMutablePointer<Float>
  private let weights: UnsafeMutablePointer<Float>
  private let positions: UnsafeMutablePointer<Int>
  private let written = Atomic(0)
  private let taken = Atomic(0)
  private let dropped = Atomic(0)

  /// - Parameters:
  ///   - capacity: Notes that fit.
  ///   - keywords: Of the model.
  ///   - window: Steps of the model's window.
  init(capacity: Int, keywords: Int, window: Int) {
    self.capacity = capacity
    self.keywords = keywords
    steps = min(window, Self.mostSteps)
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(), count: capacity)
    scores = Self.untouched(capacity * keywords)
    weights = Self.untouched(capacity * steps)
    positions = Self.untouched(capacity * steps)
  }

  deinit {
    slots.deallocate()
    free(scores)
    free(weights)
    free(positions)
  }

  /// Zeros that cost addresses, and memory once they are written.
  private static func untouched<Element>(_ count: Int) -> UnsafeMutablePointer<Element> {
    guard let memory = calloc(max(1, count), MemoryLayout<Element>.stride) else {
      preconditionFailure("No memory for \(count) numbers of clips")
    }
    return memory.assumingMemoryBound(to: Element.self)
  }

  /// Notes so far, those that were dropped not among them; any thread may ask.
  var count: Int { written.load(ordering: .sequentiallyConsistent) }

  /// Notes that were dropped since the last call.
  func takeDropped() -> Int { dropped.exchange(0, ordering: .relaxed) }

  // MARK: The writer's side

  /// The oldest note that hasn't been taken; nil if there is none.
  ///
  /// Where its clip begins and ends is all that the writer may want to know of it.
  var oldestWaiting: ClipNote? {
    let oldest = taken.load(ordering: .sequentiallyConsistent)
    guard oldest < written.load(ordering: .relaxed) else { return nil }
    // The reader only reads: both may look.
    return slots[oldest % capacity].note
  }

  var freeSlots: Int {
    capacity - (written.load(ordering: .relaxed) - taken.load(ordering: .sequentiallyConsistent))
  }

  /// Writes a note down; drops and counts it when there is no room.
  ///
  /// - Parameters:
  ///   - note: The detection.
  ///   - score: The smoothed posterior of a keyword.
  ///   - position: That of a step, so many steps before the newest.
  ///   - attention: The weights over the window, oldest step first.
  func add(
    _ note: ClipNote, score: (Int) -> Float, position: (_ stepsAgo: Int) -> Int,
    attention: Span<Float>
  ) {
    let index = written.load(ordering: .relaxed)
    guard freeSlots > 0 else {
      dropped.wrappingAdd(1, ordering: .relaxed)
      return
    }
    let slot = index % capacity
    let kept = min(attention.count, steps)
    let leftOut = attention.count - kept
    for i in 0..<kept {
      weights[slot * steps + i] = attention[leftOut + i]
      positions[slot * steps + i] = position(kept - 1 - i)
    }
    for i in 0..<keywords { scores[slot * keywords + i] = score(i) }
    slots[slot] = Slot(note: note, steps: kept, stepsLeftOut: leftOut)
    written.store(index + 1, ordering: .sequentiallyConsistent)
  }

  // MARK: The reader's side

  /// The oldest note; nil if there is none.
  var oldest: ClipNote? {
    let index = taken.load(ordering: .relaxed)
    guard index < written.load(ordering: .sequentiallyConsistent) else { return nil }
    return slots[index % capacity].note
  }

  /// Takes the oldest note off, and what the model looked at with it.
  func take() -> ClipAttention {
    let index = taken.load(ordering: .relaxed)
    precondition(index < written.load(ordering: .acquiring), "There is a note")
    let slot = index % capacity
    let kept = slots[slot].steps
    func copy<Number>(_ numbers: UnsafeMutablePointer<Number>, _ count: Int, of each: Int)
      -> [Number]
    {
      Array(UnsafeBufferPointer(start: numbers + slot * each, count: count))
    }
    let attention = ClipAttention(
      weights: copy(weights, kept, of: steps), positions: copy(positions, kept, of: steps),
      stepsLeftOut: slots[slot].stepsLeftOut, scores: copy(scores, keywords, of: keywords))
    taken.store(index + 1, ordering: .sequentiallyConsistent)
    return attention
  }
}
