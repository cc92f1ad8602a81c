import CMosquitto
import Glibc

/// A message, to a broker or from one.
package struct MQTTMessage: Sendable, Equatable {
  package var topic: String
  package var payload: [UInt8]
  /// Whether the broker keeps it for those who subscribe later, or has kept it.
  package var isRetained = false

  package init(topic: String, payload: some Sequence<UInt8>, isRetained: Bool = false) {
    self.topic = topic
    self.payload = Array(payload)
    self.isRetained = isRetained
  }
}

/// One connection to a broker, from CONNECT to its end; the next one is another `MQTTConnection`.
///
/// In: messages to publish and topics to listen to. Out: what the broker says, in the order in which
/// it came. Owns libmosquitto's handle and its socket. The thread that made it is the only one that
/// may use it; nothing is sent or received but in its calls.
///
/// The library's own loop isn't used: it waits by select(2), which knows no descriptor above 1023.
final class MQTTConnection {
  /// What the broker says.
  enum Event {
    /// It takes the connection.
    case accepted
    /// It has a message of ours; the number that `publish` gave.
    case acknowledged(Int32)
    /// It will not send what was subscribed to; the number that `subscribe` gave.
    case subscriptionRefused(Int32)
    case message(MQTTMessage)
  }

  /// Who to be, and to whom.
  struct Peer {
    var broker: MQTTBroker
    var client: String
    var user: String?
    var password: String?
    var caFile: String?
    /// What the broker says in our name when we are gone without a word.
    var will: MQTTMessage
  }

  /// Seconds of silence after which a peer asks whether the other is still there.
  private static let keepAliveSeconds: Int32 = 30
  /// At least once: a message whose acknowledgement is lost is sent again.
  private static let quality: Int32 = 1
  /// Longest payload that is looked at: what attnd subscribes to has a hundred bytes.
  private static let longestPayload = 4_096

  private let library: MosquittoLibrary
  private let handle: OpaquePointer
  private let broker: String
  private var events: [Event] = []
  /// The code of the broker's CONNACK, if it was a refusal.
  private var refusal: Int32?
  /// The library's latest complaint; TLS explains itself only there.
  private var complaint: String?
  /// Why the connection has ended, until it is told.
  private var end: MQTTError?

  /// Makes a connection that is open but not yet accepted; waits for name server, TCP and TLS.
  ///
  /// - Parameters:
  ///   - library: The library.
  ///   - peer: Who to be, and to whom.
  /// - Throws: `MQTTError.unreachable` when there is nobody.
  init(_ library: MosquittoLibrary, to peer: Peer) throws(MQTTError) {
    guard let handle = library.new(peer.client, true, nil) else {
      throw .system(operation: "mosquitto_new", reason: String(cString: Glibc.strerror(errno)))
    }
    self.library = library
    self.handle = handle
    broker = peer.broker.description
    library.setUserData(handle, Unmanaged.passUnretained(self).toOpaque())
    listen()
    try configure(peer)
    let status = library.connect(
      handle, peer.broker.host, Int32(peer.broker.port), Self.keepAliveSeconds)
    try check(status) { .unreachable(broker: broker, reason: $0) }
    // Nothing that the daemon may start one day has any business with it.
    _ = fcntl(library.socket(handle), F_SETFD, FD_CLOEXEC)
  }

  deinit {
    // What the library says at the end is heard by nobody.
    library.setUserData(handle, nil)
    library.destroy(handle)
  }

  private func configure(_ peer: Peer) throws(MQTTError) {
    func set(_ setting: String, _ status: Int32) throws(MQTTError) {
      try check(status) { .system(operation: setting, reason: $0) }
    }
    let will = peer.will
    try set(
      "will",
      library.setWill(
        handle, will.topic, Int32(will.payload.count), will.payload, Self.quality, will.isRetained))
    try set("TCP_NODELAY", library.setOption(handle, MOSQ_OPT_TCP_NODELAY, 1))
    if let user = peer.user {
      try set("user name and password", library.setUser(handle, user, peer.password))
    }
    guard peer.broker.isEncrypted else { return }
    if let file = peer.caFile {
      try set("mqtt-ca-file \(file)", library.setTLS(handle, file, nil, nil, nil, nil))
    } else {
      try set(
        "the system's certificates", library.setOption(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1))
    }
  }

  // MARK: Speaking

  /// Hands over a message for the broker.
  ///
  /// - Parameter message: What to publish.
  /// - Returns: The number by which it will be acknowledged.
  /// - Throws: `MQTTError.lost`.
  func publish(_ message: MQTTMessage) throws(MQTTError) -> Int32 {
    var number: Int32 = 0
    try check(
      library.publish(
        handle, &number, message.topic, Int32(message.payload.count), message.payload,
        Self.quality, message.isRetained), lost)
    return number
  }

