import Kernels

/// The window by itself: a step of queries, keys, values and scores that are there already.
///
/// What `AttentionCalculator` does but for the projections; for benchmarks, which set it beside
/// libraries that have no projections to do.
package struct AttentionWindow: ~Copyable {
  private let shape: AttentionShape
  private var ring: KeyValueRing
  private var sliding: SlidingSoftmax
  private let queries: FloatBuffer
  private let values: FloatBuffer
  private let vector: FloatBuffer
  private let context: FloatBuffer
  private var steps = 0

  /// Vectors that are gone through in turn.
  private static var vectors: Int { 16 }

  /// Takes memory for a window, and numbers to go through it.
  ///
  /// - Parameters:
  ///   - shape: Sizes and choices.
  ///   - numbers: Elements of queries, keys and values, used over and over; not empty.
  package init(_ shape: AttentionShape, numbers: [Float]) {
    self.shape = shape
    ring = KeyValueRing(shape)
    sliding = SlidingSoftmax(shape)
    let (keys, rows) = (shape.heads * shape.keyStride, shape.heads * shape.valueStride)
    queries = FloatBuffer(count: Self.vectors * keys)
    values = FloatBuffer(count: Self.vectors * max(keys, rows))
    vector = FloatBuffer(count: keys)
    context = FloatBuffer(count: shape.contextSize)
    for i in 0..<queries.count { queries.pointer[i] = numbers[i % numbers.count] }
    for i in 0..<values.count { values.pointer[i] = numbers[(i * 7 + 3) % numbers.count] }
    for i in 0..<vector.count { vector.pointer[i] = numbers[(i * 5 + 1) % numbers.count] }
    // The ones behind values that are summed up with their weights.
    for row in 0..<Self.vectors * shape.heads where !shape.score.dependsOnQuery {
      values.pointer[row * shape.valueStride + shape.valueSize] = 1
    }
  }

  /// Goes one step on.
  package mutating func step() {
    let turn = steps % Self.vectors
    steps += 1
    let keys = shape.heads * shape.keyStride
    let query = UnsafePointer(queries.pointer + turn * keys)
    if shape.score.dependsOnQuery {
      let key = UnsafePointer(values.pointer + turn * keys)
      ring.attend(
        query: query, key: key, value: key, vector: UnsafePointer(vector.pointer),
        into: context.pointer)
    } else {
      let value = UnsafePointer(values.pointer + turn * shape.heads * shape.valueStride)
      sliding.attend(z: query, value: value, into: context.pointer)
    }
  }
}
