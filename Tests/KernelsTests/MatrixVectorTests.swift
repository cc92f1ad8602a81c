import KernelDispatch
import Kernels
import TestSupport
import Testing

@Suite("Matrix times vector")
struct MatrixVectorTests {
  /// One either side of a panel of sixteen rows and of four panels.
  static let rowCounts = [0, 1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 128, 129, 253]
  static let columnCounts = [0, 1, 7, 8, 9, 40, 253]

  /// W x + b by the kernel; W row major.
  static func product(
    _ w: [Float], _ x: [Float], plus b: [Float], rows: Int, _ set: InstructionSet
  ) -> [Float] {
    let columns = x.count
    let packed = FloatBuffer(count: PanelLayout.packedCount(rows: rows, columns: columns))
    let padded = PanelLayout.paddedRows(rows)
    let bias = FloatBuffer(b, count: padded)
    let y = FloatBuffer([Float](repeating: 9, count: padded + 16))
    withPointers(w, x) { pw, px in
      PanelLayout.pack(pw, rows: rows, columns: columns, into: packed.pointer)
      set.kernels.multiply(
        packed.pointer, px, plus: bias.pointer, into: y.pointer, rows: rows, columns: columns)
    }
    #expect(y.elements[padded...].allSatisfy { $0 == 9 }, "nothing behind the last panel")
    return Array(y.elements.prefix(rows))
  }

  @Test(
    "Products are those of doubles, but for rounding, at every pair of odd sizes", .seed(31),
    arguments: InstructionSet.available)
  func againstDoubles(set: InstructionSet) {
    var random = SplitMix64()
    var worst = WorstRatio("matrix-vector by \(set)")
    for rows in Self.rowCounts {
      for columns in Self.columnCounts {
        let w = random.floats(rows * columns, scale: 2)
        let x = random.floats(columns, scale: 2)
        let b = random.floats(rows)
        let y = Self.product(w, x, plus: b, rows: rows, set)
        for row in 0..<rows {
          var sum = Double(b[row])
          var magnitude = abs(sum)
          for column in 0..<columns {
            let term = Double(w[row * columns + column]) * Double(x[column])
            sum += term
            magnitude += abs(term)
          }
          // Every term is rounded once and then carried through at most `columns` additions.
          worst.add(
            got: y[row], reference: sum, tolerance: Double(columns + 1) * 0x1p-24 * magnitude,
            at: "row \(row) of \(rows)x\(columns)")
        }
      }
    }
    #expect(worst.value <= 1, "\(worst)")
    worst.print()
  }

  @Test(
    "A row's bits depend on no other row: bias first, columns ascending", .seed(32),
    arguments: InstructionSet.available)
  func rowsAlone(set: InstructionSet) {
    var random = SplitMix64()
    for rows in Self.rowCounts {
      for columns in [0, 1, 67] {
        let w = random.floats(rows * columns)
        let x = random.floats(columns)
        let b = random.floats(rows)
        let expected = (0..<rows).map { row in
          (0..<columns).reduce(b[row]) { set.fused(w[row * columns + $1], x[$1], $0) }
        }
        let y = Self.product(w, x, plus: b, rows: rows, set)
        #expect(bitDifference(y, expected) == nil, "\(rows)x\(columns)")
      }
    }
  }

  @Test("Packing puts zeros where the last panel has no rows, and every element once")
  func packing() {
    let (rows, columns) = (17, 3)
    let w = (0..<rows * columns).map { Float($0 + 1) }
    let source = FloatBuffer(w)
    let packed = FloatBuffer(count: PanelLayout.packedCount(rows: rows, columns: columns))
    PanelLayout.pack(source.pointer, rows: rows, columns: columns, into: packed.pointer)
    #expect(packed.count == 32 * columns)
    #expect(packed.elements.filter { $0 != 0 }.sorted() == w)
    #expect(packed.elements[2 * 16 + 5] == w[5 * columns + 2], "column 2, row 5")
    #expect(packed.elements[(columns + 1) * 16] == w[16 * columns + 1], "column 1, row 16")
  }
}
