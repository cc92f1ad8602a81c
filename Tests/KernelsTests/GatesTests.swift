import Glibc
import KernelDispatch
import Kernels
import TestSupport
import Testing

/// Blocks of memory, painted, for kernels that work on several streams.
final class TestBlocks {
  /// What stands where nothing was written.
  static let paint: Float = 9
  private let memory: [UnsafeMutablePointer<Float>]
  private let pointers: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  let length: Int

  init(_ count: Int, length: Int) {
    self.length = length
    memory = (0..<count).map { _ in
      let block = UnsafeMutableRawPointer.allocate(byteCount: 4 * length, alignment: 64)
      return block.initializeMemory(as: Float.self, repeating: Self.paint, count: length)
    }
    pointers = .allocate(capacity: count)
    pointers.initialize(from: memory, count: count)
  }

  deinit {
    for block in memory { block.deallocate() }
    pointers.deallocate()
  }

  var streams: StreamBlocks { StreamBlocks(UnsafePointer(pointers), count: memory.count) }

  func write(_ values: [Float], at place: Int, of stream: Int = 0) {
    for (i, value) in values.enumerated() { memory[stream][place + i] = value }
  }

  func read(_ count: Int, at place: Int, of stream: Int = 0) -> [Float] {
    (0..<count).map { memory[stream][place + $0] }
  }
}

@Suite("Gates")
struct GatesTests {
  /// Rounded up to whole vectors, as kernels may write.
  private static func padded(_ count: Int) -> Int { (count + 7) / 8 * 8 }

  static func gru(
    input: [Float], hidden: [Float], state: [Float], _ set: InstructionSet
  ) -> [Float] {
    let units = state.count
    let room = padded(3 * units) + 8
    let blocks = TestBlocks(1, length: 3 * room)
    blocks.write(input, at: 0)
    blocks.write(hidden, at: room)
    blocks.write(state, at: 2 * room)
    set.kernels.gru(in: blocks.streams, input: 0, hidden: room, state: 2 * room, units: units)
    let after = blocks.read(room - padded(units), at: 2 * room + padded(units))
    #expect(after.allSatisfy { $0 == TestBlocks.paint }, "nothing behind the last vector")
    return blocks.read(units, at: 2 * room)
  }

