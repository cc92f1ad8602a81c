import Builtin

/// What a butterfly is written over: eight floats side by side, or one.
protocol Lanes {
  /// Floats side by side.
  static var width: Int { get }
  init(repeating value: Float)
  init(_ p: Input)
  func store(_ p: Output)
  /// Twice `width` floats, the even and the odd ones.
  static func deal(_ p: Input) -> (even: Self, odd: Self)
  static func + (a: Self, b: Self) -> Self
  static func - (a: Self, b: Self) -> Self
  static func * (a: Self, b: Self) -> Self
  static prefix func - (a: Self) -> Self
  /// a b + c, rounded once where the processor can.
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self
}

/// Eight floats: the one vector type of the kernels.
///
/// The standard library's `SIMD8<Float>` does arithmetic lane by lane and leaves it to a later pass
/// of the compiler to put the vector together again, which shuffles in the same function prevent (a
/// transform of 512 points took 3.7 times as long, Swift 6.3.1). Every operation here is one vector
/// instruction from the start, on any processor. `Builtin` stands behind an experimental feature of
/// the compiler, so nothing outside of this file uses it.
struct Lanes8: Lanes {
  private var value: Builtin.Vec8xFPIEEE32

  @inline(__always)
  private init(_ value: Builtin.Vec8xFPIEEE32) { self.value = value }

  @inline(__always)
  private init(_ vector: SIMD8<Float>) { value = vector._storage._value }

  static var width: Int {
    @inline(__always) get { 8 }
  }

  @inline(__always)
  init(repeating value: Float) { self.init(SIMD8<Float>(repeating: value)) }

  /// Eight floats one by one.
  @inline(__always)
  init(
    _ a: Float, _ b: Float, _ c: Float, _ d: Float, _ e: Float, _ f: Float, _ g: Float, _ h: Float
  ) {
    self.init(SIMD8(a, b, c, d, e, f, g, h))
  }

