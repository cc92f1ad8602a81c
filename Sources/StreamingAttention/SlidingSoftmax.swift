import KernelDispatch
import Kernels

/// The softmax-weighted sum over the last N steps, at a constant cost per step, for scores that
/// belong to their steps alone.
///
/// A step is an item: its value (with a one behind it) times `w`, and the exponent n, where
/// `exp(z) = w 2^n`. Items are added in the scale of the largest exponent among them; the last
/// element of a sum is then the sum of the weights. Nothing is ever subtracted: a spike that leaves
/// the window takes its error along.
///
/// Steps are counted off in blocks of about the square root of N. The window is then, oldest step
/// first, the rest of a block, whole blocks, and the beginning of a block:
///
///     step     |  .  .  7  8  |  9 10 11 12 | 13 14 15 16 | 17 18  .  .  |     N = 12, newest 18
///                     |<-------------------- window ------------->|
///     sum           suffix of        middle, whole blocks    newest
///                   the oldest
///
/// * `newest` grows by an item a step; when its block is full it joins `middle`.
/// * The suffix sums of a block are made backwards, one a step, while the block before it leaves the
///   window, and stand in the ring in place of the items that they begin with.
/// * What `middle` will be when the next block begins to leave it is summed up meanwhile, two blocks
///   a step.
///
/// So a step takes at most eight additions of an item (newest, suffix, middle, two or three blocks,
/// and two to put the three parts together), whatever N is and whatever was heard. Sums carry what
/// rounding lost along (`addCompensated`), so that their error doesn't grow with N either.
struct SlidingSoftmax: ~Copyable {
  private let window: Int
  private let heads: Int
  private let valueSize: Int
  /// Floats of an item: [heads][value stride].
  private let stride: Int
  /// Steps of a block, B.
  private let blockLength: Int

  /// [window][item]: items, or the suffix sums that begin with them; slot = step mod N.
  private let items: FloatBuffer
  /// [window][heads]: their exponents.
  private let exponents: FloatBuffer
  /// [heads][window]: z, slot = step mod N.
  private let scores: FloatBuffer
  /// [blocks][item], [blocks][heads]: sums of whole blocks; slot = block mod the number of slots.
  private let blockSums: FloatBuffer
  private let blockExponents: FloatBuffer
  private let blockSlots: Int

  private var newest: RunningSum
  private var middle: RunningSum
  /// What `middle` will be when the block after the oldest begins to leave.
  private var nextMiddle: RunningSum
  private var suffix: RunningSum
  /// [heads] mantissas of the newest step, and the parts put together.
  private let mantissas: FloatBuffer
  private let total: FloatBuffer
  private let nothing: FloatBuffer

  /// Steps that have been taken in, all in all.
  private(set) var steps = 0
  /// Block whose suffix sums are being made, and the step whose is next.
  private var suffixBlock = 0
  private var suffixStep = 0
  /// Block that is next to go into `nextMiddle`.
  private var nextBlock = 0

  init(_ shape: AttentionShape) {
    window = shape.window
    heads = shape.heads
    valueSize = shape.valueSize
    stride = shape.valueStride
    // At least two blocks fit the window, so that a block is whole before the one before it leaves.
    blockLength = max(1, Int(Double(shape.window).squareRoot()))
    let slots = shape.score.dependsOnQuery ? 0 : shape.window
    let item = slots == 0 ? 0 : shape.heads * shape.valueStride
    items = FloatBuffer(count: slots * item)
    exponents = FloatBuffer(count: slots * shape.heads)
    scores = FloatBuffer(count: slots * shape.heads)
    blockSlots = shape.window / blockLength + 3
    blockSums = FloatBuffer(count: slots == 0 ? 0 : blockSlots * item)
    blockExponents = FloatBuffer(count: slots == 0 ? 0 : blockSlots * shape.heads)
    newest = RunningSum(heads: shape.heads, item: item)
    middle = RunningSum(heads: shape.heads, item: item)
    nextMiddle = RunningSum(heads: shape.heads, item: item)
    suffix = RunningSum(heads: shape.heads, item: item)
    mantissas = FloatBuffer(count: shape.heads)
    total = FloatBuffer(count: shape.valueStride)
    nothing = FloatBuffer(count: item)
    reset()
  }

