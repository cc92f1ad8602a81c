import Glibc
import TestSupport
import Testing

@Suite("Counting allocations", .enabled(if: AllocationCount.isAvailable))
struct AllocationCountTests {
  @Test("Arithmetic on memory that exists is free")
  func nothing() {
    var numbers = [Float](repeating: 1, count: 1_000)
    expectNoAllocations("doubling in place") {
      for i in numbers.indices { numbers[i] *= 2 }
    }
    #expect(numbers[999] == 2)
  }

  @Test("A growing array is seen, and so is its end")
  func array() {
    let count = allocations {
      var numbers: [Int] = []
      for i in 0..<Int.random(in: 100...101) { numbers.append(i) }
      #expect(numbers.count >= 100)
    }
    #expect(count.allocations > 0)
    #expect(count.frees > 0)
  }

  @Test("Locking a pthread mutex is seen")
  func lock() {
    var mutex = pthread_mutex_t()
    pthread_mutex_init(&mutex, nil)
    let count = allocations {
      pthread_mutex_lock(&mutex)
      pthread_mutex_unlock(&mutex)
    }
    pthread_mutex_destroy(&mutex)
    #expect(count.locks == 1)
  }

  @Test("An allocation in the body is an issue")
  func issue() {
    withKnownIssue {
      expectNoAllocations {
        UnsafeMutablePointer<Float>.allocate(capacity: Int.random(in: 9...10)).deallocate()
      }
    }
  }
}
