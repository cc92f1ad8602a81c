import Glibc
import TestSupport
import Testing
import attnd

/// The service manager's end: a datagram socket.
private final class Manager {
  let descriptor: CInt
  let name: String

  /// Binds to a path, or behind '@' to an abstract name.
  init(_ name: String) throws {
    self.name = name
    descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(name.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
    }
    try #require(status == 0, "bind \(name): errno \(errno)")
  }

  deinit { close(descriptor) }

  /// The next datagram; nil where none has come.
  func receive(waiting: Bool = false) -> String? {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = recv(descriptor, &bytes, bytes.count, waiting ? 0 : CInt(MSG_DONTWAIT))
    return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}

@Suite("What the service manager is told", .timeLimit(.minutes(2)))
struct ServiceNotifierTests {
  @Test("Messages arrive in one datagram, at a path and at an abstract name")
  func messages() throws {
    let folder = try TemporaryFolder()
    for name in [folder("notify"), "@attnd-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"] {
      let manager = try Manager(name)
      let told = ServiceNotifier(
        environment: ["NOTIFY_SOCKET": name], monotonicMicroseconds: { 17 })
      let notifier = try #require(told)
      #expect(notifier.tell([.ready, .status("mic: listening")]))
      #expect(manager.receive() == "READY=1\nSTATUS=mic: listening")
      #expect(notifier.tell([.watchdog]))
      #expect(manager.receive() == "WATCHDOG=1")
      #expect(notifier.tellReloading())
      #expect(manager.receive() == "RELOADING=1\nMONOTONIC_USEC=17")
      #expect(notifier.tell([.stopping]))
      #expect(manager.receive() == "STOPPING=1")
      #expect(manager.receive() == nil)
    }
  }

  @Test("A text with a line's end in it can't pass for another message")
  func injection() {
    #expect(ServiceMessage.status("a\nREADY=1").line == "STATUS=a\u{FFFD}READY=1")
  }

  @Test("A path of every length that the system takes is reached; a longer one is nobody")
  func paths() throws {
    let folder = try TemporaryFolder()
    for length in [106, 107, 108] {
      let path = folder(String(repeating: "n", count: length - folder.path.utf8.count - 1))
      let manager = try Manager(path)
      let notifier = try #require(ServiceNotifier(environment: ["NOTIFY_SOCKET": path]))
      #expect(notifier.tell([.ready]), "\(length) bytes")
      #expect(manager.receive() == "READY=1", "\(length) bytes")
    }
    let long = "/" + String(repeating: "n", count: 108)
    #expect(ServiceNotifier(environment: ["NOTIFY_SOCKET": long]) == nil)
  }

  @Test(
    "Nobody is told without an address of a Unix socket",
    arguments: [nil, "", "/", "@", "relative", "vsock:2:1234"])
  func nobody(name: String?) {
    #expect(ServiceNotifier(environment: name.map { ["NOTIFY_SOCKET": $0] } ?? [:]) == nil)
  }

  @Test("A manager that is gone, or reads nothing, costs no wait and no life")
  func absent() throws {
    let folder = try TemporaryFolder()
    let notifier = try #require(
      ServiceNotifier(environment: ["NOTIFY_SOCKET": folder("notify")]))
    #expect(!notifier.tell([.ready]))
    let manager = try Manager(folder("notify"))
    var sent = 0
    while notifier.tell([.watchdog]), sent < 100_000 { sent += 1 }
    #expect((1..<100_000).contains(sent), "the socket was full after \(sent)")
    #expect(manager.receive() == "WATCHDOG=1")
    #expect(notifier.tell([.ready]), "there is room again")
  }

  @Test("A daemon tells when it hears, that it lives, and when it stops")
  func daemon() async throws {
    let folder = try TemporaryFolder()
    let manager = try Manager(folder("notify"))
    let daemon = try ChildProcess(
      attnd,
      ["run", "--file", fixture("keywords.flac"), "--socket", folder("attnd.sock")],
      environment: [
        "NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000",
      ])
    // Waits for datagrams, which come or else the time limit does. On a busy machine a stream may
    // stand still for a moment, which is a status.
    func next() -> String {
      var message = ""
      repeat { message = manager.receive(waiting: true) ?? "" } while message.hasPrefix("STATUS=")
      return message
    }
    #expect(next() == "READY=1\nSTATUS=file: listening")
    #expect(next() == "WATCHDOG=1")
    #expect(next() == "WATCHDOG=1")
    daemon.signal(SIGTERM)
    var last = next()
    while last == "WATCHDOG=1" { last = next() }
    #expect(last == "STOPPING=1")
    #expect(await daemon.wait().status == 0)
    #expect(manager.receive() == nil)
  }

  @Test("A daemon without its device is ready to look for it, and lives as long as it does")
  func missingDevice() async throws {
    let folder = try TemporaryFolder()
    let manager = try Manager(folder("notify"))
    // Attempts come every two seconds at the latest, the watchdog's questions every three.
    let daemon = try ChildProcess(
      attnd, ["run", "--device", "hw:CARD=nobody", "--socket", folder("attnd.sock")],
      environment: ["NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "6000000"])
    var told: [String] = []
    while told.last != "WATCHDOG=1", let message = manager.receive(waiting: true) {
      told.append(message)
    }
    #expect(told.contains("READY=1\nSTATUS=mic: waiting for device"), "\(told)")
    daemon.signal(SIGTERM)
    #expect(await daemon.wait().status == 0)
  }
}