  /// Items that the running sums have added, all in all.
  var additions: Int {
    newest.additions + middle.additions + nextMiddle.additions + suffix.additions
  }

  /// Steps in the window now: min(steps, N).
  var span: Int { min(steps, window) }

  /// Takes in a step and gives the context of the window that ends with it.
  ///
  /// - Parameters:
  ///   - z: The step's scores, [heads].
  ///   - value: The step's values with their ones, [heads][value stride].
  ///   - context: Receives c_t, [heads V].
  mutating func attend(
    z: UnsafePointer<Float>, value: UnsafePointer<Float>,
    into context: UnsafeMutablePointer<Float>
  ) {
    let step = steps
    steps += 1
    let oldest = steps - span
    if steps >= window, oldest % blockLength == 0 { beginLeaving(block: oldest / blockLength) }
    insert(step, z: z, value: value, oldest: oldest)
    makeSuffix()
    addToNextMiddle(2)
    putTogether(oldest: oldest, into: context)
  }

  /// Blocks that are whole.
  private var wholeBlocks: Int { steps / blockLength }

  // MARK: The parts

  /// The window begins with the first step of a block: the next one's suffixes are due, and what
  /// was summed up for this moment becomes the middle.
  private mutating func beginLeaving(block: Int) {
    if block > 0 {
      // The newest step may have made a block whole; it joins in `insert`.
      addToNextMiddle(.max, before: (steps - 1) / blockLength)
      swap(&middle, &nextMiddle)
    }
    nextMiddle.clear()
    nextBlock = block + 2
    suffixBlock = block + 1
    suffixStep = (block + 2) * blockLength - 1
    suffix.clear()
  }

  /// Puts the step into the ring and into the newest block.
  private mutating func insert(
    _ step: Int, z: UnsafePointer<Float>, value: UnsafePointer<Float>, oldest: Int
  ) {
    let slot = step % window
    let item = items.pointer + slot * heads * stride
    let exponent = exponents.pointer + slot * heads
    kernels.splitExponentials(z, count: heads, mantissas: mantissas.pointer, exponents: exponent)
    for head in 0..<heads {
      scores.pointer[head * window + slot] = z[head]
      kernels.scale(
        value + head * stride, by: mantissas.pointer[head], into: item + head * stride,
        count: stride)
    }
    newest.add(item, exponent)
    guard (step + 1) % blockLength == 0 else { return }
    let block = step / blockLength
    let place = block % blockSlots
    let sum = blockSums.pointer + place * heads * stride
    let scale = blockExponents.pointer + place * heads
    newest.copy(to: sum, exponents: scale)
    newest.clear()
    if block > oldest / blockLength { middle.add(sum, scale) }
  }

  /// One more suffix sum of the block that will be the oldest; its first step needs none, since
  /// that is the sum of the block.
  private mutating func makeSuffix() {
    guard suffixBlock < wholeBlocks, suffixStep > suffixBlock * blockLength else { return }
    let slot = suffixStep % window
    let item = items.pointer + slot * heads * stride
    let exponent = exponents.pointer + slot * heads
    suffix.add(item, exponent)
    suffix.copy(to: item, exponents: exponent)
    suffixStep -= 1
    // Of a long window this is the one item of a step that is in no cache.
    let soon = max(0, suffixStep - 4) % window * heads
    kernels.fetch(items.pointer + soon * stride, count: heads * stride)
    kernels.fetch(exponents.pointer + soon, count: heads)
  }

  private mutating func addToNextMiddle(_ most: Int, before end: Int? = nil) {
    var left = most
    while left > 0, nextBlock < end ?? wholeBlocks {
      let place = nextBlock % blockSlots
      nextMiddle.add(
        blockSums.pointer + place * heads * stride, blockExponents.pointer + place * heads)
      nextBlock += 1
      left -= 1
    }
  }

