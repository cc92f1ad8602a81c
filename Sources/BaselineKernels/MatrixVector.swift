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
    // A stream by itself is bound by reading the weights, streams together by multiplying: every
    // panel serves all of them before the next is read.
    let together = streams.count & ~1
    if together > 0 {
      for panel in 0..<count {
        multiply(
          panel, StreamPlaces(bias: bias, blocks: streams.blocks, x: x, y: y, panel: panel),
          together)
      }
    }
    if together < streams.count {
      let block = streams.blocks[together]
      multiply(bias ?? Input(block + y), Input(block + x), into: block + y)
    }
  }

  /// Multiplies a panel for an even number of streams, as many at a time as have their sums in
  /// twelve registers: six, or twelve where a register holds sixteen floats.
  @inline(__always)
  private func multiply(_ panel: Int, _ first: StreamPlaces, _ streams: Int) {
    var places = first
    var left = streams
    #if KERNEL_512
      while left >= 12 {
        multiply(panel, Both<Both<Four, Four>, Four>(places))
        places.blocks += 12
        left &-= 12
      }
    #endif
    while left >= 6 {
      multiply(panel, Both<Four, Two>(places))
      places.blocks += 6
      left &-= 6
    }
    if left == 4 {
      multiply(panel, Four(places))
    } else if left == 2 {
      multiply(panel, Two(places))
    }
  }

  /// Multiplies a panel for some streams.
  @inline(__always)
  private func multiply(_ panel: Int, _ start: some PanelSums) {
    var sums = start
    var (p, pitch) = place(panel)
    for column in 0..<columns {
      sums.add(Element.column(p), column)
      p += pitch
    }
    sums.store()
  }
}

/// Where streams that go together find their vectors, and where a panel's sums go.
private struct StreamPlaces {
  let bias: Input?
  var blocks: UnsafePointer<UnsafeMutablePointer<Float>>
  let x: Int
  let y: Int
  let panel: Int
}

/// The sums of a panel for one stream or several, in registers.
private protocol PanelSums {
  /// How many streams.
  static var streams: Int { get }
  /// What the sums start from: the bias, or what stands there.
  init(_ places: StreamPlaces)
  /// Adds a column of the panel times each stream's element.
  mutating func add(_ w: Lanes16, _ column: Int)
  /// Writes the sums where they go.
  func store()
}

private struct One: PanelSums {
  private var sum: Lanes16
  private let x: Input
  private let y: Output

  static var streams: Int {
    @inline(__always) get { 1 }
  }

  @inline(__always)
  init(_ places: StreamPlaces) {
    let block = places.blocks[0]
    let row = 16 &* places.panel
    x = Input(block + places.x)
    y = block + (places.y &+ row)
    sum = Lanes16(places.bias.map { $0 + row } ?? Input(y))
  }

  @inline(__always)
  mutating func add(_ w: Lanes16, _ column: Int) {
    sum = Lanes16.fma(w, Lanes16(repeating: x[column]), sum)
  }

  @inline(__always)
  func store() { sum.store(y) }
}

/// Those of some streams and of those behind them.
private struct Both<First: PanelSums, Second: PanelSums>: PanelSums {
  private var first: First
  private var second: Second

  static var streams: Int {
    @inline(__always) get { First.streams &+ Second.streams }
  }

  @inline(__always)
  init(_ places: StreamPlaces) {
    first = First(places)
    var rest = places
    rest.blocks += First.streams
    second = Second(rest)
  }

  @inline(__always)
  mutating func add(_ w: Lanes16, _ column: Int) {
    first.add(w, column)
    second.add(w, column)
  }

  @inline(__always)
  func store() {
    first.store()
    second.store()
  }
}

private typealias Two = Both<One, One>
private typealias Four = Both<Two, Two>
