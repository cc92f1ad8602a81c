import Kernels

extension Loops {
  package static func multiply(
    _ w: PanelMatrix, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    switch w.precision {
    case .single: Panels<Single>(w).multiply(bias, x, into: y)
    case .half: Panels<Half>(w).multiply(bias, x, into: y)
    }
  }

  package static func multiply(
    _ w: PanelMatrix, plus bias: UnsafePointer<Float>?, in streams: StreamBlocks, from x: Int,
    to y: Int
  ) {
    switch w.precision {
    case .single: Panels<Single>(w).multiply(bias, in: streams, from: x, to: y)
    case .half: Panels<Half>(w).multiply(bias, in: streams, from: x, to: y)
    }
  }
}

/// What the elements of a packed matrix are.
private protocol PanelElement {
  /// Bytes of an element.
  static var size: Int { get }
  /// Sixteen elements as floats.
  static func column(_ p: UnsafeRawPointer) -> Lanes16
}

private enum Single: PanelElement {
  static var size: Int {
    @inline(__always) get { 4 }
  }

  @inline(__always)
  static func column(_ p: UnsafeRawPointer) -> Lanes16 { Lanes16(floats: p) }
}

private enum Half: PanelElement {
  static var size: Int {
    @inline(__always) get { 2 }
  }

  @inline(__always)
  static func column(_ p: UnsafeRawPointer) -> Lanes16 { Lanes16(halves: p) }
}

/// A packed matrix, as `PanelLayout` says.
private struct Panels<Element: PanelElement> {
  private let w: UnsafeRawPointer
  private let count: Int
  private let columns: Int

  @inline(__always)
  init(_ matrix: PanelMatrix) {
    w = matrix.elements
    count = (matrix.rows &+ 15) / 16
    columns = matrix.columns
  }

  /// Where column 0 of a panel begins that lies in a four, or by itself.
  @inline(__always)
  private func start(_ panel: Int) -> UnsafeRawPointer {
    w + panel &* 16 &* columns &* Element.size
  }

  /// Panels that lie in fours.
  private var whole: Int {
    @inline(__always) get { count & ~3 }
  }

  /// Where a panel begins, and how many bytes lie from one of its columns to the next.
  @inline(__always)
  private func place(_ panel: Int) -> (first: UnsafeRawPointer, pitch: Int) {
    guard panel < whole else { return (start(panel), 16 &* Element.size) }
    return (start(panel & ~3) + (panel & 3) &* 16 &* Element.size, 64 &* Element.size)
  }

  // MARK: One stream

  @inline(never)
  func multiply(_ bias: Input, _ x: Input, into y: Output) {
    var panel = 0
    // As many chains of sums as hide the latency of one.
    #if KERNEL_512
      while panel &+ 8 <= count {
        eight(panel, bias, x, into: y)
        panel &+= 8
      }
    #endif
    while panel &+ 4 <= count {
      four(panel, bias, x, into: y)
      panel &+= 4
    }
    while panel < count {
      one(panel, bias, x, into: y)
      panel &+= 1
    }
  }

  @inline(__always)
  private func one(_ panel: Int, _ bias: Input, _ x: Input, into y: Output) {
    var p = start(panel)
    var sum = Lanes16(bias + 16 &* panel)
    for column in 0..<columns {
      sum = Lanes16.fma(Element.column(p), Lanes16(repeating: x[column]), sum)
      p += 16 &* Element.size
    }
    sum.store(y + 16 &* panel)
  }

  @inline(__always)
  private func four(_ panel: Int, _ bias: Input, _ x: Input, into y: Output) {
    var p = start(panel)
    let b = bias + 16 &* panel
    var (s0, s1, s2, s3) = (Lanes16(b), Lanes16(b + 16), Lanes16(b + 32), Lanes16(b + 48))
    for column in 0..<columns {
      let factor = Lanes16(repeating: x[column])
      s0 = Lanes16.fma(Element.column(p), factor, s0)
      s1 = Lanes16.fma(Element.column(p + 16 &* Element.size), factor, s1)
      s2 = Lanes16.fma(Element.column(p + 32 &* Element.size), factor, s2)
      s3 = Lanes16.fma(Element.column(p + 48 &* Element.size), factor, s3)
      p += 64 &* Element.size
    }
    let r = y + 16 &* panel
    s0.store(r)
    s1.store(r + 16)
    s2.store(r + 32)
    s3.store(r + 48)
  }

  #if KERNEL_512
    @inline(__always)
    private func eight(_ panel: Int, _ bias: Input, _ x: Input, into y: Output) {
      var p = start(panel)
      var q = start(panel &+ 4)
      let b = bias + 16 &* panel
      var (s0, s1, s2, s3) = (Lanes16(b), Lanes16(b + 16), Lanes16(b + 32), Lanes16(b + 48))
      var (s4, s5, s6, s7) = (Lanes16(b + 64), Lanes16(b + 80), Lanes16(b + 96), Lanes16(b + 112))
      for column in 0..<columns {
        let factor = Lanes16(repeating: x[column])
        s0 = Lanes16.fma(Element.column(p), factor, s0)
        s1 = Lanes16.fma(Element.column(p + 16 &* Element.size), factor, s1)
        s2 = Lanes16.fma(Element.column(p + 32 &* Element.size), factor, s2)
        s3 = Lanes16.fma(Element.column(p + 48 &* Element.size), factor, s3)
        s4 = Lanes16.fma(Element.column(q), factor, s4)
        s5 = Lanes16.fma(Element.column(q + 16 &* Element.size), factor, s5)
        s6 = Lanes16.fma(Element.column(q + 32 &* Element.size), factor, s6)
        s7 = Lanes16.fma(Element.column(q + 48 &* Element.size), factor, s7)
        p += 64 &* Element.size
        q += 64 &* Element.size
      }
      let r = y + 16 &* panel
      s0.store(r)
      s1.store(r + 16)
      s2.store(r + 32)
      s3.store(r + 48)
      s4.store(r + 64)
      s5.store(r + 80)
      s6.store(r + 96)
      s7.store(r + 112)
    }
  #endif

