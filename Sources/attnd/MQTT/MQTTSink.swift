import AttentionSocket
import Logging
import Synchronization

/// The broker's side of MQTT: connection after connection, on a thread of its own.
///
/// In: detections and troubles, from the task that reads the daemon's socket (`MQTTService`). Out:
/// messages to the broker, and to `wishes` whether the voice assistant wants the wake word silent.
/// Nobody ever waits for the thread: what it can't send stays in a bounded outbox.
final class MQTTSink: Sendable {
  /// What other tasks leave for the thread.
  private struct Mail {
    var outbox = MQTTOutbox()
    /// What the daemon is; nil until it has said so.
    var messages: MQTTMessages?
    /// What to tell of, if there is a connection: the latest only.
    var trouble: String?
    /// When the thread is to have said everything; nil as long as the daemon runs.
    var deadline: ContinuousClock.Instant?
    /// Dropped detections that the log knows of.
    var toldOfDropped = 0
  }

  /// How long the last detections may take to leave when the daemon ends.
  static let drainTime: Duration = .seconds(2)
  /// From an open connection to the broker's word that it takes us.
  private static let patience = 10
  /// A wait without an event; a quarter of the time after which the library pings.
  private static let longestWait: Duration = .seconds(7)

  let wishes: AsyncStream<HotwordSwitch>
  private let wish: AsyncStream<HotwordSwitch>.Continuation
  private let library: MosquittoLibrary
  private let settings: MQTTSettings
  private let machine: String
  private let logger: Logger
  private let mail = Mutex(Mail())
  private let bell: WakeUpBell

