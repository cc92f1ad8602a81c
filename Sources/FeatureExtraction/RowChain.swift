import Glibc
import KernelDispatch
import Kernels

/// Mel energies -> rows: everything of a front end that comes after its filters.
///
/// In: the energies of each frame, `bins` floats. `compress` is the part that looks at one element
/// at a time and remembers nothing, so that several rows may be compressed together; `push` is the
/// rest, row by row: per-channel energy normalisation, cepstra, differences, running normalisation,
/// mean and scale. Out: rows of `rowLength` floats. Owns what those steps remember; allocates only
/// in `init`.
///
/// The bits of a row depend on the energies and on nothing else.
package struct RowChain: ~Copyable {
  /// No element is larger, before mean and scale are applied.
  static let largestElement: Float = 1e30

  private let compression: FrontEnd.Compression
  private let bins: Int
  private let rowLength: Int
  /// With decibels: what the logarithm gives for the floor, and the floor's decibels.
  private let floorLogarithm: Float
  private let floorDecibels: Float
  private var gainControl: GainControl?
  private let cepstra: CepstralTransform?
  private var deltas: DeltaRing?
  private var running: RunningMoments?
  /// Subtracted from a row, and what it is multiplied by after that.
  private let mean: FloatBuffer
  private let scale: FloatBuffer
  /// Whether they are applied: not after a running normalisation that began with them.
  private let appliesMean: Bool

  /// Rows given out since the start.
  package private(set) var rows = 0

  /// Makes the tables.
  ///
  /// - Parameters:
  ///   - frontEnd: The numbers, checked.
  ///   - mean: Subtracted from a row, `rowLength` numbers; zeros when absent.
  ///   - scale: What a row is multiplied by after that; ones when absent.
  /// - Throws: `FrontEndError` when mean and scale are not as many as a row's elements, not finite,
  ///   or so large that a row could overflow.
  package init(
    _ frontEnd: FrontEnd, mean: [Float]? = nil, scale: [Float]? = nil
  ) throws(FrontEndError) {
    let length = frontEnd.rowLength
    let mean = mean ?? Array(repeating: 0, count: length)
    let scale = scale ?? Array(repeating: 1, count: length)
    try frontEnd.validate(mean: mean, scale: scale)
    compression = frontEnd.compression
    bins = frontEnd.bins
    rowLength = length
    (floorLogarithm, floorDecibels) = Self.floors(compression)
    if case .pcen(let pcen) = compression { gainControl = GainControl(pcen, bins: bins) }
    cepstra = frontEnd.cepstra.map { CepstralTransform($0, bins: frontEnd.bins) }
    if frontEnd.deltas > 0 {
      deltas = DeltaRing(
        orders: frontEnd.deltas, length: frontEnd.cepstra?.count ?? frontEnd.bins)
    }
    running = frontEnd.running.map { RunningMoments($0, mean: mean, scale: scale) }
    self.mean = FloatBuffer(mean)
    self.scale = FloatBuffer(scale)
    appliesMean = frontEnd.running?.start != .model
  }

  /// Bounds energies and compresses them; per-channel energy normalisation is left to `push`.
  ///
  /// - Parameters:
  ///   - energies: The energies of one frame or of several; replaced.
  ///   - count: How many, a multiple of `bins`.
  package func compress(_ energies: UnsafeMutablePointer<Float>, count: Int) {
    kernels.bound(energies, count: count)
    switch compression {
    case .linear, .pcen: break
    case .log(let floor): kernels.log(energies, count: count, floor: floor)
    case .decibels(let floor):
      kernels.log(energies, count: count, floor: floor)
      for i in 0..<count {
        // At the floor exactly its decibels, and nowhere less.
        let decibels = 4.342_944_8 * energies[i]
        let bounded = decibels > floorDecibels ? decibels : floorDecibels
        energies[i] = energies[i] > floorLogarithm ? bounded : floorDecibels
      }
    }
  }

  /// Takes one compressed row and gives out the row that it completes, if any.
  ///
  /// - Parameters:
  ///   - row: `bins` elements, as `compress` left them; used as scratch.
  ///   - frameEnergy: Sum of squares of the frame's scaled samples, its mean removed; read only where
  ///     a cepstrum holds it.
  ///   - body: Called with the row, `rowLength` floats.
  package mutating func push(
    _ row: UnsafeMutablePointer<Float>, frameEnergy: Float, _ body: (Span<Float>) -> Void
  ) {
    gainControl?.apply(row)
    let row = cepstra?.apply(row, frameEnergy: frameEnergy) ?? row
    guard deltas != nil else { return give(row, body) }
    deltas?.push(row)
    if let row = deltas?.next() { give(row, body) }
  }

  /// Gives out the rows that wait for others after them: none will come.
  ///
  /// - Parameter body: Called with each row, oldest first.
  package mutating func finish(_ body: (Span<Float>) -> Void) {
    while let row = deltas?.last() { give(row, body) }
  }

  /// Forgets everything: the next row is the first of a new stream.
  package mutating func reset() {
    gainControl?.reset()
    deltas?.reset()
    running?.reset()
    rows = 0
  }

  private mutating func give(
    _ row: UnsafeMutablePointer<Float>, _ body: (Span<Float>) -> Void
  ) {
    running?.apply(row)
    if appliesMean {
      kernels.normalise(row, mean: mean.pointer, scale: scale.pointer, count: rowLength)
    }
    rows += 1
    body(UnsafeBufferPointer(start: row, count: rowLength).span)
  }

  /// Logarithm of a floor in decibels as `compress` computes it, and the decibels that it stands for.
  private static func floors(
    _ compression: FrontEnd.Compression
  ) -> (logarithm: Float, decibels: Float) {
    guard case .decibels(let floor) = compression else { return (0, 0) }
    var logarithm = floor
    kernels.log(&logarithm, count: 1, floor: floor)
    return (logarithm, Float(10 * log10(Double(floor))))
  }

  /// Brings elements to between -limit and limit.
  static func clamp(_ x: UnsafeMutablePointer<Float>, count: Int, limit: Float) {
    for i in 0..<count {
      let bounded = x[i] < limit ? x[i] : limit
      x[i] = bounded > -limit ? bounded : -limit
    }
  }
}
