import Kernels

extension Loops {
  package static func multiply(
    _ w: UnsafePointer<Float>, _ x: UnsafePointer<Float>, plus bias: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    Panels(w: w, count: (rows &+ 15) / 16, columns: columns).multiply(bias, x, into: y)
  }

  package static func multiply(
    _ w: UnsafePointer<Float>, plus bias: UnsafePointer<Float>?, rows: Int, columns: Int,
    in streams: StreamBlocks, from x: Int, to y: Int
  ) {
    let matrix = Panels(w: w, count: (rows &+ 15) / 16, columns: columns)
    var stream = 0
    // A stream by itself is bound by reading the weights, streams together by multiplying: a
    // panel's columns are read once for as many as have sums in registers.
    while stream &+ 1 < streams.count {
      stream &+= matrix.multiplyTogether(
        bias, streams.blocks + stream, streams.count &- stream, from: x, to: y)
    }
    if stream < streams.count {
      let block = streams.blocks[stream]
      matrix.multiply(bias ?? Input(block + y), Input(block + x), into: block + y)
    }
  }
}

/// A packed matrix, as `PanelLayout` says.
private struct Panels {
  let w: Input
  let count: Int
  let columns: Int

  /// Panels that lie in fours.
  private var whole: Int {
    @inline(__always) get { count & ~3 }
  }

  /// Where a panel begins, and how many floats lie from one of its columns to the next.
  @inline(__always)
  private func place(_ panel: Int) -> (first: Input, pitch: Int) {
    let first = (panel & ~3) &* 16 &* columns
    guard panel >= whole else { return (w + (first &+ (panel & 3) &* 16), 64) }
    return (w + panel &* 16 &* columns, 16)
  }

  // MARK: One stream

  @inline(never)
  func multiply(_ start: Input, _ x: Input, into y: Output) {
    var panel = 0
    // As many chains of sums as hide the latency of one.
    #if KERNEL_512
      while panel &+ 8 <= count {
        eight(panel, start, x, into: y)
        panel &+= 8
      }
    #endif
    while panel &+ 4 <= count {
      four(panel, start, x, into: y)
      panel &+= 4
    }
    while panel < count {
      one(panel, start, x, into: y)
      panel &+= 1
    }
  }

  @inline(__always)
  private func one(_ panel: Int, _ start: Input, _ x: Input, into y: Output) {
    var p = w + panel &* 16 &* columns
    var sum = Lanes16(start + 16 &* panel)
    for column in 0..<columns {
      sum = Lanes16.fma(Lanes16(p), Lanes16(repeating: x[column]), sum)
      p += 16
    }
    sum.store(y + 16 &* panel)
  }

  @inline(__always)
  private func four(_ panel: Int, _ start: Input, _ x: Input, into y: Output) {
    var p = w + panel &* 16 &* columns
    let b = start + 16 &* panel
    var (s0, s1, s2, s3) = (Lanes16(b), Lanes16(b + 16), Lanes16(b + 32), Lanes16(b + 48))
    for column in 0..<columns {
      let factor = Lanes16(repeating: x[column])
      s0 = Lanes16.fma(Lanes16(p), factor, s0)
      s1 = Lanes16.fma(Lanes16(p + 16), factor, s1)
      s2 = Lanes16.fma(Lanes16(p + 32), factor, s2)
      s3 = Lanes16.fma(Lanes16(p + 48), factor, s3)
      p += 64
    }
    let r = y + 16 &* panel
    s0.store(r)
    s1.store(r + 16)
    s2.store(r + 32)
    s3.store(r + 48)
  }

  #if KERNEL_512
    @inline(__always)
    private func eight(_ panel: Int, _ start: Input, _ x: Input, into y: Output) {
      var p = w + panel &* 16 &* columns
      var q = p + 64 &* columns
      let b = start + 16 &* panel
      var (s0, s1, s2, s3) = (Lanes16(b), Lanes16(b + 16), Lanes16(b + 32), Lanes16(b + 48))
      var (s4, s5, s6, s7) = (Lanes16(b + 64), Lanes16(b + 80), Lanes16(b + 96), Lanes16(b + 112))
      for column in 0..<columns {
        let factor = Lanes16(repeating: x[column])
        s0 = Lanes16.fma(Lanes16(p), factor, s0)
        s1 = Lanes16.fma(Lanes16(p + 16), factor, s1)
        s2 = Lanes16.fma(Lanes16(p + 32), factor, s2)
        s3 = Lanes16.fma(Lanes16(p + 48), factor, s3)
        s4 = Lanes16.fma(Lanes16(q), factor, s4)
        s5 = Lanes16.fma(Lanes16(q + 16), factor, s5)
        s6 = Lanes16.fma(Lanes16(q + 32), factor, s6)
        s7 = Lanes16.fma(Lanes16(q + 48), factor, s7)
        p += 64
        q += 64
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

  /// Multiplies for as many of the streams as go together.
  ///
  /// - Returns: How many.
  @inline(__always)
  func multiplyTogether(
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
    func start(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1, s2, s3, s4, s5) = (start(0), start(1), start(2), start(3), start(4), start(5))
    for column in 0..<columns {
      let w = Lanes16(p)
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
    func start(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1, s2, s3) = (start(0), start(1), start(2), start(3))
    for column in 0..<columns {
      let w = Lanes16(p)
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
    func start(_ stream: Int) -> Lanes16 {
      if let bias { Lanes16(bias + at) } else { Lanes16(Input(blocks[stream] + to)) }
    }
    var (s0, s1) = (start(0), start(1))
    for column in 0..<columns {
      let w = Lanes16(p)
      s0 = Lanes16.fma(w, Lanes16(repeating: x0[column]), s0)
      s1 = Lanes16.fma(w, Lanes16(repeating: x1[column]), s1)
      p += pitch
    }
    s0.store(blocks[0] + to)
    s1.store(blocks[1] + to)
  }
}