  @inline(__always)
  init(_ p: Input) { self.init(UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Float>.self)) }

  @inline(__always)
  func store(_ p: Output) {
    var vector = SIMD8<Float>()
    vector._storage._value = value
    UnsafeMutableRawPointer(p).storeBytes(of: vector, as: SIMD8<Float>.self)
  }

  @inline(__always)
  static func + (a: Self, b: Self) -> Self { Self(Builtin.fadd_Vec8xFPIEEE32(a.value, b.value)) }

  @inline(__always)
  static func - (a: Self, b: Self) -> Self { Self(Builtin.fsub_Vec8xFPIEEE32(a.value, b.value)) }

  @inline(__always)
  static func * (a: Self, b: Self) -> Self { Self(Builtin.fmul_Vec8xFPIEEE32(a.value, b.value)) }

  @inline(__always)
  static func / (a: Self, b: Self) -> Self { Self(Builtin.fdiv_Vec8xFPIEEE32(a.value, b.value)) }

  @inline(__always)
  static prefix func - (a: Self) -> Self { Self(Builtin.fneg_Vec8xFPIEEE32(a.value)) }

  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
    #if KERNEL_FMA || arch(arm64)
      Self(Builtin.int_fma_Vec8xFPIEEE32(a.value, b.value, c.value))
    #else
      a * b + c
    #endif
  }

  /// Lane i of the result is lane `mask[i]` of a, or lane `mask[i] - 8` of b.
  @inline(__always)
  private static func shuffle(_ a: Self, _ b: Self, _ mask: SIMD8<Int32>) -> Self {
    Self(
      Builtin.shufflevector_Vec8xFPIEEE32_Vec8xInt32(a.value, b.value, mask._storage._value))
  }

  /// The lanes in the opposite order.
  var reversed: Self {
    @inline(__always) get { Self.shuffle(self, self, SIMD8(7, 6, 5, 4, 3, 2, 1, 0)) }
  }

  /// Sixteen floats, even and odd ones in the order 0 1 4 5 2 3 6 7: one shuffle each, where the
  /// ascending order takes two.
  @inline(__always)
  static func deal(_ p: Input) -> (even: Self, odd: Self) {
    let (a, b) = (Self(p), Self(p + 8))
    return (
      shuffle(a, b, SIMD8(0, 2, 8, 10, 4, 6, 12, 14)),
      shuffle(a, b, SIMD8(1, 3, 9, 11, 5, 7, 13, 15))
    )
  }

  /// Eight vectors as the columns of a matrix -> its rows.
  @inline(__always)
  static func transpose(
    _ a: (Self, Self, Self, Self, Self, Self, Self, Self)
  ) -> (Self, Self, Self, Self, Self, Self, Self, Self) {
    // Pairs, then pairs of pairs, inside of the halves of a register; then the halves.
    let single = SIMD8<Int32>(0, 8, 1, 9, 4, 12, 5, 13)
    let singleHigh = SIMD8<Int32>(2, 10, 3, 11, 6, 14, 7, 15)
    let (b0, b1) = (shuffle(a.0, a.1, single), shuffle(a.0, a.1, singleHigh))
    let (b2, b3) = (shuffle(a.2, a.3, single), shuffle(a.2, a.3, singleHigh))
    let (b4, b5) = (shuffle(a.4, a.5, single), shuffle(a.4, a.5, singleHigh))
    let (b6, b7) = (shuffle(a.6, a.7, single), shuffle(a.6, a.7, singleHigh))
    let pair = SIMD8<Int32>(0, 1, 8, 9, 4, 5, 12, 13)
    let pairHigh = SIMD8<Int32>(2, 3, 10, 11, 6, 7, 14, 15)
    let (c0, c1) = (shuffle(b0, b2, pair), shuffle(b0, b2, pairHigh))
    let (c2, c3) = (shuffle(b1, b3, pair), shuffle(b1, b3, pairHigh))
    let (c4, c5) = (shuffle(b4, b6, pair), shuffle(b4, b6, pairHigh))
    let (c6, c7) = (shuffle(b5, b7, pair), shuffle(b5, b7, pairHigh))
    let half = SIMD8<Int32>(0, 1, 2, 3, 8, 9, 10, 11)
    let halfHigh = SIMD8<Int32>(4, 5, 6, 7, 12, 13, 14, 15)
    return (
      shuffle(c0, c4, half), shuffle(c1, c5, half), shuffle(c2, c6, half), shuffle(c3, c7, half),
      shuffle(c0, c4, halfHigh), shuffle(c1, c5, halfHigh), shuffle(c2, c6, halfHigh),
      shuffle(c3, c7, halfHigh)
    )
  }

  /// The sum of the lanes: 0+4, 1+5, 2+6, 3+7, then 0+2, 1+3, then both.
  var sum: Float {
    @inline(__always) get {
      let half = self + Self.shuffle(self, self, SIMD8(4, 5, 6, 7, 4, 5, 6, 7))
      let quarter = half + Self.shuffle(half, half, SIMD8(2, 3, 2, 3, 2, 3, 2, 3))
      return (quarter + Self.shuffle(quarter, quarter, SIMD8(repeating: 1))).first
    }
  }

  /// Asks for the cache line at an address, which need not be one that may be read.
  @inline(__always)
  static func fetch(_ p: Input) {
    // For reading, to be kept in every cache, data.
    Builtin.int_prefetch_RawPointer(
      p._rawValue, Int32(0)._value, Int32(3)._value, Int32(1)._value)
  }

  /// The sums of the lanes of eight vectors, each added up in the order of `sum`.
  @inline(__always)
  static func sums(
    _ a: (Self, Self, Self, Self, Self, Self, Self, Self)
  ) -> Self {
    let low = SIMD8<Int32>(0, 1, 2, 3, 8, 9, 10, 11)
    let high = SIMD8<Int32>(4, 5, 6, 7, 12, 13, 14, 15)
    let b0 = shuffle(a.0, a.4, low) + shuffle(a.0, a.4, high)
    let b1 = shuffle(a.1, a.5, low) + shuffle(a.1, a.5, high)
    let b2 = shuffle(a.2, a.6, low) + shuffle(a.2, a.6, high)
    let b3 = shuffle(a.3, a.7, low) + shuffle(a.3, a.7, high)
    let pair = SIMD8<Int32>(0, 1, 8, 9, 4, 5, 12, 13)
    let pairHigh = SIMD8<Int32>(2, 3, 10, 11, 6, 7, 14, 15)
    let c0 = shuffle(b0, b1, pair) + shuffle(b0, b1, pairHigh)
    let c1 = shuffle(b2, b3, pair) + shuffle(b2, b3, pairHigh)
    let even = SIMD8<Int32>(0, 2, 8, 10, 4, 6, 12, 14)
    let odd = SIMD8<Int32>(1, 3, 9, 11, 5, 7, 13, 15)
    return shuffle(c0, c1, even) + shuffle(c0, c1, odd)
  }

  /// The largest lane.
  var largest: Float {
    @inline(__always) get {
      let half = Self.maximum(self, Self.shuffle(self, self, SIMD8(4, 5, 6, 7, 4, 5, 6, 7)))
      let quarter = Self.maximum(half, Self.shuffle(half, half, SIMD8(2, 3, 2, 3, 2, 3, 2, 3)))
      let whole = Self.maximum(quarter, Self.shuffle(quarter, quarter, SIMD8(repeating: 1)))
      return whole.first
    }
  }

  private var first: Float {
    @inline(__always) get {
      var vector = SIMD8<Float>()
      vector._storage._value = value
      return vector[0]
    }
  }

  /// In each lane t where a < b, f elsewhere, also where either is NaN.
  @inline(__always)
  static func select(_ a: Self, lessThan b: Self, _ t: Self, else f: Self) -> Self {
    Self(
      Builtin.select_Vec8xInt1_Vec8xFPIEEE32(
        Builtin.fcmp_olt_Vec8xFPIEEE32(a.value, b.value), t.value, f.value))
  }

  /// The bit patterns of the lanes.
  var bits: SIMD8<Int32> {
    @inline(__always) get {
      var vector = SIMD8<Float>()
      vector._storage._value = value
      return unsafeBitCast(vector, to: SIMD8<Int32>.self)
    }
  }

  @inline(__always)
  init(bits: SIMD8<Int32>) { self.init(unsafeBitCast(bits, to: SIMD8<Float>.self)) }

  /// The nearest floats to integers.
  @inline(__always)
  init(_ integers: SIMD8<Int32>) {
    self.init(Builtin.sitofp_Vec8xInt32_Vec8xFPIEEE32(integers._storage._value))
  }

  /// Replaces each element of an array by a function of it, eight at a time; the last few travel
  /// through a vector of their own, so that every element is computed alike.
  @inline(__always)
  static func map(_ x: Output, count: Int, _ body: (Self) -> Self) {
    let whole = count & ~7
    var i = 0
    while i < whole {
      body(Self(x + i)).store(x + i)
      i &+= 8
    }
    guard whole < count else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 8) { memory in
      guard let rest = memory.baseAddress else { return }
      for j in 0..<8 { rest[j] = whole &+ j < count ? x[whole &+ j] : 0 }
      body(Self(rest)).store(rest)
      for j in whole..<count { x[j] = rest[j &- whole] }
    }
  }

  /// The larger of two numbers in each lane; b where a is NaN.
  @inline(__always)
  static func maximum(_ a: Self, _ b: Self) -> Self {
    Self(
      Builtin.select_Vec8xInt1_Vec8xFPIEEE32(
        Builtin.fcmp_ogt_Vec8xFPIEEE32(a.value, b.value), a.value, b.value))
  }
}

