import AttentionSocket
import NIOCore
import TestSupport
import Testing

private func bytes(_ count: Int) -> ByteBuffer { ByteBuffer(repeating: 0x61, count: count) }

private func queue(
  frames: Int = 4, frameBytes: Int = 1 << 20, mustArrive: Int = 3, mustArriveBytes: Int = 1_000
) -> SubscriberQueue {
  SubscriberQueue(
    bounds: .init(
      frames: frames, frameBytes: frameBytes, mustArrive: mustArrive,
      mustArriveBytes: mustArriveBytes))
}

extension SubscriberQueue {
  fileprivate mutating func all() -> [String] {
    var taken: [String] = []
    while let next = next() {
      switch next {
      case .bytes(let bytes), .frame(let bytes, _, _): taken.append("\(bytes.readableBytes)")
      case .dropped(let hole, let total):
        taken.append("dropped \(hole.stream): \(hole.fromIndex)-\(hole.toIndex) of \(total)")
      case .replay: taken.append("replay")
      }
    }
    return taken
  }
}

@Suite struct SubscriberQueueTests {
  @Test("Entries leave in the order in which they came") func order() {
    var queue = queue()
    var dropped = queue.offerFrame(bytes(10), stream: 0, epoch: 0, index: 0)
    let isQueued = queue.offer(bytes(20))
    queue.offer(Replay(next: 1, last: 2, streams: []))
    dropped += queue.offerFrame(bytes(11), stream: 0, epoch: 0, index: 1)
    let taken = queue.all()
    #expect(taken == ["10", "20", "replay", "11"])
    #expect(isQueued && dropped == 0)
    #expect(queue.isEmpty && queue.byteCount == 0)
  }

  @Test("The oldest frames go, and one dropped stands in their place") func dropsOldest() {
    var queue = queue(frames: 2)
    _ = queue.offer(bytes(100))
    for index in 0..<5 {
      _ = queue.offerFrame(bytes(index + 1), stream: 0, epoch: 0, index: index)
    }
    _ = queue.offer(bytes(101))
    let first = queue.all()
    #expect(first == ["100", "dropped 0: 0-2 of 3", "4", "5", "101"])
    for index in 5..<8 {
      _ = queue.offerFrame(bytes(index + 1), stream: 0, epoch: 0, index: index)
    }
    let second = queue.all()
    #expect(second == ["dropped 0: 5-5 of 4", "7", "8"])
  }

  @Test("Streams and epochs have holes of their own") func streamsApart() {
    var queue = queue(frames: 2)
    for index in 0..<3 {
      _ = queue.offerFrame(bytes(1), stream: 0, epoch: 0, index: index)
      _ = queue.offerFrame(bytes(2), stream: 1, epoch: 0, index: index)
    }
    _ = queue.offerFrame(bytes(3), stream: 0, epoch: 1, index: 0)
    _ = queue.offerFrame(bytes(4), stream: 0, epoch: 1, index: 1)
    let taken = queue.all()
    #expect(taken == ["dropped 0: 0-2 of 3", "dropped 1: 0-2 of 6", "3", "4"])
  }

  @Test("Frames lost before the queue join the hole that they touch") func lossesJoin() {
    var queue = queue(frames: 2)
    _ = queue.offerFrame(bytes(1), stream: 0, epoch: 0, index: 0)
    queue.offerHole(.init(stream: 0, epoch: 0, count: 3, fromIndex: 1, toIndex: 3))
    queue.offerHole(.init(stream: 0, epoch: 0, count: 1, fromIndex: 4, toIndex: 4))
    _ = queue.offerFrame(bytes(5), stream: 0, epoch: 0, index: 5)
    _ = queue.offerFrame(bytes(6), stream: 0, epoch: 0, index: 6)
    let taken = queue.all()
    #expect(taken == ["dropped 0: 0-4 of 5", "5", "6"])
  }

  @Test("Bytes bound the frames, but two of the largest always fit") func byteBound() {
    var queue = queue(frames: 100, frameBytes: 50)
    for index in 0..<10 { _ = queue.offerFrame(bytes(10), stream: 0, epoch: 0, index: index) }
    #expect(queue.byteCount == 50)
    _ = queue.offerFrame(bytes(400), stream: 0, epoch: 0, index: 10)
    _ = queue.offerFrame(bytes(400), stream: 0, epoch: 0, index: 11)
    let taken = queue.all()
    #expect(taken == ["dropped 0: 0-9 of 10", "400", "400"])
  }

