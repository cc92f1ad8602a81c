import AttentionSocket
import Logging
import ModelFile
import TestSupport
import Testing
import attnd

@Suite("The thread that hears clients")
struct ClientThreadTests {
  /// Clients of one thread that nobody has started: the test takes its turns.
  private struct Clients {
    let thread: ClientThread
    let streams: [ClientStream]
    let server: AttentionServer

    init(_ model: ModelFile, count: Int) throws {
      let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
      let server = AttentionServer(
        AttentionServer.Description(
          model: model, threshold: 0.05,
          streams: (0..<count).map { (name: "client\($0)", kind: .client) }),
        logger: logger)
      let thread = ClientThread(parameters: model.parameters, mostClients: count, logger: logger)
      streams = try (0..<count).map { index in
        try ClientStream(
          model: model, threshold: 0.05, publisher: server.publisher(forStream: index),
          thread: thread)
      }
      self.thread = thread
      self.server = server
    }

    /// Sends a piece to all, and hears until there is no more.
    ///
    /// - Returns: Bytes that were taken: every client's queue has the same room.
    func hear(_ bytes: UnsafeRawBufferPointer) -> Int {
      var taken = 0
      for stream in streams { taken = stream.take(bytes) }
      while thread.turn() {}
      return taken
    }
  }

  @Test(
    "Between a client's first hop and its last, neither side allocates nor locks",
    .enabled(if: AllocationCount.isAvailable), arguments: [1, 7])
  func noAllocations(count: Int) throws {
    let model = try ModelFile.embedded()
    let pcm = try samples(ofFixture: "keywords.flac").map { Int16($0 * 32_767) }
    let clients = try Clients(model, count: count)
    let format = AudioFormat(rate: 16_000, width: 2, channels: 1)
    for stream in clients.streams { #expect(stream.begin(format, epoch: 0)) }
    pcm.withUnsafeBytes { bytes in
      // What is made once: the runtime's lazy tables, a step.
      var sent = 0
      while sent < 32_000 {
        sent += clients.hear(UnsafeRawBufferPointer(rebasing: bytes[sent..<(sent + 2_000)]))
      }
      expectNoAllocations("hops of \(count) clients") {
        while sent < bytes.count {
          let end = min(sent + 2_048, bytes.count)
          sent += clients.hear(UnsafeRawBufferPointer(rebasing: bytes[sent..<end]))
        }
      }
      #expect(sent == bytes.count, "all was taken")
    }
    // The control: that something was heard, and that where audio ends, memory is given back.
    let ending = allocations {
      for stream in clients.streams {
        #expect(stream.end())
        #expect(stream.begin(format, epoch: 1))
      }
      while clients.thread.turn() {}
    }
    #expect(ending.allocations > 0 && ending.frees > 0)
    for stream in clients.streams {
      #expect(stream.summary.frames > 450 && stream.summary.detections >= 5, "\(stream.summary)")
    }
  }
}
