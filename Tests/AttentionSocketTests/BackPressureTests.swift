import AttentionSocket
import NIOCore
import NIOEmbedded
import Simulated
import Testing

/// What happens when somebody doesn't read, or the event loop doesn't come round.
@Suite struct BackPressureTests {
  @Test("One that doesn't read loses frames and is told; the others get every one")
  func slowReader() throws {
    let daemon = EmbeddedDaemon()
    let subscribers = try (0..<20).map { _ in
      let client = try daemon.connect()
      try client.subscribe(SubscriptionRequest(events: [.attention, .detection]))
      return client
    }
    let stuck = subscribers[7]
    stuck.read(false)
    for index in 0..<1_000 {
      daemon.publisher().frame(index)
      if index % 100 == 99 { daemon.publisher().detection(at: index) }
      daemon.drain()
    }
    for (number, client) in subscribers.enumerated() where number != 7 {
      let events = try client.events()
      #expect(events.compactMap(\.frameIndex) == Array(0..<1_000), "subscriber \(number)")
      #expect(events.count == 1_010, "subscriber \(number)")
    }
    #expect(try stuck.events().isEmpty)
    stuck.read(true)
    let events = try stuck.events()
    guard case .dropped(let hole)? = events.first else { throw UnexpectedEvent(event: events[0]) }
    #expect(hole.fromIndex == 0 && hole.count == hole.toIndex + 1 && hole.total == hole.count)
    #expect(events.compactMap(\.frameIndex) == Array(hole.count..<1_000))
    #expect(events.compactMap(\.frameIndex).count <= 256)
    #expect(
      events.map(\.summary).filter { $0.hasPrefix("detection") }
        == (1...10).map { "detection \($0)" })
    #expect(daemon.hub.counters.statistics.dropped == hole.count)
  }

  @Test("Too many events that must arrive end the connection with bye; the history has them")
  func mustArrive() throws {
    var limits = ServerLimits()
    limits.mustArriveEvents = 10
    let daemon = EmbeddedDaemon(limits: limits)
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.detection]))
    client.read(false)
    for index in 0..<20 { daemon.publisher().detection(at: index) }
    daemon.drain()
    client.read(true)
    let events = try client.events().map(\.summary)
    #expect(events == (1...10).map { "detection \($0)" } + ["bye slow-reader"])
    let again = try daemon.connect()
    let run = Example.identity().run
    let reply = try again.subscribe(
      SubscriptionRequest(events: [.detection], since: DetectionNumber(run: run, seq: 10)))
    #expect(reply.replayed == 10 && reply.missed == 0)
  }

  @Test(
    "A replay that the history has moved past ends in bye, with nothing shown from behind the hole",
    arguments: [100, 6])
  func overtakenReplay(mustArriveEvents: Int) throws {
    var limits = ServerLimits()
    (limits.history, limits.mustArriveEvents) = (4, mustArriveEvents)
    let daemon = EmbeddedDaemon(limits: limits)
    for index in 0..<4 { daemon.publisher().detection(at: index) }
    daemon.drain()
    let client = try daemon.connect()
    client.read(false)
    try client.channel.writeInbound(
      SubscriptionRequest(
        events: [.detection], since: DetectionNumber(run: Example.identity().run, seq: 0)
      ).encoded(id: nil))
    for index in 4..<14 { daemon.publisher().detection(at: index) }
    daemon.drain()
    client.read(true)
    let events = try client.events().map(\.summary)
    #expect(!events.contains { $0.hasPrefix("detection") }, "\(events)")
    #expect(events.last == "bye slow-reader", "\(events)")
  }

  @Test("A reader that takes no byte for thirty seconds is closed") func stall() throws {
    let daemon = EmbeddedDaemon()
    let kernel = FullSocket()
    let client = try daemon.connect(through: kernel)
    // Idle is not stalled: everything has left.
    try client.send("ping")
    daemon.loop.advanceTime(by: .seconds(3_600))
    daemon.hub.sweep()
    kernel.isFull = true
    try client.send("ping")
    daemon.loop.advanceTime(by: .seconds(29))
    daemon.hub.sweep()
    #expect(client.channel.isActive)
    daemon.loop.advanceTime(by: .seconds(1))
    daemon.hub.sweep()
    #expect(!client.channel.isActive)
    #expect(daemon.hub.counters.statistics.connections == 0)
  }

  @Test("Frames that find the ring full are told of as dropped", arguments: [1, 10])
  func fullRing(every: Int) throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.attention, .detection], every: every))
    let publisher = daemon.publisher()
    // The loop doesn't come round: the publisher goes on all the same.
    for index in 0..<1_000 { publisher.frame(index) }
    publisher.detection(at: 999)
    daemon.drain()
    publisher.frame(1_000)
    daemon.drain()
    var due = 0
    var lost = 0
    for event in try client.events() {
      switch event {
      case .attention(let frame):
        #expect(frame.index == due)
        due += every
      case .dropped(let hole):
        #expect(hole.fromIndex == due)
        #expect(hole.count == (hole.toIndex - hole.fromIndex) / every + 1)
        lost += hole.count
        #expect(hole.total == lost)
        due = hole.toIndex + every
      case .detection(let found): #expect(found.sample == 400 + 160 * 999)
      default: throw UnexpectedEvent(event: event)
      }
    }
    #expect(due == 1_000 + every)
    #expect(lost > 0)
  }

  @Test("Events that find their ring full end the connections: never a silent loss")
  func fullEventRing() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.detection]))
    for index in 0..<1_030 { daemon.publisher().detection(at: index) }
    daemon.drain()
    let events = try client.events().map(\.summary)
    #expect(events.count == 1_025 && events.last == "bye error")
    #expect(events[1_023] == "detection 1024")
    #expect(daemon.hub.counters.statistics.lostEvents == 6)
  }

  @Test("A long text is cut at a character, not inside one") func longText() throws {
    let daemon = EmbeddedDaemon()
    let client = try daemon.connect()
    try client.subscribe(SubscriptionRequest(events: [.state]))
    let text = "x" + String(repeating: "\u{e4}", count: 150)
    daemon.publisher().state(
      .recovering, reason: .deviceLost, text: text, epoch: 0, sample: 7, attempt: 3)
    daemon.drain()
    guard case .state(let status)? = try client.events().first else {
      Issue.record("no state")
      return
    }
    #expect(status.text == "x" + String(repeating: "\u{e4}", count: 99))
    #expect(status.attempt == 3 && status.reason == .deviceLost && status.sample == 7)
  }
}
