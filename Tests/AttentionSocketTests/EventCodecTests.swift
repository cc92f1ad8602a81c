import AttentionSocket
import JSONText
import NIOCore
import TestSupport
import Testing

/// A stream of valid events with every form that the framing allows.
private let goodStream: [UInt8] = {
  var bytes = Array("{\"type\": \"describe\"}\r\n".utf8)
  bytes += "{\"type\":\"ping\",\"data\":{\"text\":\"header\",\"x\":1},\"data_length\":16}\n".utf8
  bytes += "{\"text\":\"block\"}".utf8
  bytes +=
    "{\"type\":\"a\",\"data\":null,\"data_length\":0,\"payload_length\":0,\"version\":\"99\"}\n"
    .utf8
  bytes += "{\"type\":\"ping\",\"data_length\":22}\n{\"text\":\"F\u{fc}\u{df}e \u{1F3A4}\"}".utf8
  bytes += "{\"type\":\"x-future\",\"payload_length\":6,\"trace\":{\"a\":[1]}}\n".utf8
  bytes += [0x0A, 0x0A, 0x7B, 0x00, 0xFF, 0x0A]
  bytes += "{\"type\":\"ping\",\"data\":{\"text\":\"\\u0046\\u00fc\\ud83c\\udfa4\\n\\/\"}}\n".utf8
  return bytes
}()

private func decode(
  _ pieces: [some Collection<UInt8>], limits: EventLimits = ServerLimits().decoding
) throws(FramingError) -> (events: [WireEvent], decoder: EventDecoder) {
  var decoder = EventDecoder(limits: limits)
  var events: [WireEvent] = []
  for piece in pieces {
    decoder.feed(ByteBuffer(bytes: piece))
    while let event = try decoder.next() { events.append(event) }
  }
  return (events, decoder)
}

extension ServerLimits {
  fileprivate var decoding: EventLimits {
    EventLimits(header: header, data: data, payload: payload)
  }
}

@Suite struct EventCodecTests {
  @Test("Header, data block and payload become one event") func wholeStream() throws {
    let (events, decoder) = try decode([goodStream])
    #expect(events.map(\.type) == ["describe", "ping", "a", "ping", "x-future", "ping"])
    #expect(events[1].fields == ["text": .string("block"), "x": .number("1")])
    #expect(events[2].fields.isEmpty)
    #expect(events[3].fields == ["text": .string("Füße 🎤")])
    #expect(Array(events[4].payload.readableBytesView) == [0x0A, 0x0A, 0x7B, 0x00, 0xFF, 0x0A])
    #expect(events[5].fields == ["text": .string("Fü🎤\n/")])
    #expect(!decoder.isInsideEvent)
  }

  @Test("Events don't depend on how the bytes are cut") func everyCut() throws {
    let whole = try decode([goodStream]).events
    for cut in 0...goodStream.count {
      let parts = [goodStream[..<cut], goodStream[cut...]]
      #expect(try decode(parts).events == whole, "cut at \(cut)")
    }
    let bytewise = try decode(goodStream.map { CollectionOfOne($0) })
    #expect(bytewise.events == whole)
  }

  @Test("A stream that ends inside an event gives what came before it, and says so")
  func truncated() throws {
    for length in 0..<goodStream.count {
      let (events, decoder) = try decode([goodStream[..<length]])
      let whole = try decode([goodStream]).events
      #expect(events == Array(whole.prefix(events.count)), "\(length) bytes")
      #expect(events.count < whole.count || !decoder.isInsideEvent, "\(length) bytes")
    }
  }

  @Test(
    "Headers that aren't one JSON object with a type end the connection",
    arguments: [
      "hello\n", "GET / HTTP/1.1\r\n", "[\"describe\"]\n", "{\"data\":{}}\n", "{\"type\":7}\n",
      "\n",
      "\u{FEFF}{\"type\":\"a\"}\n", "{\"type\":\"a\"} {\"type\":\"b\"}\n",
      "{\"type\":\"ping\",\"data\":[1]}\n", "{\"type\":\"ping\",\"data_length\":-1}\n",
      "{\"type\":\"ping\",\"data_length\":\"2\"}\n{}",
      "{\"type\":\"ping\",\"data_length\":2.5}\n{}",
      "{\"type\":\"ping\",\"data_length\":true}\n{}", "{\"type\":\"ping\",\"payload_length\":-5}\n",
      "{\"type\":\"ping\",\"data_length\":9223372036854775808}\n", "{\"type\":\"a\u{0}\"}\n",
    ])
  func badHeader(_ text: String) {
    #expect(throws: FramingError.self) { try decode([Array(text.utf8)]) }
    do throws(FramingError) {
      _ = try decode([Array(text.utf8)])
    } catch {
      #expect(error.code == .badHeader)
    }
  }

