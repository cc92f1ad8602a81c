import AttentionSocket
import Logging
import ModelFile
import TestSupport
import Testing
import attnd

@Suite("The view of a subscriber")
struct AttentionViewTests {
  @Test("A frame and a detection from the socket stand in the picture")
  func picture() async throws {
    let folder = try TemporaryFolder()
    let server = AttentionServer(
      AttentionServer.Description(
        program: "attnd", version: "test",
        model: ModelDescription(name: "two words", digest: "sha256:0", score: "static", heads: 2),
        keywords: [
          KeywordDescription(name: "one", phrase: "one", threshold: 0.5),
          KeywordDescription(name: "smart_two", phrase: "smart two", threshold: 0.5),
        ],
        attentionHeads: .perKeyword,
        streams: [
          StreamDescription(name: "mic", kind: .device, rate: 16_000, hop: 480, window: 4, bins: 2)
        ]),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    try await server.listen(at: folder.path + "/s")
    let publisher = server.publisher(forStream: 0)

    let lines = try await AttentionClient.withConnection(to: folder.path + "/s") { client in
      try await client.subscribe(
        SubscriptionRequest(events: SubscribableEvent.allCases, weights: .float32))
      publisher.state(.running, reason: .ok, text: "running", epoch: 0, sample: 0)
      publisher.attention { record in
        record.index = 3
        record.sample = 10 * 16_000
        record.level = -30
        record.span = 4
        for i in 0..<2 {
          record.posteriors[i] = [0.25, 1][i]
          record.focuses[i] = Focus(expected: 0, spread: 0, peak: 0)
        }
        for i in record.weights.indices {
          record.weights[i] = [0, 0, 0, 1, 0.5, 0.25, 0.125, 0.125][i]
        }
      }
      publisher.detection(
        keyword: 1, score: 0.875, threshold: 0.5, sample: 160_000, startSample: 144_000,
        endSample: 159_200)
      var view = AttentionView(client.hello, style: .plain)
      while let event = try await client.next() {
        view.take(event)
        if case .detection = event { break }
      }
      return view.lines(columns: 80)
    }
    await server.shutdown(reason: .shutdown, text: "end")

    let height = lines.count
    #expect(lines[0] == "attnd  two words  mic  running  00:10.0")
    #expect(lines[2] == "level  ███████████████···············  -30.0 dBFS")
    let one = try #require(lines.first { $0.hasPrefix("one ") })
    #expect(one == "one        0.25 ████············     █")
    let two = try #require(lines.first { $0.hasPrefix("smart two ") })
    #expect(two == "smart two  1.00 ████████████████  █▄▂▂")
    #expect(lines.contains("  00:10.0  smart two  score 0.88  from 9.00 to 9.95 s"))
    #expect(height == 4 + 3 + 2 + 6, "always as many lines, to be drawn over")
  }

  @Test("Numbers read as people write them")
  func numbers() {
    #expect(fixed(0.005, 2) == "0.01" || fixed(0.005, 2) == "0.00")
    #expect(fixed(-0.001, 2) == "0.00")
    #expect(fixed(-12.345, 1) == "-12.3")
    #expect(fixed(9.999, 2) == "10.00")
    #expect(fixed(3.0, 0) == "3")
    #expect(fixed(Float.nan, 2) == "nan")
    #expect(clock(0) == "00:00.0")
    #expect(clock(67.59) == "01:07.5")
    #expect(clock(3_725) == "1:02:05.0")
    #expect(pad("ab", 4) == "ab  ")
    #expect(pad("ab", -4) == "  ab")
    #expect(pad("abcdef", 4) == "abcdef")
  }

  @Test(
    "A bar is as wide as its cells, whatever it shows",
    arguments: [-1, 0, 0.01, 0.5, 0.999, 1, 7])
  func bars(fraction: Double) {
    #expect(bar(fraction, cells: 10).count == 10)
    #expect(bar(0, cells: 3) == "···")
    #expect(bar(1, cells: 3) == "███")
    #expect(bar(0.5, cells: 3) == "█▌·")
  }
}
