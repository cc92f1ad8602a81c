import Glibc
import KernelDispatch
import Kernels

/// Compressed row -> cepstral coefficients: a small matrix times the row.
///
/// Owns the matrix, the cosines and the lifter's weights multiplied in double and rounded once, and
/// the coefficients of the newest row.
struct CepstralTransform: ~Copyable {
  /// Least energy under the logarithm, Kaldi's.
  private static let floor: Float = 0x1p-23

  private let bins: Int
  private let count: Int
  private let usesEnergy: Bool
  private let matrix: PanelBuffer
  private let bias: FloatBuffer
  private let coefficients: FloatBuffer

  init(_ cepstra: FrontEnd.Cepstra, bins: Int) {
    self.bins = bins
    count = cepstra.count
    usesEnergy = cepstra.energy
    let rows = (0..<count).flatMap { k in
      let weight = Self.weight(k, lifter: Double(cepstra.lifter))
      return (0..<bins).map { n in Float(weight * Self.cosine(k, n, bins: bins)) }
    }
    matrix = PanelBuffer(rows, rows: count, columns: bins)
    bias = FloatBuffer(count: PanelMatrix.paddedRows(count))
    coefficients = FloatBuffer(count: PanelMatrix.paddedRows(count))
  }

  /// Row k, column n of the orthonormal DCT-II.
  private static func cosine(_ k: Int, _ n: Int, bins: Int) -> Double {
    let angle = Double.pi * Double(k * (2 * n + 1)) / Double(2 * bins)
    return (Double(k == 0 ? 1 : 2) / Double(bins)).squareRoot() * cos(angle)
  }

  /// What coefficient k is multiplied by (HTK book, section 5.6).
  private static func weight(_ k: Int, lifter: Double) -> Double {
    lifter > 0 ? 1 + lifter / 2 * sin(Double.pi * Double(k) / lifter) : 1
  }

  /// Transforms a row.
  ///
  /// - Parameters:
  ///   - row: The compressed row.
  ///   - frameEnergy: Sum of squares of the frame; not read unless coefficient 0 is made of it.
  /// - Returns: The coefficients, valid until the next call; no magnitude is above 1e30.
  func apply(_ row: UnsafePointer<Float>, frameEnergy: Float) -> UnsafeMutablePointer<Float> {
    let result = coefficients.pointer
    kernels.multiply(matrix.matrix, row, plus: bias.pointer, into: result)
    RowChain.clamp(result, count: count, limit: RowChain.largestElement)
    if usesEnergy {
      result[0] = frameEnergy
      kernels.bound(result, count: 1)
      kernels.log(result, count: 1, floor: Self.floor)
    }
    return result
  }
}
