import Kernels

/// An immutable matrix, packed for `MatrixVector` at a fixed address; shared by all streams.
final class PackedMatrix: Sendable {
  let rows: Int
  let columns: Int
  // Written in init only, read by any thread after it.
  nonisolated(unsafe) private let packed: UnsafeMutablePointer<Float>
  private let storage: SharedFloats

  /// Packs a row-major matrix.
  init(_ values: [Float], rows: Int, columns: Int) {
    precondition(values.count == rows * columns, "A matrix has rows x columns elements")
    self.rows = rows
    self.columns = columns
    storage = SharedFloats(
      count: MatrixVector.packedCount(rows: rows, columns: columns)
    ) { packed in
      values.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        MatrixVector.pack(base, rows: rows, columns: columns, into: packed)
      }
    }
    packed = storage.pointer
  }

  /// Room that a result needs: rows rounded up to whole panels.
  var paddedRows: Int { MatrixVector.paddedRows(rows) }

  /// `y = W x + b`; b and y have room for `paddedRows`.
  func multiply(
    _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    MatrixVector.multiply(packed, x, plus: bias, into: y, rows: rows, columns: columns)
  }
}

/// Floats that are written once and then read by any thread.
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

  var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
}