  /// c_t from what is left of the oldest block, the whole ones and the newest.
  private func putTogether(oldest: Int, into context: UnsafeMutablePointer<Float>) {
    let block = oldest / blockLength
    var first = UnsafePointer(nothing.pointer)
    var firstExponents: UnsafePointer<Float>?
    if oldest % blockLength != 0 {
      first = UnsafePointer(items.pointer + oldest % window * heads * stride)
      firstExponents = UnsafePointer(exponents.pointer + oldest % window * heads)
    } else if block < wholeBlocks {
      first = UnsafePointer(blockSums.pointer + block % blockSlots * heads * stride)
      firstExponents = UnsafePointer(blockExponents.pointer + block % blockSlots * heads)
    }
    for head in 0..<heads {
      let (a, b, c) = (
        firstExponents?[head] ?? RunningSum.noExponent, middle.exponent(head),
        newest.exponent(head)
      )
      let scale = max(a, max(b, c))
      let at = head * stride
      kernels.combine(
        first + at, middle.sum(head), newest.sum(head),
        (
          SoftmaxSum.powerOfTwo(a - scale), SoftmaxSum.powerOfTwo(b - scale),
          SoftmaxSum.powerOfTwo(c - scale)
        ), into: total.pointer, count: stride)
      kernels.scale(
        total.pointer, by: 1 / total.pointer[valueSize], into: total.pointer, count: stride)
      (context + head * valueSize).update(from: total.pointer, count: valueSize)
    }
  }

  /// Copies z over the window, oldest step first, `span` long.
  func copyScores(head: Int, into z: UnsafeMutablePointer<Float>) {
    let slot = (steps - span) % window
    let older = min(span, window - slot)
    let scores = scores.pointer + head * window
    z.update(from: scores + slot, count: older)
    (z + older).update(from: scores, count: span - older)
  }

  mutating func reset() {
    steps = 0
    suffixBlock = 0
    suffixStep = blockLength - 1
    nextBlock = .max
    newest.clear()
    middle.clear()
    nextMiddle.clear()
    suffix.clear()
  }
}

/// A sum of items under way, for each head in the scale of its largest exponent.
private struct RunningSum: ~Copyable {
  /// Less than any item's.
  static var noExponent: Float { -0x1p22 }

  private let heads: Int
  private let stride: Int
  /// [heads][value stride].
  private let sums: FloatBuffer
  /// What rounding lost: what `sums` has too much.
  private let lost: FloatBuffer
  private let exponents: FloatBuffer
  private(set) var additions = 0

  init(heads: Int, item: Int) {
    self.heads = heads
    stride = item / heads
    sums = FloatBuffer(count: item)
    lost = FloatBuffer(count: item)
    exponents = FloatBuffer(count: heads)
  }

  func exponent(_ head: Int) -> Float { exponents.pointer[head] }

  func sum(_ head: Int) -> UnsafePointer<Float> { UnsafePointer(sums.pointer + head * stride) }

  /// Adds an item, or a sum of items.
  mutating func add(_ item: UnsafePointer<Float>, _ itemExponents: UnsafePointer<Float>) {
    additions += 1
    for head in 0..<heads {
      let (old, new) = (exponents.pointer[head], itemExponents[head])
      let scale = max(old, new)
      exponents.pointer[head] = scale
      let at = head * stride
      kernels.addCompensated(
        item + at, (SoftmaxSum.powerOfTwo(new - scale), SoftmaxSum.powerOfTwo(old - scale)),
        to: sums.pointer + at, lost: lost.pointer + at, count: stride)
    }
  }

  func copy(
    to sum: UnsafeMutablePointer<Float>, exponents target: UnsafeMutablePointer<Float>
  ) {
    sum.update(from: sums.pointer, count: heads * stride)
    target.update(from: exponents.pointer, count: heads)
  }

  func clear() {
    sums.clear()
    lost.clear()
    exponents.pointer.update(repeating: Self.noExponent, count: heads)
  }
}
