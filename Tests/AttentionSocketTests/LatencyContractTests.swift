import AttentionSocket
import NIOCore
import NIOEmbedded
import Simulated
import Synchronization
import Testing

/// A clock that goes when the test says so.
private final class ManualClock: Sendable {
  private let microseconds = Atomic(1_000_000_000)

  var now: Double { Double(microseconds.load(ordering: .relaxed)) * 1e-6 }

  func advance(milliseconds: Int) {
    microseconds.wrappingAdd(milliseconds * 1_000, ordering: .relaxed)
  }

  var server: ServerClock { ServerClock(unix: { 1_763_827_200 }, sinceBoot: { self.now }) }
}

extension FramePublisher {
  /// A frame of a microphone, captured so many milliseconds ago.
  fileprivate func frame(
    _ index: Int, age milliseconds: Double, at now: Double, isBehind: Bool = false,
    isLive: Bool = true
  ) {
    attention { record in
      record.index = index
      record.sample = 400 + 160 * index
      record.began = now - milliseconds / 1_000
      record.captured = isLive ? 1_763_827_200 - milliseconds / 1_000 : .nan
      record.isBehind = isBehind
      for i in record.posteriors.indices { record.posteriors[i] = 0.5 }
      for i in record.focuses.indices {
        record.focuses[i] = Focus(expected: 0, spread: 0, peak: 0)
      }
    }
  }
}

/// The budget: who is told what when frames leave late.
@Suite struct LatencyContractTests {
  private let clock = ManualClock()
  private let daemon: EmbeddedDaemon

  init() { daemon = EmbeddedDaemon(clock: clock.server) }

  private func subscriber() throws -> EmbeddedSubscriber {
    let client = try daemon.connect()
    try client.subscribe(
      SubscriptionRequest(events: [.attention, .detection, .discontinuity, .warning]))
    return client
  }

  private func stream() throws -> DaemonStatus.Stream {
    let client = try daemon.connect()
    _ = try client.wireEvents()
    try client.send("status", "{\"id\":1}")
    let reply = try #require(try client.wireEvents().last)
    return try #require(try DaemonStatus(reply).streams.first)
  }

