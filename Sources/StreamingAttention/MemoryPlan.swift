import Kernels

/// Where each vector of a stream lies in its block of memory, one place after the other.
///
/// The plan is made once for a model; every stream's block follows it, so that streams which step
/// together are the same places in several blocks.
struct MemoryPlan {
  /// Floats of a block.
  private(set) var count = 0

  /// Makes room for a vector, at the beginning of a cache line.
  ///
  /// - Parameter elements: Its length. Kernels may write up to the next multiple of eight, and read
  ///   as far behind a gate as that: the room is at least eight floats longer.
  /// - Returns: The place.
  mutating func place(_ elements: Int) -> Int {
    let place = count
    count += (elements + 8 + 15) / 16 * 16
    return place
  }
}

/// Everything that one stream remembers between steps.
///
/// The vectors lie in `block`, at the places of the model's plan; the window of the attention has
/// memory of its own, of which that for the other kind of score is empty.
struct StreamState: ~Copyable {
  let block: FloatBuffer
  var ring: KeyValueRing
  var sliding: SlidingSoftmax
  /// A head's weights, when somebody asks for them.
  let weights: FloatBuffer

  init(_ plan: MemoryPlan, _ shape: AttentionShape) {
    block = FloatBuffer(count: plan.count)
    ring = KeyValueRing(shape)
    sliding = SlidingSoftmax(shape)
    weights = FloatBuffer(count: (shape.window + 7) / 8 * 8)
  }

  /// Forgets everything that lies at `place` or after it, and the window.
  mutating func reset(from place: Int = 0) {
    (block.pointer + place).update(repeating: 0, count: block.count - place)
    ring.reset()
    sliding.reset()
  }
}

/// Streams that step together: where their states are.
struct StreamGroup: ~Copyable {
  private let blocks: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private let states: UnsafeMutablePointer<UnsafeMutablePointer<StreamState>>
  private let capacity: Int
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    blocks = .allocate(capacity: capacity)
    states = .allocate(capacity: capacity)
  }

  deinit {
    blocks.deallocate()
    states.deallocate()
  }

  mutating func removeAll() { count = 0 }

  mutating func append(_ state: UnsafeMutablePointer<StreamState>) {
    precondition(count < capacity, "A group has room for its streams")
    (blocks + count).initialize(to: state.pointee.block.pointer)
    (states + count).initialize(to: state)
    count += 1
  }

  /// The blocks, for the kernels.
  var streams: StreamBlocks { StreamBlocks(UnsafePointer(blocks), count: count) }

  func state(_ stream: Int) -> UnsafeMutablePointer<StreamState> { states[stream] }

  /// Copies a vector within each block.
  func copy(from source: Int, to place: Int, count elements: Int) {
    for stream in 0..<count {
      (blocks[stream] + place).update(from: blocks[stream] + source, count: elements)
    }
  }
}
