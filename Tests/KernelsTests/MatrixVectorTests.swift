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
    _ w: [Float], _ x: [Float], plus b: [Float], rows: Int, _ set: InstructionSet,
    precision: PanelMatrix.Precision = .single
  ) -> [Float] {
    let packed = PanelBuffer(w, rows: rows, columns: x.count, precision: precision)
    let padded = PanelMatrix.paddedRows(rows)
    let bias = FloatBuffer(b, count: padded)
    let y = FloatBuffer([Float](repeating: 9, count: padded + 16))
    let vector = FloatBuffer(x)
    set.kernels.multiply(packed.matrix, vector.pointer, plus: bias.pointer, into: y.pointer)
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

  @Test(
    "A stream's bits depend on no other stream: with a bias, and added to what is there",
    .seed(33), arguments: InstructionSet.available)
  func streamsTogether(set: InstructionSet) {
    var random = SplitMix64()
    for (rows, columns) in [(1, 1), (15, 7), (16, 40), (63, 9), (64, 64), (65, 3), (192, 40)] {
      let w = random.floats(rows * columns)
      let b = random.floats(rows)
      let packed = PanelBuffer(w, rows: rows, columns: columns)
      let bias = FloatBuffer(b, count: PanelMatrix.paddedRows(rows))
      let place = (columns + 15) / 16 * 16
      for count in [1, 2, 3, 4, 5, 6, 7, 10, 12, 13, 16] {
        let x = (0..<count).map { _ in random.floats(columns) }
        let alone = x.map { Self.product(w, $0, plus: b, rows: rows, set) }
        let blocks = TestBlocks(count, length: place + PanelMatrix.paddedRows(rows) + 16)
        for stream in 0..<count { blocks.write(x[stream], at: 0, of: stream) }
        set.kernels.multiply(
          packed.matrix, plus: bias.pointer, in: blocks.streams, from: 0, to: place)
        for stream in 0..<count {
          let got = blocks.read(rows, at: place, of: stream)
          #expect(
            bitDifference(got, alone[stream]) == nil,
            "stream \(stream) of \(count), \(rows)x\(columns)")
          let behind = blocks.read(16, at: place + PanelMatrix.paddedRows(rows), of: stream)
          #expect(behind.allSatisfy { $0 == TestBlocks.paint }, "nothing behind the last panel")
          // What is there is a bias, too.
          blocks.write(b, at: place, of: stream)
        }
        set.kernels.multiply(
          packed.matrix, plus: nil, in: blocks.streams, from: 0, to: place)
        for stream in 0..<count {
          let got = blocks.read(rows, at: place, of: stream)
          #expect(bitDifference(got, alone[stream]) == nil, "added: stream \(stream) of \(count)")
        }
      }
    }
  }

  @Test(
    "The same numbers give the same bits in half precision, for one stream and for several",
    .seed(34), arguments: InstructionSet.available)
  func halves(set: InstructionSet) {
    var random = SplitMix64()
    for rows in Self.rowCounts {
      for columns in [1, 8, 67] {
        var w = random.floats(rows * columns, scale: 2).map { Float(Float16($0)) }
        // The ends of the range: subnormal numbers, the largest and the smallest normal one.
        let special: [Float] = [0x1p-24, -0x1.FF8p-15, 65504, -65504, 0x1p-14, 0, -0.0]
        for (i, value) in special.enumerated() where 5 * i < w.count { w[5 * i] = value }
        #expect(HalfPrecision.holds(w))
        let b = random.floats(rows)
        let x = (0..<7).map { _ in random.floats(columns) }
        let expected = x.map { Self.product(w, $0, plus: b, rows: rows, set) }
        let alone = Self.product(w, x[0], plus: b, rows: rows, set, precision: .half)
        #expect(bitDifference(alone, expected[0]) == nil, "one vector, \(rows)x\(columns)")

        let packed = PanelBuffer(w, rows: rows, columns: columns, precision: .half)
        let bias = FloatBuffer(b, count: PanelMatrix.paddedRows(rows))
        let place = (columns + 15) / 16 * 16
        let blocks = TestBlocks(x.count, length: place + PanelMatrix.paddedRows(rows))
        for stream in x.indices { blocks.write(x[stream], at: 0, of: stream) }
        set.kernels.multiply(
          packed.matrix, plus: bias.pointer, in: blocks.streams, from: 0, to: place)
        for stream in x.indices {
          #expect(
            bitDifference(blocks.read(rows, at: place, of: stream), expected[stream]) == nil,
            "stream \(stream), \(rows)x\(columns)")
        }
      }
    }
  }

  @Test("Every number of half precision is converted exactly, and told from others")
  func fitting() {
    for bits in 0...UInt16.max {
      let half = Float16(bitPattern: bits)
      #expect(HalfPrecision.bits(exactly: Float(half)) == (half.isNaN ? nil : bits), "\(half)")
    }
    let halves = (0...UInt16.max).map(Float16.init(bitPattern:)).filter(\.isFinite).map(Float.init)
    #expect(HalfPrecision.holds(halves), "every finite number of half precision")
    for half in halves where half != 0 {
      #expect(!HalfPrecision.holds([half.nextUp]), "the float behind \(half)")
    }
    for value: Float in [65520, 0x1p16, 0x1p-25, 0x1.8p-24, 0x1p-149, 0.1, .nan] {
      #expect(!HalfPrecision.holds([1, value]), "\(value)")
    }
  }

  @Test(
    "Packing puts zeros where the last panel has no rows, and every element once",
    arguments: [PanelMatrix.Precision.single, .half])
  func packing(precision: PanelMatrix.Precision) {
    let (rows, columns) = (81, 3)
    let w = (0..<rows * columns).map { Float($0 + 1) }
    let buffer = PanelBuffer(w, rows: rows, columns: columns, precision: precision)
    let packed = (0..<96 * columns).map { i in
      switch precision {
      case .single: buffer.matrix.elements.load(fromByteOffset: 4 * i, as: Float.self)
      case .half: Float(buffer.matrix.elements.load(fromByteOffset: 2 * i, as: Float16.self))
      }
    }
    #expect(packed.filter { $0 != 0 }.sorted() == w)
    #expect(packed[2 * 64 + 21] == w[21 * columns + 2], "column 2, row 21: four together")
    #expect(packed[64 * columns + 16 + 3] == w[67 * columns + 1], "column 1, row 67")
    #expect(packed[80 * columns + 16] == w[80 * columns + 1], "column 1, row 80")
  }
}
