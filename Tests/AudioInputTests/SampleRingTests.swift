import AudioInput
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite("SampleRing") struct SampleRingTests {
  /// Draws from a seed: numbers in 0 ..< bound.
  struct Draws {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
  }

  final class Counter: Sendable {
    let value = Atomic(0)
  }

  /// The plain version: an array of what follows, with the ring's rule for the day it is full.
  struct Model {
    var blocks: [(samples: [Float], lost: Int, reason: LossReason)] = []
    var pending: [(samples: Int, reason: LossReason)] = []
    let capacity: Int

    mutating func write(_ samples: [Float], lostBefore: Int) {
      if lostBefore > 0 { pending.append((lostBefore, .suspended)) }
      guard blocks.count < capacity else {
        pending.append((samples.count, .overload))
        return
      }
      // Counted alone it is exact; with an estimate in it, it is one.
      let estimate = pending.first { !$0.reason.isExact }
      blocks.append(
        (
          samples, pending.reduce(0) { $0 + $1.samples },
          estimate?.reason ?? pending.first?.reason ?? .overrun
        ))
      pending = []
    }
  }

  @Test("It does what a queue does", arguments: [UInt64(1), 2, 3, 4, 5])
  func likeAQueue(seed: UInt64) {
    var draws = Draws(state: seed)
    let ring = SampleRing(blockSize: 7, blockCount: 4)
    var model = Model(capacity: 4)
    var written = 0
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 7)
    defer { buffer.deallocate() }
    for _ in 0..<20_000 {
      if draws.next(2) == 0 {
        let samples = (0..<1 + draws.next(7)).map { Float(written + $0) }
        let lost = draws.next(4) == 0 ? draws.next(100) : 0
        written += samples.count
        samples.withUnsafeBufferPointer {
          ring.write($0, captured: Double(written), lostBefore: lost, lossReason: .suspended)
        }
        model.write(samples, lostBefore: lost)
      } else if let first = model.blocks.first {
        if first.lost > 0 {
          #expect(ring.next() == .loss(first.lost, first.reason))
          ring.passLoss()
          model.blocks[0].lost = 0
        }
        #expect(ring.next() == .samples)
        let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(1 + draws.next(7))])
        let got = ring.take(into: part)
        #expect(Array(part[..<got.count]) == Array(first.samples.prefix(got.count)))
        #expect(got.count == min(part.count, first.samples.count))
        #expect(got.behind == first.samples.count - got.count)
        model.blocks[0].samples.removeFirst(got.count)
        if model.blocks[0].samples.isEmpty { model.blocks.removeFirst() }
      }
    }
    ring.finish()
    while let first = model.blocks.first {
      if first.lost > 0 {
        #expect(ring.next() == .loss(first.lost, first.reason))
        ring.passLoss()
      }
      #expect(ring.next() == .samples)
      #expect(ring.take(into: buffer).count == first.samples.count)
      model.blocks.removeFirst()
    }
    #expect(ring.next() == .ended)
  }

  @Test(
    "Two threads: every sample arrives in its place or is counted", arguments: [UInt64(6), 7, 8])
  func twoThreads(seed: UInt64) {
    // Each sample tells its position (modulo 2^20, exact in Float): a wrong count of losses shows.
    let ring = SampleRing(blockSize: 64, blockCount: 16)
    let end = Counter()
    onThread {
      var draws = Draws(state: seed)
      var position = 0
      var block = [Float](repeating: 0, count: 64)
      func write(_ count: Int, lostBefore: Int) {
        position += lostBefore
        for index in 0..<count { block[index] = Float((position + index) & 0xFFFFF) }
        position += count
        block.withUnsafeBufferPointer {
          ring.write(
            UnsafeBufferPointer(rebasing: $0[..<count]), captured: Double(position),
            lostBefore: lostBefore)
        }
      }
      while position < 500_000 {
        write(1 + draws.next(64), lostBefore: draws.next(50) == 0 ? 1 + draws.next(30) : 0)
      }
      // The last block must find room, or nobody would hear of the loss before it.
      var dropped: Int
      repeat {
        dropped = ring.droppedSamples
        write(1, lostBefore: 0)
        sched_yield()
      } while ring.droppedSamples != dropped
      end.value.store(position, ordering: .relaxed)
      ring.finish()
    }
    var draws = Draws(state: seed + 100)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 100)
    defer { buffer.deallocate() }
    var position = 0
    var wrong = 0
    reading: while true {
      switch ring.next() {
      case .ended:
        break reading
      case .loss(let samples, _):
        position += samples
        ring.passLoss()
      case .samples:
        let part = UnsafeMutableBufferPointer(rebasing: buffer[..<(1 + draws.next(100))])
        let got = ring.take(into: part)
        for index in 0..<got.count where part[index] != Float((position + index) & 0xFFFFF) {
          wrong += 1
        }
        position += got.count
        if got.captured != Double(position + got.behind) { wrong += 1 }
      }
    }
    #expect(wrong == 0, "seed \(seed)")
    #expect(position == end.value.load(ordering: .relaxed), "seed \(seed)")
  }

  @Test("A waiting reader wakes when the ring is cancelled or finished", arguments: [true, false])
  func wakes(cancel: Bool) {
    for _ in 0..<200 {
      let ring = SampleRing(blockSize: 1, blockCount: 1)
      onThread { cancel ? ring.cancel() : ring.finish() }
      #expect(ring.next() == .ended)
    }
  }

  @Test(
    "A waiting reader is woken by the last block that it needs, and by as many as fit",
    arguments: [(1, 1), (3, 3), (8, 8), (1_000, 8)])
  func wakesOnce(needed: Int, wakes: Int) {
    let ring = SampleRing(blockSize: 1, blockCount: 8)
    let sample: [Float] = [0.5]
    for _ in 0..<50 {
      let early = Counter()
      onThread {
        for written in 0..<wakes {
          // Says that it waits before it sleeps, and goes on saying so until somebody wakes it.
          while written == 0 && !ring.hasWaitingReader { sched_yield() }
          if !ring.hasWaitingReader { early.value.wrappingAdd(1, ordering: .relaxed) }
          sample.withUnsafeBufferPointer { ring.write($0, captured: 0) }
        }
      }
      #expect(ring.next(needing: needed) == .samples)
      #expect(!ring.hasWaitingReader)
      #expect(early.value.load(ordering: .relaxed) == 0, "woken too early")
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 1)
      defer { buffer.deallocate() }
      for _ in 0..<wakes {
        #expect(ring.next() == .samples)
        _ = ring.take(into: buffer)
      }
    }
  }

  @Test("A reader that needs more than ever comes gets what there is")
  func endsEarly() {
    for _ in 0..<50 {
      let ring = SampleRing(blockSize: 1, blockCount: 8)
      onThread {
        while !ring.hasWaitingReader { sched_yield() }
        let sample: [Float] = [0.5]
        sample.withUnsafeBufferPointer { ring.write($0, captured: 0) }
        ring.finish()
      }
      #expect(ring.next(needing: 3) == .samples)
    }
  }

  @Test("Cancelling leaves unread samples behind, finishing doesn't")
  func cancelDiscards() {
    let ring = SampleRing(blockSize: 1, blockCount: 2)
    let sample: [Float] = [0.5]
    sample.withUnsafeBufferPointer { ring.write($0, captured: 0) }
    ring.finish()
    #expect(ring.next() == .samples)
    ring.cancel()
    #expect(ring.next() == .ended)
  }

  @Test("A block count that isn't a power of two is refused")
  func blockCount() async {
    await #expect(processExitsWith: .failure) {
      _ = SampleRing(blockSize: 1, blockCount: 3)
    }
  }
}

@Suite("CaptureClock") struct CaptureClockTests {
  @Test("Without a gap nothing is lost, however fast or slow the card runs")
  func drift() {
    var clock = CaptureClock(rate: 16000)
    for period in 0..<1000 {
      let drifting = Double(period) * 0.01 * 1.001
      #expect(clock.advance(by: 160, lastSample: drifting, afterGap: false) == 0)
    }
  }

  @Test("A gap is the time that passed less the samples that came")
  func gap() {
    var clock = CaptureClock(rate: 48000)
    #expect(clock.advance(by: 480, lastSample: 5, afterGap: true) == 0)
    #expect(clock.advance(by: 480, lastSample: 5.25, afterGap: true) == 12000 - 480)
    #expect(clock.advance(by: 480, lastSample: 5.26, afterGap: false) == 0)
  }

  @Test("A clock that stands, runs back or goes mad loses nothing")
  func badClock() {
    for end in [10.0, 9.0, -1e300, 1e300, .infinity, .nan] {
      var clock = CaptureClock(rate: 16000)
      _ = clock.advance(by: 160, lastSample: 10, afterGap: false)
      #expect(clock.advance(by: 160, lastSample: end, afterGap: true) == 0)
    }
  }
}
