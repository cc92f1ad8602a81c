import KernelDispatch
import Kernels

/// What the tests of one instruction set compute beside it.
extension InstructionSet {
  /// a b + c as the kernels of this set round it.
  func fused(_ a: Float, _ b: Float, _ c: Float) -> Float {
    kernels.fusesMultiplyAdd ? c.addingProduct(a, b) : a * b + c
  }

  /// A sum in the order that `ElementaryKernels` states: thirty-two accumulators by position.
  ///
  /// - Parameters:
  ///   - count: Number of terms.
  ///   - add: Adds the term of a position to its accumulator.
  /// - Returns: The total.
  static func orderedSum(_ count: Int, _ add: (_ sum: Float, _ i: Int) -> Float) -> Float {
    var lanes = [Float](repeating: 0, count: 32)
    for i in 0..<count { lanes[i % 32] = add(lanes[i % 32], i) }
    return total((0..<8).map { (lanes[$0] + lanes[$0 + 8]) + (lanes[$0 + 16] + lanes[$0 + 24]) })
  }

  /// The sum of eight lanes: 0+4, 1+5, 2+6, 3+7, then 0+2, 1+3, then both.
  static func total(_ lanes: [Float]) -> Float {
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6]))
      + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
  }
}

/// Numbers of elements that meet every end of a loop: of eight lanes, of blocks of sixteen and
/// thirty-two, and none of them.
let oddSizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 39, 40, 41, 63, 64, 65, 253]

/// Lends two arrays as pointers that are never nil.
func withPointers<Result>(
  _ x: [Float], _ y: [Float],
  _ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> Result
) -> Result {
  let x = FloatBuffer(x)
  let y = FloatBuffer(y)
  return withExtendedLifetime(x) {
    withExtendedLifetime(y) { body(UnsafePointer(x.pointer), UnsafePointer(y.pointer)) }
  }
}