  // MARK: Several streams

  @inline(never)
  func multiply(_ bias: Input?, in streams: StreamBlocks, from x: Int, to y: Int) {
    var stream = 0
    // A stream by itself is bound by reading the weights, streams together by multiplying: a
    // panel's columns are read once for as many as have sums in registers.
    while stream &+ 1 < streams.count {
      stream &+= multiplyTogether(
        bias, streams.blocks + stream, streams.count &- stream, from: x, to: y)
    }
    if stream < streams.count {
      let block = streams.blocks[stream]
      multiply(bias ?? Input(block + y), Input(block + x), into: block + y)
    }
  }

  /// Multiplies for as many of the streams as go together.
  ///
  /// - Returns: How many.
  @inline(__always)
  private func multiplyTogether(
    _ bias: Input?, _ blocks: UnsafePointer<UnsafeMutablePointer<Float>>, _ streams: Int,
    from x: Int, to y: Int
  ) -> Int {
    // Every panel serves all of the streams before the next is read. Six streams have their sums
    // of a panel in twelve registers of eight, or in six of sixteen.
    for panel in 0..<count {
      var stream = 0
      while stream &+ 6 <= streams {
        six(panel, bias, blocks + stream, from: x, to: y)
        stream &+= 6
      }
      if stream &+ 4 <= streams {
        four(panel, bias, blocks + stream, from: x, to: y)
        stream &+= 4
      }
      if stream &+ 2 <= streams { two(panel, bias, blocks + stream, from: x, to: y) }
    }
    return streams & ~1
  }

  @inline(__always)
  private func six(
    _ panel: Int, _ bias: Input?, _ blocks: UnsafePointer<UnsafeMutablePointer<Float>>,
    from x: Int, to y: Int
  ) {
    var (p, pitch) = place(panel)
    let at = 16 &* panel
    let (x0, x1, x2) = (blocks[0] + x, blocks[1] + x, blocks[2] + x)
    let (x3, x4, x5) = (blocks[3] + x, blocks[4] + x, blocks[5] + x)
    let to = y &+ at
    func sum(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1, s2, s3, s4, s5) = (sum(0), sum(1), sum(2), sum(3), sum(4), sum(5))
    for column in 0..<columns {
      let w = Element.column(p)
      s0 = Lanes16.fma(w, Lanes16(repeating: x0[column]), s0)
      s1 = Lanes16.fma(w, Lanes16(repeating: x1[column]), s1)
      s2 = Lanes16.fma(w, Lanes16(repeating: x2[column]), s2)
      s3 = Lanes16.fma(w, Lanes16(repeating: x3[column]), s3)
      s4 = Lanes16.fma(w, Lanes16(repeating: x4[column]), s4)
      s5 = Lanes16.fma(w, Lanes16(repeating: x5[column]), s5)
      p += pitch
    }
    s0.store(blocks[0] + to)
    s1.store(blocks[1] + to)
    s2.store(blocks[2] + to)
    s3.store(blocks[3] + to)
    s4.store(blocks[4] + to)
    s5.store(blocks[5] + to)
  }

  @inline(__always)
  private func four(
    _ panel: Int, _ bias: Input?, _ blocks: UnsafePointer<UnsafeMutablePointer<Float>>,
    from x: Int, to y: Int
  ) {
    var (p, pitch) = place(panel)
    let at = 16 &* panel
    let (x0, x1, x2, x3) = (blocks[0] + x, blocks[1] + x, blocks[2] + x, blocks[3] + x)
    let to = y &+ at
    func sum(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1, s2, s3) = (sum(0), sum(1), sum(2), sum(3))
    for column in 0..<columns {
      let w = Element.column(p)
      s0 = Lanes16.fma(w, Lanes16(repeating: x0[column]), s0)
      s1 = Lanes16.fma(w, Lanes16(repeating: x1[column]), s1)
      s2 = Lanes16.fma(w, Lanes16(repeating: x2[column]), s2)
      s3 = Lanes16.fma(w, Lanes16(repeating: x3[column]), s3)
      p += pitch
    }
    s0.store(blocks[0] + to)
    s1.store(blocks[1] + to)
    s2.store(blocks[2] + to)
    s3.store(blocks[3] + to)
  }

  @inline(__always)
  private func two(
    _ panel: Int, _ bias: Input?, _ blocks: UnsafePointer<UnsafeMutablePointer<Float>>,
    from x: Int, to y: Int
  ) {
    var (p, pitch) = place(panel)
    let at = 16 &* panel
    let (x0, x1) = (blocks[0] + x, blocks[1] + x)
    let to = y &+ at
    func sum(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1) = (sum(0), sum(1))
    for column in 0..<columns {
      let w = Element.column(p)
      s0 = Lanes16.fma(w, Lanes16(repeating: x0[column]), s0)
      s1 = Lanes16.fma(w, Lanes16(repeating: x1[column]), s1)
      p += pitch
    }
    s0.store(blocks[0] + to)
    s1.store(blocks[1] + to)
  }
}