  @Test("A header that isn't UTF-8 ends the connection") func notUTF8() {
    let bytes = Array("{\"type\":\"desc".utf8) + [0xFF] + Array("\"}\n".utf8)
    #expect(throws: FramingError.self) { try decode([bytes]) }
  }

  @Test(
    "Data blocks that aren't a JSON object end the connection",
    arguments: [
      "hello", "[1]", "{\"text\": NaN}", "{\"a\":1e999}", "{\"a\":01}", "{\"a\":1,}", "{\"a\" 1}",
      "{\"a\":\"\\ud800\"}", "{\"a\":\"\u{1}\"}", "{\"a\":\(String(repeating: "[", count: 200))",
    ])
  func badBlock(_ text: String) {
    let bytes = Array("{\"type\":\"ping\",\"data_length\":\(text.utf8.count)}\n\(text)".utf8)
    do throws(FramingError) {
      _ = try decode([bytes])
      Issue.record("accepted")
    } catch {
      #expect(error.code == .badJSON)
    }
  }

  @Test("Lengths at the limit pass; one more is refused before its bytes come")
  func limits() throws {
    let limits = EventLimits(header: 64, data: 10, payload: 20)
    func header(_ data: Int, _ payload: Int) -> [UInt8] {
      Array("{\"type\":\"a\",\"data_length\":\(data),\"payload_length\":\(payload)}\n".utf8)
    }
    let atLimit = header(10, 20) + Array("{\"a\":1234}".utf8) + [UInt8](repeating: 7, count: 20)
    #expect(try decode([atLimit], limits: limits).events.count == 1)
    for bytes in [header(11, 0), header(0, 21), [UInt8](repeating: 0x20, count: 64)] {
      do throws(FramingError) {
        _ = try decode([bytes], limits: limits)
        Issue.record("accepted")
      } catch {
        #expect(error.code == .tooLarge)
      }
    }
    // 63 bytes and the newline are a header of 64.
    let line = "{\"type\":\"a\"}".padding(to: 63)
    #expect(try decode([Array(line.utf8) + [0x0A]], limits: limits).events.count == 1)
    #expect(throws: FramingError.self) {
      try decode([Array(line.utf8) + [0x20, 0x0A]], limits: limits)
    }
  }

  @Test("Mutated streams neither crash nor grow the decoder", arguments: [UInt64(1), 2, 3, 4])
  func mutations(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let limits = EventLimits(header: 256, data: 256, payload: 256)
    var refused = 0
    for _ in 0..<25_000 {
      var bytes = goodStream
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: at)
        case 2: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: at)
        default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &random))
        }
      }
      let cut = Int.random(in: 0...bytes.count, using: &random)
      do throws(FramingError) {
        let (_, decoder) = try decode([bytes[..<cut], bytes[cut...]], limits: limits)
        // One incomplete event is held back at most.
        #expect(decoder.heldBytes <= 3 * 256, "seed \(seed)")
      } catch {
        refused += 1
      }
    }
    // Most mutations hit JSON or a length; if none were refused, nothing was tested.
    #expect(refused > 10_000, "seed \(seed)")
  }

  @Test("What is written has a short header and reads back") func encoding() throws {
    let bytes = EventEncoder.encode("pong", payload: ByteBuffer(bytes: [1, 2, 3])) { json in
      json.field("text", "Füße \"\\\n\u{1}🎤")
      json.field("half", Float(0.1))
      json.field("precise", 0.1)
      json.field("no", Float.nan)
      json.field("negative", -7)
      json.field("yes", true)
      json.field("list", ["a", "b"])
    }
    let (events, decoder) = try decode([Array(bytes.readableBytesView)])
    let event = try #require(events.first)
    #expect(!decoder.isInsideEvent)
    #expect(event.type == "pong")
    #expect(event.fields["text"] == .string("Füße \"\\\n\u{1}🎤"))
    #expect(event.fields["half"] == .number("0.1"))
    #expect(event.fields["no"] == .null)
    #expect(event.fields["negative"] == .number("-7"))
    #expect(event.fields["list"] == .array([.string("a"), .string("b")]))
    #expect(Array(event.payload.readableBytesView) == [1, 2, 3])
  }

  @Test("An event without fields has no data block") func withoutFields() {
    let bytes = EventEncoder.encode("unsubscribe-reply") { _ in }
    #expect(String(buffer: bytes) == "{\"type\":\"unsubscribe-reply\"}\n")
  }
}

extension String {
  fileprivate func padding(to length: Int) -> String {
    self + String(repeating: " ", count: length - utf8.count)
  }
}
