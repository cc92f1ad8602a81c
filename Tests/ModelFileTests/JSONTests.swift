import ModelFile
import Testing

@Suite("JSON")
struct JSONTests {
  private func read(_ text: String) throws(ModelFault) -> JSON {
    try JSON(parsing: ArraySlice(text.utf8), called: "it")
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
    #expect(value.text == text)
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
    ])
  func refused(text: String, offset: Int) {
    #expect {
      try read(text)
    } throws: { error in
      guard case ModelFault.syntax("it", offset, _) = error else { return false }
      return true
    }
  }

  @Test("Bytes that aren't UTF-8 are refused")
  func utf8() {
    let bytes: [UInt8] = [0x22, 0xC3, 0x28, 0x22]
    #expect(throws: ModelFault.syntax(text: "it", offset: 1, expected: "text in UTF-8")) {
      try JSON(parsing: bytes[...], called: "it")
    }
  }

  @Test("A name that appears twice in an object is refused")
  func twice() throws {
    #expect(throws: ModelFault.syntax(text: "it", offset: 9, expected: "'a' only once")) {
      try read(#"{"a": 1, "a": 2}"#)
    }
    #expect(throws: Never.self) { try read(#"[{"a": 1}, {"a": 2}]"#) }
  }

  @Test("Text nested too deep is refused, at the limit it is read")
  func depth() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    #expect(throws: Never.self) { try read(nested(JSON.deepest)) }
    #expect(throws: ModelFault.self) { try read(nested(JSON.deepest + 1)) }
    #expect(throws: ModelFault.self) { try read(String(repeating: "{\"a\":", count: 1_000_000)) }
  }
}
