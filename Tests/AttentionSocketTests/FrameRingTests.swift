import AttentionSocket
import Simulated
import Synchronization
import Testing

/// Tells the reading thread that nothing more comes.
private final class Writer: Sendable {
  let isDone = Atomic<Bool>(false)
}

/// The boundary between two threads, with both running.
@Suite struct FrameRingTests {
  @Test("Two threads: every frame arrives in order or is told of, every detection arrives")
  func twoThreads() async throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.attention, .detection], weights: .float32))
    let publisher = daemon.publisher()
    let writer = Writer()
    let frames = 20_000
    // The bound on detections in flight is the ring's: 1,024.
    let detections = 500
    var due = 0
    var found = 0
    var lost = 0
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for index in 0..<frames {
          publisher.frame(index, span: 1 + index % 8)
          if index % (frames / detections) == 0 { publisher.detection(at: index) }
        }
        writer.isDone.store(true, ordering: .releasing)
      }
      var isLast = false
      while !isLast {
        isLast = writer.isDone.load(ordering: .acquiring)
        daemon.drain()
        for event in try client.events() {
          switch event {
          case .attention(let frame):
            #expect(frame.index == due)
            #expect(frame.weights[1].last == Float(frame.span + 1) / Float(7 + frame.index))
            due += 1
          case .dropped(let hole):
            #expect(hole.fromIndex == due)
            due = hole.toIndex + 1
            lost += hole.count
          case .detection(let detection):
            found += 1
            #expect(detection.seq == found)
          default: throw UnexpectedEvent(event: event)
          }
        }
      }
      try await group.waitForAll()
    }
    // Frames lost at the very end are told of with the next record.
    publisher.frame(frames)
    daemon.drain()
    for event in try client.events() {
      if case .dropped(let hole) = event { lost += hole.count }
      if case .attention(let frame) = event { due = frame.index + 1 }
    }
    #expect(due == frames + 1 && found == detections)
    #expect(lost == daemon.hub.counters.statistics.dropped)
    #expect(daemon.hub.counters.statistics.frames + lost == frames + 1)
  }
}
