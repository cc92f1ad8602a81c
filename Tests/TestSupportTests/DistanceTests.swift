import TestSupport
import Testing

@Suite("Distances between floats")
struct DistanceTests {
  @Test(
    "Neighbouring floats are one ulp apart, on both sides of zero too",
    arguments: [1, -1, 0x1p-126, .leastNonzeroMagnitude, 0, -0.0, 3e38] as [Float])
  func neighbours(x: Float) {
    #expect(ulpDistance(x, x.nextUp) == 1)
    #expect(ulpDistance(x, x.nextDown) == 1)
    #expect(ulpDistance(x.nextDown, x.nextUp) == 2)
    #expect(ulpDistance(x, x) == 0)
  }

  @Test("A NaN is as far as can be from any number, and no way from a NaN")
  func notANumber() {
    #expect(ulpDistance(.nan, 1) == .max)
    #expect(ulpDistance(1, .nan) == .max)
    #expect(ulpDistance(.nan, .nan) == 0)
    #expect(ulpDistance(-.infinity, .infinity) == 2 * Float.infinity.bitPattern)
  }

  @Test("The relative error is that of the whole array")
  func relative() {
    #expect(relativeL2([3, 4], [3, 4]) == 0)
    #expect(relativeL2([3, 5], [3, 4]) == 0.2)
    #expect(relativeL2([0], [0]) == 0)
    #expect(relativeL2([1], [0]) == .infinity)
    #expect(relativeL2([1], [1, 2]) == .infinity)
    #expect(relativeL2([.nan], [1]).isNaN)
  }

  @Test("The largest difference says where it is")
  func largest() {
    let difference = LargestDifference([1, 2, 3] as [Float], [1, 2.5, 3] as [Double])
    #expect(difference.value == 0.5)
    #expect(difference.index == 1)
    #expect(difference.description == "0.5 at element 1: got 2.0, reference 2.5")
    #expect(LargestDifference([.nan], [1] as [Float]).value == .infinity)
    #expect(LargestDifference([.nan, .infinity], [.nan, .infinity] as [Float]).value == 0)
    #expect(LargestDifference([1, 2], [1] as [Float]).value == .infinity)
  }

  @Test("The first bit that differs is found, that of a zero's sign too; a NaN is itself")
  func bits() {
    #expect(bitDifference([1, .nan, 0], [1, .nan, 0] as [Float]) == nil)
    #expect(
      bitDifference([1, 2, 3], [1, 2, 4] as [Float]) == "element 2 of 3: got 3.0, expected 4.0")
    #expect(bitDifference([0], [-0.0]) == "element 0 of 1: got 0.0, expected -0.0")
    #expect(bitDifference([], [1] as [Float]) == "0 elements, not 1")
  }
}
