import Kernels

extension Loops {
  package static func multiply(
    _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    let panels = (rows &+ 15) / 16
    var panel = 0
    // Four panels at once: eight chains of sums hide the latency of one.
    while panel &+ 4 <= panels {
      MatrixVector.four(w, x, bias, y, panel: panel, columns: columns)
      panel &+= 4
    }
    while panel < panels {
      MatrixVector.one(w, x, bias, y, panel: panel, columns: columns)
      panel &+= 1
    }
  }
}

/// Panels of a packed matrix times a vector.
private enum MatrixVector {
  @inline(__always)
  static func one(
    _ w: Input, _ x: Input, _ bias: Input, _ y: Output, panel: Int, columns: Int
  ) {
    var p = w + 16 &* panel &* columns
    var low = Lanes8(bias + 16 &* panel)
    var high = Lanes8(bias + 16 &* panel + 8)
    for column in 0..<columns {
      let factor = Lanes8(repeating: x[column])
      low = Lanes8.fma(Lanes8(p), factor, low)
      high = Lanes8.fma(Lanes8(p + 8), factor, high)
      p += 16
    }
    low.store(y + 16 &* panel)
    high.store(y + 16 &* panel + 8)
  }

  @inline(__always)
  static func four(
    _ w: Input, _ x: Input, _ bias: Input, _ y: Output, panel: Int, columns: Int
  ) {
    let pitch = 16 &* columns
    var p = w + panel &* pitch
    let b = bias + 16 &* panel
    var (s0, s1, s2, s3) = (Lanes8(b), Lanes8(b + 8), Lanes8(b + 16), Lanes8(b + 24))
    var (s4, s5, s6, s7) = (Lanes8(b + 32), Lanes8(b + 40), Lanes8(b + 48), Lanes8(b + 56))
    for column in 0..<columns {
      let factor = Lanes8(repeating: x[column])
      s0 = Lanes8.fma(Lanes8(p), factor, s0)
      s1 = Lanes8.fma(Lanes8(p + 8), factor, s1)
      s2 = Lanes8.fma(Lanes8(p + pitch), factor, s2)
      s3 = Lanes8.fma(Lanes8(p + pitch + 8), factor, s3)
      s4 = Lanes8.fma(Lanes8(p + 2 &* pitch), factor, s4)
      s5 = Lanes8.fma(Lanes8(p + 2 &* pitch + 8), factor, s5)
      s6 = Lanes8.fma(Lanes8(p + 3 &* pitch), factor, s6)
      s7 = Lanes8.fma(Lanes8(p + 3 &* pitch + 8), factor, s7)
      p += 16
    }
    let r = y + 16 &* panel
    s0.store(r)
    s1.store(r + 8)
    s2.store(r + 16)
    s3.store(r + 24)
    s4.store(r + 32)
    s5.store(r + 40)
    s6.store(r + 48)
    s7.store(r + 56)
  }
}