  /// - Parameters:
  ///   - settings: Which broker, and as whom.
  ///   - machine: Twelve hexadecimal digits.
  ///   - library: The library.
  ///   - logger: For what goes wrong.
  /// - Throws: `MQTTError.system` when there is no descriptor left.
  init(
    _ settings: MQTTSettings, machine: String, library: MosquittoLibrary, logger: Logger
  ) throws(MQTTError) {
    self.settings = settings
    self.machine = machine
    self.library = library
    self.logger = logger
    bell = try WakeUpBell()
    // Only the newest wish counts.
    (wishes, wish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  // MARK: Any task

  /// The daemon says what it is.
  func introduce(_ messages: MQTTMessages) {
    mail.withLock { $0.messages = messages }
    bell.ring()
  }

  /// A keyword was heard.
  func tell(_ detection: Detection) {
    let isFirstLoss = mail.withLock { mail in
      guard let messages = mail.messages else { return false }
      let before = mail.outbox.dropped
      mail.outbox.append(messages.messages(for: detection))
      return before == mail.toldOfDropped && mail.outbox.dropped > before
    }
    bell.ring()
    if isFirstLoss {
      logger.warning(
        "mqtt: \(MQTTOutbox.capacity) detections wait for the broker; older ones are dropped")
    }
  }

  /// Something is wrong with a stream.
  func tell(trouble: String) {
    mail.withLock { $0.trouble = trouble }
    bell.ring()
  }

  /// Nothing more will come: the thread says what is left, and ends.
  func finish() {
    mail.withLock { $0.deadline = $0.deadline ?? .now + Self.drainTime }
    bell.ring()
  }

  private var deadline: ContinuousClock.Instant? { mail.withLock { $0.deadline } }

  // MARK: The thread

  /// Talks to the broker until `finish`.
  func run() {
    defer { wish.finish() }
    var pause = GrowingPause()
    var told: String?
    while let messages = waitForIntroduction() {
      let began = ContinuousClock.now
      let isLast = deadline != nil
      do {
        var conversation = try Conversation(self, messages)
        told = nil
        tellOfDropped()
        try conversation.talk()
        break
      } catch {
        mail.withLock { $0.outbox.connectionLost() }
        // Whoever switched the wake word off may have switched it on while nobody was listening.
        // Better one detection too many than deaf for ever.
        wish.yield(HotwordSwitch())
        // The same trouble every ten seconds is news only once.
        if told != error.description { logger.warning("\(error)") }
        told = error.description
      }
      sleep(pause.next(after: .now - began))
      // A broker that came back a moment ago is to have what waits for it.
      if isLast || (deadline != nil && mail.withLock { $0.outbox.isEmpty }) { break }
    }
    tellOfDropped()
    let left = mail.withLock { $0.outbox.count }
    if left > 0 {
      logger.warning(
        "mqtt: the broker was away to the end", metadata: ["lost detections": "\(left)"])
    }
  }

  private func tellOfDropped() {
    let dropped = mail.withLock { mail in
      defer { mail.toldOfDropped = mail.outbox.dropped }
      return mail.outbox.dropped - mail.toldOfDropped
    }
    guard dropped > 0 else { return }
    logger.warning(
      "mqtt: the broker was away for too many detections", metadata: ["dropped": "\(dropped)"])
  }

  /// Waits until the daemon has said what it is; nil when it ends before.
  private func waitForIntroduction() -> MQTTMessages? {
    while true {
      let (messages, deadline) = mail.withLock { ($0.messages, $0.deadline) }
      if let messages { return messages }
      guard deadline == nil else { return nil }
      _ = bell.wait(milliseconds: -1)
    }
  }

  /// Waits between two attempts, not longer than the daemon runs.
  private func sleep(_ pause: Duration) {
    let end = ContinuousClock.now + pause
    while deadline == nil, case let left = end - .now, left > .zero {
      _ = bell.wait(milliseconds: left.milliseconds)
    }
  }
}

// MARK: - One connection

extension MQTTSink {
  /// What is said over one connection.
  private struct Conversation {
    private let sink: MQTTSink
    private let connection: MQTTConnection
    private var messages: MQTTMessages
    /// Messages that the broker hasn't acknowledged, by their numbers.
    private var underWay: [Int32: MQTTOutbox.Ticket] = [:]
    /// Subscriptions by their numbers.
    private var subscriptions: [Int32: String] = [:]
    private var hotword = HotwordSwitch()
    /// When Home Assistant is to be told of the device again.
    private var announcement: ContinuousClock.Instant?
    private var announced = ContinuousClock.now
    private var troubles = Pacemaker(gap: .seconds(1))
    private var complaints = Pacemaker(gap: .seconds(10))

    /// Connects, and waits for the broker's consent.
    init(_ sink: MQTTSink, _ messages: MQTTMessages) throws(MQTTError) {
      self.sink = sink
      self.messages = messages
      let settings = sink.settings
      connection = try MQTTConnection(
        sink.library,
        to: MQTTConnection.Peer(
          broker: settings.broker, client: MQTTMessages.client(sink.machine),
          user: settings.user, password: try settings.password(), caFile: settings.caFile,
          will: messages.offline))
      let began = ContinuousClock.now
      var isAccepted = false
      while !isAccepted {
        let limit = began + .seconds(MQTTSink.patience)
        let end = sink.deadline.map { min($0, limit) } ?? limit
        guard .now < end else {
          throw .silent(
            broker: settings.broker.description, seconds: Int((end - began).components.seconds))
        }
        let left = (end - .now).milliseconds
        for case .accepted in try connection.wait(orFor: sink.bell, milliseconds: left) {
          isAccepted = true
        }
      }
      sink.logger.info("mqtt: connected to \(settings.broker)")
    }

    /// Talks until the daemon ends.
    mutating func talk() throws(MQTTError) {
      // Trouble is told of as it stands, not to those who come later.
      sink.mail.withLock { $0.trouble = nil }
      for topic in [MQTTMessages.toggleOnTopic, MQTTMessages.toggleOffTopic] {
        subscriptions[try connection.subscribe(to: topic)] = topic
      }
      if sink.settings.isDiscoverable {
        let topic = MQTTMessages.homeAssistantTopic
        subscriptions[try connection.subscribe(to: topic)] = topic
      }
      try announce()
      while true {
        try sendDetections()
        try sendTrouble()
        if let deadline = sink.deadline, underWay.isEmpty || .now >= deadline {
          return try sayGoodbye(by: deadline)
        }
        for event in try connection.wait(orFor: sink.bell, milliseconds: nextWait) {
          try take(event)
        }
        if let newer = sink.mail.withLock({ $0.messages }), newer != messages {
          messages = newer
          announcement = .now
        }
        if let announcement, announcement <= .now { try announce() }
      }
    }

    private var nextWait: Int {
      let end = [sink.deadline, announcement].compactMap(\.self).min()
      let left = end.map { max(.zero, $0 - .now) } ?? MQTTSink.longestWait
      return min(left, MQTTSink.longestWait).milliseconds
    }

    /// Tells Home Assistant of the device and then that it is there.
    private mutating func announce() throws(MQTTError) {
      announcement = nil
      announced = .now
      let isDiscoverable = sink.settings.isDiscoverable
      _ = try connection.publish(isDiscoverable ? messages.discovery : messages.withdrawal)
      _ = try connection.publish(messages.online)
    }

    private mutating func sendDetections() throws(MQTTError) {
      while let parcel = sink.mail.withLock({ $0.outbox.next() }) {
        for (ticket, message) in parcel { underWay[try connection.publish(message)] = ticket }
      }
    }

    /// At most once a second.
    private mutating func sendTrouble() throws(MQTTError) {
      let trouble = sink.mail.withLock { mail in
        defer { mail.trouble = nil }
        return mail.trouble
      }
      guard let trouble, troubles.isDue() != nil else { return }
      _ = try connection.publish(messages.error(trouble))
    }

    /// What is left has been said: the daemon is gone.
    private mutating func sayGoodbye(by deadline: ContinuousClock.Instant) throws(MQTTError) {
      let goodbye = try connection.publish(messages.offline)
      while case let left = deadline - .now, left > .zero {
        for case .acknowledged(goodbye) in try connection.wait(
          orFor: sink.bell, milliseconds: left.milliseconds)
        {
          connection.disconnect()
          return
        }
      }
      connection.disconnect()
    }

    private mutating func take(_ event: MQTTConnection.Event) throws(MQTTError) {
      switch event {
      case .accepted: break
      case .acknowledged(let number):
        guard let ticket = underWay.removeValue(forKey: number) else { return }
        sink.mail.withLock { $0.outbox.acknowledge(ticket) }
      case .subscriptionRefused(let number):
        sink.logger.warning(
          "mqtt: the broker doesn't let this user read \(subscriptions[number] ?? "a topic")")
      case .message(let message):
        if message.topic == MQTTMessages.homeAssistantTopic {
          // Everybody announces then, and some say it often: once a second is enough.
          if message.payload.elementsEqual("online".utf8) {
            announcement = max(.now, announced + .seconds(1))
          }
        } else if !message.isRetained {
          // A retained wish is of another day.
          try take(message)
        }
      }
    }

    /// A wish for the wake word.
    private mutating func take(_ message: MQTTMessage) throws(MQTTError) {
      do throws(HotwordToggle.Fault) {
        guard let toggle = try HotwordToggle.read(message.payload, for: messages.site) else {
          return
        }
        let before = hotword
        if message.topic == MQTTMessages.toggleOffTopic {
          hotword.turnOff(toggle.reason)
        } else {
          hotword.turnOn(toggle.reason)
        }
        if hotword != before { sink.wish.yield(hotword) }
      } catch {
        if case .field = error {
          sink.mail.withLock { $0.trouble = "\(message.topic): \(error)" }
        }
        guard let count = complaints.isDue() else { return }
        sink.logger.warning(
          "mqtt: \(message.topic): \(error)", metadata: ["messages": "\(count)"])
      }
    }
  }
}

/// Times between attempts: half a second, doubling to ten.
///
/// Begins anew after a connection that held.
struct GrowingPause {
  private var next: Duration = .milliseconds(500)

  /// - Parameter time: How long the attempt and what came of it lasted.
  /// - Returns: How long to wait for the next.
  mutating func next(after time: Duration) -> Duration {
    if time >= .seconds(20) { next = .milliseconds(500) }
    defer { next = min(next * 2, .seconds(10)) }
    return next
  }
}

/// Lets things happen with a gap between them.
private struct Pacemaker {
  let gap: Duration
  private var last: ContinuousClock.Instant?
  private var suppressed = 0

  init(gap: Duration) { self.gap = gap }

  /// How often it was asked since it last was due, this time included; nil when it isn't due.
  mutating func isDue() -> Int? {
    suppressed += 1
    let now = ContinuousClock.now
    if let last, now - last < gap { return nil }
    last = now
    defer { suppressed = 0 }
    return suppressed
  }
}

extension Duration {
  /// Whole milliseconds, rounded up, so that who waits for them has waited long enough.
  fileprivate var milliseconds: Int {
    let (seconds, attoseconds) = components
    let thousandth: Int64 = 1_000_000_000_000_000
    return Int(clamping: seconds * 1_000 + (attoseconds + thousandth - 1) / thousandth)
  }
}
