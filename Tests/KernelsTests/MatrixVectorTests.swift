import Kernels
import TestSupport
import Testing

@Suite("Matrix times vector")
struct MatrixVectorTests {
  static let sizes = [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 49, 253]

  /// W x + b by the kernel; W row major.
  static func product(_ w: [Float], _ x: [Float], plus b: [Float], rows: Int) -> [Float] {
    let columns = x.count
    let packed = FloatBuffer(count: MatrixVector.packedCount(rows: rows, columns: columns))
    let bias = FloatBuffer(b, count: MatrixVector.paddedRows(rows))
    let y = FloatBuffer(count: MatrixVector.paddedRows(rows))
    withPointers(w, x) { pw, px in
      MatrixVector.pack(pw, rows: rows, columns: columns, into: packed.pointer)
      MatrixVector.multiply(
        packed.pointer, px, plus: bias.pointer, into: y.pointer, rows: rows, columns: columns)
    }
    return Array(y.elements.prefix(rows))
  }

  @Test("Products are those of doubles, but for rounding, at every pair of odd sizes", .seed(31))
  func againstDoubles() {
    var random = SplitMix64()
    var worst = WorstRatio("matrix-vector")
    for rows in Self.sizes {
      for columns in Self.sizes {
        let w = random.floats(rows * columns, scale: 2)
        let x = random.floats(columns, scale: 2)
        let b = random.floats(rows)
        let y = Self.product(w, x, plus: b, rows: rows)
        #expect(y.count == rows)
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

  @Test("A row's bits depend on no other row: bias first, columns ascending", .seed(32))
  func rowsAlone() {
    var random = SplitMix64()
    let columns = 67
    for rows in [1, 15, 16, 17, 33, 64, 65, 253] {
      let w = random.floats(rows * columns)
      let x = random.floats(columns)
      let b = random.floats(rows)
      let y = Self.product(w, x, plus: b, rows: rows)
      for row in 0..<rows {
        let weights = w[row * columns..<(row + 1) * columns]
        let expected = zip(weights, x).reduce(b[row]) { $0 + $1.0 * $1.1 }
        #expect(y[row].bitPattern == expected.bitPattern, "row \(row) of \(rows)")
      }
    }
  }

  @Test("Packing puts zeros where the last panel has no rows, and every element once")
  func packing() {
    let (rows, columns) = (17, 3)
    let w = (0..<rows * columns).map { Float($0 + 1) }
    let packed = FloatBuffer(count: MatrixVector.packedCount(rows: rows, columns: columns))
    withPointers(w, w) { pw, _ in
      MatrixVector.pack(pw, rows: rows, columns: columns, into: packed.pointer)
    }
    #expect(packed.count == 32 * columns)
    #expect(packed.elements.filter { $0 != 0 }.sorted() == w)
    #expect(packed.elements[2 * 16 + 5] == w[5 * columns + 2], "column 2, row 5")
    #expect(packed.elements[(columns + 1) * 16] == w[16 * columns + 1], "column 1, row 16")
  }
}
