import FoundationEssentials
import JSONText
import TestSupport
import Testing

@Suite("JSON reader")
struct JSONReaderTests {
  private func read(
    _ text: String, repeatedNames: JSON.RepeatedNames = .refused, numbers: JSON.Numbers = .any
  ) throws(JSONError) -> JSON {
    try JSON(parsing: text.utf8, repeatedNames: repeatedNames, numbers: numbers)
  }

  @Test("Values of every kind are read and written back")
  func kinds() throws {
    let text =
      #"{"a": [1, -2.5e-3, 0], "b": {"c": null, "d": true, "e": false}, "f": "x\"y\\z\nü"}"#
    let value = try read(text)
    #expect(
      value
        == .object([
          .init("a", .array([.number("1"), .number("-2.5e-3"), .number("0")])),
          .init(
            "b", .object([.init("c", .null), .init("d", .bool(true)), .init("e", .bool(false))])),
          .init("f", .string("x\"y\\z\nü")),
        ]))
    #expect(value.text == text.filter { $0 != " " })
    #expect(try read(" \t\r\n[ ] ") == .array([]))
    #expect(try read("{}") == .object([]))
  }

  @Test(
    "Escapes stand for their characters",
    arguments: [
      (#""\u0041\b\f\n\r\t\/""#, "A\u{8}\u{C}\n\r\t/"),
      (#""\ud83d\ude00""#, "\u{1F600}"),
      (#""\u00e9""#, "\u{E9}"),
    ])
  func escapes(text: String, meant: String) throws {
    #expect(try read(text) == .string(meant))
  }

  @Test(
    "What isn't JSON is refused with the place where it stops being it",
    arguments: [
      ("", 0), ("{", 1), ("[1,", 3), ("[1 2]", 3), ("{\"a\" 1}", 5), ("{a: 1}", 1),
      ("{\"a\": 1,}", 8), ("01", 1), ("1.", 2), (".5", 0), ("+1", 0), ("1e", 2), ("-", 1),
      ("tru", 0), ("nan", 0), ("\"abc", 4), ("\"\\x\"", 2), ("\"\\u12g4\"", 5), ("\"\u{1}\"", 1),
      ("\"\\ud800\"", 7), ("\"\\ude00\"", 7), ("\"\\ud800\\u0041\"", 13), ("[] []", 3), ("1]", 1),
      ("\"\\", 2), ("\"\\u00", 5), ("\u{FEFF}1", 0),
    ])
  func refused(text: String, offset: Int) {
    #expect {
      try read(text)
    } throws: { error in
      guard case JSONError.syntax(offset, _) = error else { return false }
      return true
    }
  }

  @Test("Bytes that aren't UTF-8 are refused")
  func utf8() {
    let bytes: [UInt8] = [0x22, 0xC3, 0x28, 0x22]
    #expect(throws: JSONError.syntax(offset: 1, expected: "text in UTF-8")) {
      try JSON(parsing: bytes, repeatedNames: .refused, numbers: .any)
    }
  }

  @Test("Offsets count from the beginning of the text, wherever that lies")
  func slices() {
    #expect(throws: JSONError.syntax(offset: 1, expected: "a value")) {
      try JSON(
        parsing: Array("{}{}[".utf8)[4...], repeatedNames: .refused, numbers: .any)
    }
  }

  @Test("A name that appears twice in an object is refused, or its last value counts")
  func twice() throws {
    let text = #"{"a": 1, "b": {"c": 3}, "\u0061": 2}"#
    #expect(throws: JSONError.repeated(name: "a", offset: 24)) { try read(text) }
    #expect(
      try read(text, repeatedNames: .lastWins)
        == .object([.init("a", .number("2")), .init("b", .object([.init("c", .number("3"))]))]))
    #expect(throws: Never.self) { try read(#"[{"a": 1}, {"a": 2}]"#) }
  }

  @Test("An error is the rest of a line, without anything from the text")
  func descriptions() {
    #expect(
      JSONError.syntax(offset: 3, expected: "',' or ']'").description
        == "expected ',' or ']' at byte 3")
    #expect(
      JSONError.repeated(name: "\u{1B}[2J", offset: 9).description
        == "expected each name only once at byte 9")
  }

  @Test("Text nested too deep is refused, at the limit it is read")
  func depth() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    #expect(JSON.deepest == 16)
    #expect(throws: Never.self) { try read(nested(16)) }
    #expect(throws: JSONError.syntax(offset: 16, expected: "at most 16 levels")) {
      try read(nested(17))
    }
    #expect(throws: JSONError.self) { try read(String(repeating: "{\"a\":", count: 1_000_000)) }
  }

  @Test(
    "A number is whole, or nearly, or only text, as it was written",
    arguments: [
      ("0", 0, 0, 0), ("-0", 0, -0.0, -0.0), ("-7", -7, -7, -7), ("0.5", nil, 0.5, 0.5),
      ("1.0", nil, 1, 1), ("1e3", nil, 1_000, 1_000),
      ("9223372036854775807", Int.max, 0x1p63, 0x1p63),
      ("-9223372036854775808", Int.min, -0x1p63, -0x1p63),
      ("9223372036854775808", nil, 0x1p63, 0x1p63), ("1e308", nil, 1e308, nil),
      ("-1e309", nil, nil, nil), ("1e99999999999999999999", nil, nil, nil),
      // Half way to the next Float, and a little more: a Double first would lose the little.
      ("1.000000059604644775390626", nil, 1.0000000596046448, 1.0000001),
    ] as [(String, Int?, Double?, Float?)])
  func numbers(text: String, integer: Int?, double: Double?, float: Float?) throws {
    let value = try read(text)
    #expect(value == .number(text))
    #expect(value.integer == integer)
    #expect(value.double == double)
    #expect(value.float == float)
    #expect(((try? read("[\(text)]", numbers: .finite)) != nil) == (double != nil))
  }

  @Test("What isn't a number has no number, and what isn't an object no fields")
  func others() {
    for value in [JSON.null, .bool(true), .string("1"), .array([.number("1")])] {
      #expect(value.integer == nil && value.double == nil && value.float == nil)
      #expect(value.fields == nil)
    }
    let object = JSON.object([.init("a", .null), .init("b", .null), .init("a", .bool(true))])
    #expect(object.fields == ["a": .bool(true), "b": .null])
  }

  @Test("A number too large for a Double is refused where it begins, if finite ones are asked for")
  func tooLarge() {
    #expect(throws: JSONError.syntax(offset: 4, expected: "a number below 1.8e308")) {
      try read("[1, -1e309]", numbers: .finite)
    }
  }

  @Test("The reader agrees with another decoder on what JSON is", arguments: [UInt64(7), 8])
  func oracle(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u00e4\\n\"", "1", "-0.5e-3 ", "true", "null", " ",
      "\"b\"", "12345678901234567890", "-", ".5", "\"", "tru", "\\",
    ]
    var accepted = 0
    for _ in 0..<20_000 {
      var text = ""
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        text += pieces[Int.random(in: 0..<pieces.count, using: &random)]
      }
      let ours = (try? read(text, repeatedNames: .lastWins, numbers: .finite)) != nil
      let theirs =
        (try? JSONDecoder().decode(Anything.self, from: Data(text.utf8))) != nil
      #expect(ours == theirs, "\(text), seed \(seed)")
      if ours { accepted += 1 }
    }
    #expect(accepted > 500, "seed \(seed)")
  }

  @Test(
    "A spoilt text is refused at one of its bytes, or read as what it is written as",
    arguments: [UInt64(1), 2])
  func mutations(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let text = Array(
      #"{"a":[1,-2.5e-3,{"b":"x\"\u00fc\ud83d\ude00"},[[]]],"c":{"d":null,"e":true},"f":"ü🎤"}"#
        .utf8)
    var (taken, refused) = (0, 0)
    for _ in 0..<25_000 {
      var bytes = text
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: at)
        case 2: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &random)], at: at)
        case 3:
          // Three bytes stay at least: enough for two more removals.
          bytes.removeLast(Int.random(in: 0...max(0, bytes.count - 3), using: &random))
        default: bytes.swapAt(at, Int.random(in: 0..<bytes.count, using: &random))
        }
      }
      do throws(JSONError) {
        let value = try JSON(parsing: bytes, repeatedNames: .refused, numbers: .any)
        #expect(try read(value.text) == value, "seed \(seed): \(bytes)")
        taken += 1
      } catch {
        switch error {
        case .syntax(let offset, _), .repeated(_, let offset):
          #expect((0...bytes.count).contains(offset), "seed \(seed): \(bytes)")
        }
        refused += 1
      }
    }
    #expect(taken > 500 && refused > 10_000, "seed \(seed): \(taken) and \(refused)")
  }
}

/// Accepts any JSON value, and reads all of it.
private struct Anything: Decodable {
  init(from decoder: any Decoder) throws {
    if let fields = try? decoder.singleValueContainer().decode([String: Anything].self) {
      _ = fields
    } else if let elements = try? decoder.singleValueContainer().decode([Anything].self) {
      _ = elements
    } else {
      let single = try decoder.singleValueContainer()
      guard
        single.decodeNil() || (try? single.decode(Bool.self)) != nil
          || (try? single.decode(Double.self)) != nil || (try? single.decode(String.self)) != nil
      else {
        throw DecodingError.dataCorruptedError(in: single, debugDescription: "no value")
      }
    }
  }
}