  @Test("What must arrive is refused past either bound, never dropped") func mustArrive() {
    var queue = queue(mustArrive: 2)
    let fit = (1...3).map { queue.offer(bytes($0)) }
    queue.offerLast(bytes(4))
    let taken = queue.all()
    #expect(fit == [true, true, false])
    #expect(taken == ["1", "2", "4"])
    var byBytes = SubscriberQueue(
      bounds: .init(frames: 4, frameBytes: 100, mustArrive: 100, mustArriveBytes: 10))
    let fitBytes = [10, 1].map { byBytes.offer(bytes($0)) }
    byBytes.offerLast(bytes(1))
    let takenBytes = byBytes.all()
    #expect(fitBytes == [true, false])
    #expect(takenBytes == ["10"])
  }

  /// Random traffic against what the protocol promises, checked on the reader's side.
  @Test(
    "Every hole is explained, every total right, and nothing that must arrive is lost",
    arguments: 1...40)
  func promises(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let bounds = SubscriberQueue.Bounds(
      frames: Int.random(in: 1...8, using: &random), frameBytes: 200, mustArrive: 6,
      mustArriveBytes: 4_000)
    var queue = SubscriberQueue(bounds: bounds)
    var reader = Reader()
    var nextIndex = [0, 0, 0]
    var sent: [Int] = []
    var epoch = 0
    for step in 0..<3_000 {
      let stream = Int.random(in: 0..<3, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        let frame = reader.mark(stream, epoch, nextIndex[stream], size: 1 + step % 90)
        _ = queue.offerFrame(frame, stream: stream, epoch: epoch, index: nextIndex[stream])
        nextIndex[stream] += 1
      case 5:
        let count = Int.random(in: 1...5, using: &random)
        queue.offerHole(
          .init(
            stream: stream, epoch: epoch, count: count, fromIndex: nextIndex[stream],
            toIndex: nextIndex[stream] + count - 1))
        nextIndex[stream] += count
      case 6:
        if queue.offer(reader.mark(event: step)) { sent.append(step) }
      case 7 where step % 400 == 0:
        epoch += 1
        nextIndex = [0, 0, 0]
      default:
        for _ in 0..<Int.random(in: 0...4, using: &random) { reader.take(queue.next()) }
      }
      #expect(queue.byteCount <= 4_000 + 400, "seed \(seed), step \(step)")
    }
    while let next = queue.next() { reader.take(next) }
    #expect(reader.faults.isEmpty, "seed \(seed): \(reader.faults)")
    #expect(reader.events == sent, "seed \(seed)")
    #expect(reader.total == queue.droppedTotal && reader.total > 0, "seed \(seed)")
    for stream in 0..<3 {
      #expect(reader.expected(stream, epoch) == nextIndex[stream], "seed \(seed)")
    }
  }
}

/// The far end of the property test: knows which index is due in each stream and epoch.
private struct Reader {
  private struct Place: Hashable {
    let stream: Int
    let epoch: Int
  }

  private var due: [Place: Int] = [:]
  private(set) var events: [Int] = []
  private(set) var total = 0
  private(set) var faults: [String] = []

  func expected(_ stream: Int, _ epoch: Int) -> Int {
    due[Place(stream: stream, epoch: epoch)] ?? 0
  }

  /// A frame that says what it is, in `size` bytes or more.
  func mark(_ stream: Int, _ epoch: Int, _ index: Int, size: Int) -> ByteBuffer {
    ByteBuffer(string: "f \(stream) \(epoch) \(index) " + String(repeating: "x", count: size))
  }

  func mark(event: Int) -> ByteBuffer { ByteBuffer(string: "e \(event)") }

  mutating func take(_ next: SubscriberQueue.Next?) {
    switch next {
    case nil, .replay: break
    case .dropped(let hole, let total):
      let place = Place(stream: hole.stream, epoch: hole.epoch)
      if hole.fromIndex != due[place] ?? 0 { faults.append("hole at \(hole.fromIndex)") }
      if hole.count != hole.toIndex - hole.fromIndex + 1 { faults.append("count \(hole.count)") }
      due[place] = hole.toIndex + 1
      self.total += hole.count
      if self.total != total { faults.append("total \(total)") }
    case .bytes(let bytes), .frame(let bytes, _, _):
      let words = String(buffer: bytes).split(separator: " ")
      let numbers = words.dropFirst().prefix(3).compactMap { Int($0) }
      guard words[0] == "f" else {
        events.append(contentsOf: numbers.prefix(1))
        return
      }
      let place = Place(stream: numbers[0], epoch: numbers[1])
      if numbers[2] != due[place] ?? 0 { faults.append("frame \(numbers)") }
      due[place] = numbers[2] + 1
    }
  }
}
