import Kernels
import TestSupport
import Testing

@Suite("Float buffer")
struct FloatBufferTests {
  @Test("A buffer begins at a cache line, holds zeros, and can be read to the end of its last line")
  func alignment() {
    for count in [0, 1, 15, 16, 17, 253] {
      let buffer = FloatBuffer(count: count)
      #expect(UInt(bitPattern: buffer.pointer) % 64 == 0, "\(count) elements")
      #expect(buffer.count == count)
      #expect(buffer.elements.count == count)
      let readable = max(1, (count + 15) / 16) * 16
      for i in 0..<readable { #expect(buffer.pointer[i] == 0, "element \(i) of \(count)") }
    }
  }

  @Test("Copied elements stand first, zeros behind them")
  func copying() {
    let buffer = FloatBuffer([1, 2, 3], count: 5)
    #expect(Array(buffer.elements) == [1, 2, 3, 0, 0])
    buffer.clear()
    #expect(buffer.elements.allSatisfy { $0 == 0 })
  }
}