  @Test("What is behind is shed, frames first, told as dropped; detections and holes never")
  func order() throws {
    let client = try subscriber()
    let publisher = daemon.publisher()
    publisher.frame(0, age: 5, at: clock.now)
    daemon.drain()
    for index in 1...3 { publisher.frame(index, age: 250, at: clock.now, isBehind: true) }
    publisher.detection(at: 3)
    publisher.discontinuity(
      sample: 1_000, lostSamples: 64_000, isExact: true, reason: .overload, isReset: false)
    publisher.frame(4, age: 20, at: clock.now)
    daemon.drain()
    #expect(
      try client.events().map(\.summary) == [
        "attention 0", "dropped 1-3", "detection 1", "discontinuity 1000", "attention 4",
        "warning late 1",
      ])
    #expect(daemon.hub.counters.statistics.dropped == 3)
  }

  @Test("At the budget a frame is shown, past it shed", arguments: [99.0, 101.0])
  func threshold(age: Double) throws {
    let client = try subscriber()
    daemon.publisher().frame(0, age: age, at: clock.now, isBehind: true)
    daemon.drain()
    let expected = age < 100 ? ["attention 0"] : ["dropped 0-0", "warning late 1"]
    #expect(try client.events().map(\.summary) == expected)
  }

  @Test("A device that is slow by itself is told of and loses no frame") func slowDevice() throws {
    let client = try subscriber()
    for index in 0..<3 {
      daemon.publisher().frame(index, age: 180, at: clock.now)
      daemon.drain()
      clock.advance(milliseconds: 10)
    }
    #expect(
      try client.events().map(\.summary)
        == ["attention 0", "warning late 1", "attention 1", "attention 2"])
  }

  @Test("Where the event loop stands still, all but the newest of what is late is shed")
  func lateLoop() throws {
    let client = try subscriber()
    for index in 0..<5 {
      daemon.publisher().frame(index, age: 0, at: clock.now)
      clock.advance(milliseconds: 10)
    }
    clock.advance(milliseconds: 200)
    daemon.drain()
    #expect(
      try client.events().map(\.summary) == ["dropped 0-3", "attention 4", "warning late 1"])
  }

  @Test("A reader that was away gets what is within the budget, and word of the rest")
  func slowReader() throws {
    let client = try subscriber()
    client.read(false)
    for index in 0..<50 {
      daemon.publisher().frame(index, age: 0, at: clock.now)
      daemon.drain()
      clock.advance(milliseconds: 10)
    }
    clock.advance(milliseconds: 5)
    client.read(true)
    let events = try client.events()
    #expect(events.map(\.summary).first == "dropped 0-40")
    #expect(events.compactMap(\.frameIndex) == Array(41..<50))
    // The daemon itself was never late.
    #expect(try stream().warnings.isEmpty)
  }

  @Test("Sound that nobody captured is never late") func files() throws {
    let client = try subscriber()
    for index in 0..<5 {
      daemon.publisher().frame(index, age: 900, at: clock.now, isBehind: true, isLive: false)
    }
    daemon.drain()
    #expect(try client.events().compactMap(\.frameIndex) == Array(0..<5))
  }

  @Test("Lateness is told once, holds until a second without, and then is told anew")
  func state() throws {
    let client = try subscriber()
    func frame(_ index: Int, age: Double) {
      daemon.publisher().frame(index, age: age, at: clock.now)
      daemon.drain()
    }
    frame(0, age: 150)
    clock.advance(milliseconds: 10)
    frame(1, age: 300)
    clock.advance(milliseconds: 999)
    frame(2, age: 10)
    #expect(try stream().warnings == [.late])
    clock.advance(milliseconds: 2)
    frame(3, age: 10)
    #expect(try stream().warnings.isEmpty)
    daemon.loop.advanceTime(by: .seconds(10))
    frame(4, age: 150)
    let warnings = try client.events().compactMap { event -> Warning? in
      if case .warning(let warning) = event { warning } else { nil }
    }
    #expect(warnings.map(\.code) == [.late, .late] && warnings.map(\.count) == [1, 1])
    for warning in warnings { #expect(abs((warning.lag ?? 0) - 0.15) < 1e-6) }
  }

  @Test("Latency counts from the capture to the write, for every reader once")
  func latency() throws {
    let (first, second) = (try subscriber(), try subscriber())
    second.read(false)
    daemon.publisher().frame(0, age: 4, at: clock.now)
    daemon.drain()
    clock.advance(milliseconds: 60)
    second.read(true)
    _ = try first.events() + second.events()
    let latency = try #require(try stream().latency)
    #expect(latency.count == 2)
    #expect(abs(latency.p50 - 4) <= 0.08 && abs(latency.max - 64) <= 0.01)
  }

  @Test("A frame that nobody wants counts when it could have been written") func unwanted() throws {
    daemon.publisher().frame(0, age: 3, at: clock.now)
    clock.advance(milliseconds: 2)
    daemon.drain()
    clock.advance(milliseconds: 1_500)
    let stream = try stream()
    let latency = try #require(stream.latency)
    #expect(latency.count == 1 && abs(latency.max - 5) <= 0.01)
    #expect(abs((stream.idle ?? 0) - 1.505) < 1e-6)
    #expect(stream.subscribers == 0 && stream.clipping == nil)
  }

  @Test("What holds is in the status until it is over, and told once")
  func heldWarnings() throws {
    let client = try subscriber()
    let publisher = daemon.publisher()
    for _ in 0..<3 { publisher.setWarning(.narrowBand, holds: true) }
    publisher.setWarning(.dcOffset, holds: true)
    publisher.clips(share: 0.125)
    daemon.drain()
    let held = try stream()
    #expect(held.warnings == [.dcOffset, .narrowBand] && held.clipping == 0.125)
    publisher.setWarning(.narrowBand, holds: false)
    daemon.drain()
    #expect(try stream().warnings == [.dcOffset])
    #expect(
      try client.events().map(\.summary) == ["warning dc-offset 1", "warning narrow-band 1"])
  }
}
