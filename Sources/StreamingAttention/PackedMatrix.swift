import KernelDispatch
import Kernels

/// An immutable matrix with its bias, packed for the kernels at a fixed address; shared by all
/// streams.
///
/// A matrix of nothing but numbers of half precision is held in 16 bits an element where the
/// processor reads those as fast: a step that is bound by reading its weights is quicker, and has
/// the same bits.
///
/// Unchecked, since the compiler can't see that nothing writes after `init`.
final class PackedMatrix: @unchecked Sendable {
  let rows: Int
  private let panels: PanelBuffer
  /// Nil: what is multiplied is added to what stands there.
  private let bias: SharedFloats?

  /// Packs a row-major matrix.
  ///
  /// - Parameters:
  ///   - values: The elements, rows x columns.
  ///   - rows: Rows.
  ///   - columns: Columns.
  ///   - bias: A number for each row; nil to add to what stands in the result.
  init(_ values: [Float], rows: Int, columns: Int, bias: [Float]?) {
    precondition(bias.map { $0.count == rows } ?? true, "A bias has an element for each row")
    self.rows = rows
    let half = kernels.readsHalves && HalfPrecision.holds(values)
    panels = PanelBuffer(values, rows: rows, columns: columns, precision: half ? .half : .single)
    self.bias = bias.map { SharedFloats($0, count: PanelMatrix.paddedRows(rows)) }
  }

  /// Room that a result needs: rows rounded up to whole panels.
  var paddedRows: Int { PanelMatrix.paddedRows(rows) }

  /// `y = W x + b` in each stream's block.
  ///
  /// - Parameters:
  ///   - streams: The blocks.
  ///   - x: Where the vector lies.
  ///   - y: Where the result goes; it has room for `paddedRows`.
  func multiply(in streams: StreamBlocks, from x: Int, to y: Int) {
    kernels.multiply(panels.matrix, plus: bias?.pointer, in: streams, from: x, to: y)
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