  static func lstm(
    sums: [Float], cell: [Float], _ set: InstructionSet
  ) -> (state: [Float], cell: [Float]) {
    let units = cell.count
    let room = padded(4 * units) + 8
    let blocks = TestBlocks(1, length: 3 * room)
    blocks.write(sums, at: 0)
    blocks.write(cell, at: room)
    set.kernels.lstm(in: blocks.streams, sums: 0, cell: room, state: 2 * room, units: units)
    let after = blocks.read(room - padded(units), at: 2 * room + padded(units))
    #expect(after.allSatisfy { $0 == TestBlocks.paint }, "nothing behind the last vector")
    return (blocks.read(units, at: 2 * room), blocks.read(units, at: room))
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + Glibc.exp(-x)) }

  @Test(
    "A GRU's gates are those of doubles, but for rounding", .seed(41), arguments: oddSizes,
    InstructionSet.available)
  func gru(units: Int, set: InstructionSet) {
    var random = SplitMix64()
    let a = random.floats(3 * units, scale: 6)
    let g = random.floats(3 * units, scale: 6)
    let h = random.floats(units)
    let state = Self.gru(input: a, hidden: g, state: h, set)
    var worst = WorstRatio("GRU gates of \(units) by \(set)")
    for i in 0..<units {
      func sum(_ gate: Int) -> Double { Double(a[gate * units + i]) + Double(g[gate * units + i]) }
      let (r, z) = (sigmoid(sum(0)), sigmoid(sum(1)))
      let inner = Double(g[2 * units + i])
      let n = Glibc.tanh(Double(a[2 * units + i]) + r * inner)
      // Sums of up to 12 are rounded by 12 u before a slope of at most 1/4 or 1, a sigmoid by
      // 3 u, a tanh by 2 u, and r g by what r is off times 6 beside.
      worst.add(
        got: state[i], reference: (1 - z) * n + z * Double(h[i]),
        tolerance: (16 + 6 * abs(inner)) * 0x1p-24, at: "unit \(i) of \(units)")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "An LSTM's gates are those of doubles, but for rounding", .seed(42), arguments: oddSizes,
    InstructionSet.available)
  func lstm(units: Int, set: InstructionSet) {
    var random = SplitMix64()
    let a = random.floats(4 * units, scale: 12)
    let c = random.floats(units, scale: 3)
    let got = Self.lstm(sums: a, cell: c, set)
    var worst = WorstRatio("LSTM gates of \(units) by \(set)")
    for i in 0..<units {
      func sum(_ gate: Int) -> Double { Double(a[gate * units + i]) }
      let next = sigmoid(sum(1)) * Double(c[i]) + sigmoid(sum(0)) * Glibc.tanh(sum(2))
      // A sigmoid is off by 3 u, a tanh by 2 u of at most 1, beside c of up to 3 and roundings.
      worst.add(
        got: got.cell[i], reference: next, tolerance: 20 * 0x1p-24, at: "c \(i) of \(units)")
      worst.add(
        got: got.state[i], reference: sigmoid(sum(3)) * Glibc.tanh(next),
        tolerance: 26 * 0x1p-24, at: "h \(i) of \(units)")
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A gate that is wide open takes the candidate, a shut one keeps the state: exactly",
    arguments: InstructionSet.available)
  func saturated(set: InstructionSet) {
    // r, z, n of four units: z = 0 and n = 1, z = 0 and n = -1, z = 1, z = 1.
    let gru = Self.gru(
      input: [0, 0, 0, 0, -200, -200, 200, 200, 50, -50, 50, -50],
      hidden: Array(repeating: 0, count: 12), state: [0.25, 0.25, 0.25, -0.75], set)
    #expect(gru == [1, -1, 0.25, -0.75])
    // i, f, g, o of two units: the cell takes the candidate, and the cell stays.
    let lstm = Self.lstm(
      sums: [200, -200, -200, 200, 50, 50, 200, 200], cell: [0.25, -0.75], set)
    #expect(lstm.cell == [1, -0.75])
  }

  @Test("A rectified sum is 0 or more and at most 2^50", arguments: InstructionSet.available)
  func rectify(set: InstructionSet) {
    let x: [Float] = [-1, 0, 0x1p-130, 3, 0x1p50, 0x1p51, .infinity, -.infinity, .nan]
    let blocks = TestBlocks(1, length: 32)
    blocks.write(x, at: 0)
    set.kernels.rectify(in: blocks.streams, from: 0, to: 16, count: x.count)
    #expect(blocks.read(x.count, at: 16) == [0, 0, 0x1p-130, 3, 0x1p50, 0x1p50, 0x1p50, 0, 0])
  }

  @Test(
    "A depthwise convolution adds up each channel by itself, oldest row first", .seed(43),
    arguments: oddSizes, InstructionSet.available)
  func depthwise(channels: Int, set: InstructionSet) {
    var random = SplitMix64()
    for taps in [1, 2, 5] {
      let (w, x) = (random.floats(taps * channels), random.floats(taps * channels))
      let place = taps * channels + 8
      let blocks = TestBlocks(1, length: place + channels + 8)
      blocks.write(x, at: 0)
      let weights = FloatBuffer(w)
      set.kernels.convolveDepthwise(
        weights.pointer, taps: taps, in: blocks.streams, from: 0, to: place, channels: channels)
      let expected = (0..<channels).map { channel in
        (0..<taps).reduce(Float(0)) {
          set.fused(w[$1 * channels + channel], x[$1 * channels + channel], $0)
        }
      }
      #expect(bitDifference(blocks.read(channels, at: place), expected) == nil, "\(taps) taps")
    }
  }
}
