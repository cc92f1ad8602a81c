import Glibc
import Kernels

/// The discrete Fourier transform of real samples: frame -> spectrum.
///
/// In: `size` samples. Out: size / 2 + 1 bins, `X_k = sum_n x_n exp(-2 pi i k n / size)`, not
/// scaled. Owns its tables (computed in double, rounded once) and its scratch; used by one thread
/// at a time.
///
/// A transform of half the length over the dealt samples (even ones real, odd ones imaginary),
/// radix 4 with a last radix 2 where the length needs it, and a pass that separates the halves.
public struct FourierTransform: ~Copyable {
  /// Samples of a transform: a power of two from 64 to 8192.
  public let size: Int

  /// Twiddles of each radix-4 pass, first to last.
  private let twiddles: FloatBuffer
  private let realTwiddles: FloatBuffer
  /// Two complex arrays of half the size, and one for the result with a bin more.
  private let scratch: FloatBuffer

  /// Makes the tables.
  ///
  /// - Parameter size: A power of two from 64 to 8192.
  public init(size: Int) {
    precondition(
      (64...8_192).contains(size) && size & (size - 1) == 0,
      "A transform's size is a power of two from 64 to 8192")
    self.size = size
    let half = size / 2
    var table: [Float] = []
    var n = half
    while n >= 4 {
      for power in 1...3 {
        let angles = (0..<n / 4).map { -2 * Double.pi * Double(power * $0) / Double(n) }
        table += angles.map { Float(cos($0)) }
        table += angles.map { Float(sin($0)) }
      }
      n /= 4
    }
    twiddles = FloatBuffer(table)
    let angles = (0..<half).map { -2 * Double.pi * Double($0) / Double(size) }
    realTwiddles = FloatBuffer(angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) })
    scratch = FloatBuffer(count: 6 * half + 2)
  }

  /// Number of bins of the spectrum: size / 2 + 1.
  public var bins: Int { size / 2 + 1 }

  /// Transforms one frame.
  ///
  /// A NaN or an infinity in the frame spoils this spectrum and no other.
  ///
  /// - Parameters:
  ///   - samples: The frame, `size` samples.
  ///   - body: Given the real and the imaginary parts of the spectrum, `bins` each.
  /// - Returns: What `body` returns.
  public mutating func callAsFunction<Result>(
    _ samples: Span<Float>, _ body: (_ re: Span<Float>, _ im: Span<Float>) -> Result
  ) -> Result {
    precondition(samples.count == size, "A frame has as many samples as the transform")
    let spectrum = samples.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { transform($0) }
    }
    guard let spectrum else { preconditionFailure("A frame is not empty") }
    return body(
      UnsafeBufferPointer(start: spectrum.re, count: bins).span,
      UnsafeBufferPointer(start: spectrum.im, count: bins).span)
  }

  /// Transforms `size` samples; the result stays valid until the next call.
  mutating func transform(_ samples: UnsafePointer<Float>) -> Butterflies.Complex {
    let half = size / 2
    let base = scratch.pointer
    var from = Butterflies.Complex(re: base, im: base + half)
    var to = Butterflies.Complex(re: base + 2 * half, im: base + 3 * half)
    let result = Butterflies.Complex(re: base + 4 * half, im: base + 5 * half + 1)

    Butterflies.deal(samples, into: from, half: half)
    var table = UnsafePointer(twiddles.pointer)
    var n = half
    var stride = 1
    while n >= 4 {
      if stride == 1 {
        Butterflies.firstRadix4(from, to, apart: result, twiddles: table, n: n)
      } else {
        Butterflies.radix4(from, to, twiddles: table, n: n, stride: stride)
      }
      table += 6 * (n / 4)
      n /= 4
      stride *= 4
      swap(&from, &to)
    }
    if n == 2 {
      Butterflies.lastRadix2(from, to, stride: stride)
      swap(&from, &to)
    }
    Butterflies.realSpectrum(
      from, result, reversed: to, twiddles: realTwiddles.pointer, half: half)
    return result
  }
}