  /// Asks for the messages of a topic.
  ///
  /// - Parameter topic: Without wildcards.
  /// - Returns: The number by which it may be refused.
  /// - Throws: `MQTTError.lost`.
  func subscribe(to topic: String) throws(MQTTError) -> Int32 {
    var number: Int32 = 0
    try check(library.subscribe(handle, &number, topic, Self.quality), lost)
    return number
  }

  /// Says goodbye: the last will is not executed.
  func disconnect() { _ = library.disconnect(handle) }

  // MARK: Hearing

  /// Waits for the broker, for a ring or for the time to pass, and sends what could not be sent yet.
  ///
  /// - Parameters:
  ///   - bell: Ends the wait from another thread.
  ///   - milliseconds: How long to wait.
  /// - Returns: What the broker has said.
  /// - Throws: `MQTTError` when the connection has ended, and all that was said before is known.
  func wait(orFor bell: WakeUpBell, milliseconds: Int) throws(MQTTError) -> [Event] {
    if let end { throw end }
    let waitsToWrite = library.wantsToWrite(handle)
    let ready = bell.wait(
      orFor: library.socket(handle), toWrite: waitsToWrite, milliseconds: milliseconds)
    do throws(MQTTError) {
      if ready == .readable { try check(library.read(handle, 1), lost) }
      if waitsToWrite { try check(library.write(handle, 1), lost) }
      try check(library.keepAlive(handle), lost)
    } catch {
      // A broker that stops acknowledges what it has and hangs up: often one read brings both.
      guard !events.isEmpty else { throw error }
      end = error
    }
    defer { events.removeAll(keepingCapacity: true) }
    return events
  }

  private func listen() {
    library.onConnect(handle) { _, connection, code in
      MQTTConnection.from(connection)?.connected(code)
    }
    library.onPublish(handle) { _, connection, number in
      MQTTConnection.from(connection)?.events.append(.acknowledged(number))
    }
    library.onSubscribe(handle) { _, connection, number, count, granted in
      // 0x80 in a SUBACK is a refusal (MQTT 3.1.1, section 3.9.3).
      guard let granted, (0..<Int(max(0, count))).contains(where: { granted[$0] >= 0x80 }) else {
        return
      }
      MQTTConnection.from(connection)?.events.append(.subscriptionRefused(number))
    }
    library.onMessage(handle) { _, connection, message in
      guard let message = message?.pointee else { return }
      MQTTConnection.from(connection)?.heard(message)
    }
    library.onLog(handle) { _, connection, level, text in
      guard level == MOSQ_LOG_ERR, let text else { return }
      MQTTConnection.from(connection)?.complaint = String(cString: text)
    }
  }

  private static func from(_ pointer: UnsafeMutableRawPointer?) -> MQTTConnection? {
    pointer.map { Unmanaged<MQTTConnection>.fromOpaque($0).takeUnretainedValue() }
  }

  private func connected(_ code: Int32) {
    if code == 0 { events.append(.accepted) } else { refusal = code }
  }

  private func heard(_ message: mosquitto_message) {
    guard let topic = message.topic else { return }
    // A longer one is told of by its length; nobody needs its content.
    let count = min(Int(max(0, message.payloadlen)), Self.longestPayload + 1)
    events.append(
      .message(
        MQTTMessage(
          topic: String(cString: topic),
          payload: UnsafeRawBufferPointer(
            start: message.payload, count: message.payload == nil ? 0 : count),
          isRetained: message.retain)))
  }

  // MARK: Errors

  private func lost(_ reason: String) -> MQTTError { .lost(broker: broker, reason: reason) }

  /// Throws when a call of the library has failed, with what is known of the reason.
  ///
  /// - Parameters:
  ///   - status: What the call gave; errno must still be its.
  ///   - error: Makes the error of the reason.
  /// - Throws: That error, or the broker's refusal.
  private func check(
    _ status: Int32, _ error: (_ reason: String) -> MQTTError
  ) throws(MQTTError) {
    let code = errno
    guard status != Int32(MOSQ_ERR_SUCCESS.rawValue) else { return }
    if let refusal { throw .refused(broker: broker, code: refusal) }
    if let complaint { throw error(complaint) }
    if status == Int32(MOSQ_ERR_ERRNO.rawValue) {
      throw error(String(cString: Glibc.strerror(code)))
    }
    throw error(library.strerror(status).map { String(cString: $0) } ?? "error \(status)")
  }
}