/// One float, for transforms whose length no vector fits.
struct Lane1: Lanes {
  var value: Float

  @inline(__always)
  init(_ value: Float) { self.value = value }

  static var width: Int {
    @inline(__always) get { 1 }
  }

  @inline(__always)
  init(repeating value: Float) { self.value = value }

  @inline(__always)
  init(_ p: Input) { value = p.pointee }

  @inline(__always)
  func store(_ p: Output) { p.pointee = value }

  @inline(__always)
  static func deal(_ p: Input) -> (even: Self, odd: Self) { (Self(p[0]), Self(p[1])) }

  @inline(__always)
  static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }

  @inline(__always)
  static func - (a: Self, b: Self) -> Self { Self(a.value - b.value) }

  @inline(__always)
  static func * (a: Self, b: Self) -> Self { Self(a.value * b.value) }

  @inline(__always)
  static prefix func - (a: Self) -> Self { Self(-a.value) }

  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
    Self(fused(a.value, b.value, c.value))
  }
}

/// a b + c, rounded once where the processor can: elsewhere the standard library would call libm.
@inline(__always)
func fused(_ a: Float, _ b: Float, _ c: Float) -> Float {
  #if KERNEL_FMA || arch(arm64)
    c.addingProduct(a, b)
  #else
    a * b + c
  #endif
}

/// Sixteen floats, a panel's column: one register where the processor has such, else two or four.
struct Lanes16 {
  private var value: Builtin.Vec16xFPIEEE32

  @inline(__always)
  private init(_ value: Builtin.Vec16xFPIEEE32) { self.value = value }

  @inline(__always)
  init(repeating value: Float) { self.value = SIMD16<Float>(repeating: value)._storage._value }

  @inline(__always)
  init(_ p: Input) { self.init(floats: UnsafeRawPointer(p)) }

  @inline(__always)
  init(floats p: UnsafeRawPointer) {
    value = p.loadUnaligned(as: SIMD16<Float>.self)._storage._value
  }

  /// Sixteen numbers of half precision.
  ///
  /// Without an instruction for it (`readsHalves`) the compiler calls a function for each.
  @inline(__always)
  init(halves p: UnsafeRawPointer) {
    let bits = p.loadUnaligned(as: SIMD16<UInt16>.self)._storage._value
    value = Builtin.fpext_Vec16xFPIEEE16_Vec16xFPIEEE32(
      Builtin.bitcast_Vec16xInt16_Vec16xFPIEEE16(bits))
  }

  @inline(__always)
  func store(_ p: Output) {
    var vector = SIMD16<Float>()
    vector._storage._value = value
    UnsafeMutableRawPointer(p).storeBytes(of: vector, as: SIMD16<Float>.self)
  }

  /// a b + c, rounded once where the processor can.
  @inline(__always)
  static func fma(_ a: Self, _ b: Self, _ c: Self) -> Self {
    #if KERNEL_FMA || arch(arm64)
      Self(Builtin.int_fma_Vec16xFPIEEE32(a.value, b.value, c.value))
    #else
      Self(
        Builtin.fadd_Vec16xFPIEEE32(Builtin.fmul_Vec16xFPIEEE32(a.value, b.value), c.value))
    #endif
  }
}
