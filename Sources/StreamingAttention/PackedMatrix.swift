import KernelDispatch
import Kernels

/// An immutable matrix, packed for `MatrixVector` at a fixed address; shared by all streams.
final class PackedMatrix: Sendable {
  let rows: Int
  let columns: Int
  private let packed: SharedFloats

  /// Packs a row-major matrix.
  init(_ values: [Float], rows: Int, columns: Int) {
    precondition(values.count == rows * columns, "A matrix has rows x columns elements")
    self.rows = rows
    self.columns = columns
    packed = SharedFloats(
      count: PanelLayout.packedCount(rows: rows, columns: columns)
    ) { packed in
      values.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        PanelLayout.pack(base, rows: rows, columns: columns, into: packed)
      }
    }
  }

  /// Room that a result needs: rows rounded up to whole panels.
  var paddedRows: Int { PanelLayout.paddedRows(rows) }

  /// `y = W x + b`; b and y have room for `paddedRows`.
  func multiply(
    _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    kernels.multiply(packed.pointer, x, plus: bias, into: y, rows: rows, columns: columns)
  }
}

/// Floats that are written once and then read by any thread.
///
/// Unchecked, since the compiler can't see that nothing writes after `init`: the buffer is private
/// and lends itself as a pointer that only reads.
final class SharedFloats: @unchecked Sendable {
  private let buffer: FloatBuffer

  /// Takes zeroed memory and lets `fill` write it before anybody else can see it.
  init(count: Int, fill: (UnsafeMutablePointer<Float>) -> Void = { _ in }) {
    buffer = FloatBuffer(count: count)
    fill(buffer.pointer)
  }

  /// Copies values; zeros follow up to `count`.
  convenience init(_ values: [Float], count: Int) {
    self.init(count: count) { pointer in
      for (i, value) in values.enumerated() { pointer[i] = value }
    }
  }

  var pointer: UnsafePointer<Float> { UnsafePointer(buffer.pointer) }
}
