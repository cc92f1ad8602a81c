import AttentionSocket
import JSONText
import Testing

private let keywords = ["alexa", "smart_mirror", "view_glass"].map {
  KeywordDescription(name: $0, phrase: $0, threshold: 0.5)
}

@Suite("A choice of keywords")
struct KeywordChoiceTests {
  @Test(
    "finds a keyword however its name is spelt",
    arguments: [
      "smart_mirror", "Smart Mirror", "smart-mirror", "SMART.MIRROR", "  smart mirror ",
      "smart_mirror_v0.1", "Smart Mirror v2", "smart-mirror_v1.2.3", "_smart__mirror_",
    ])
  func spellings(name: String) {
    let choice = KeywordChoice([name], of: keywords, context: nil)
    #expect(choice.name(of: 1) == name, "repeated as it was asked for")
    #expect(choice.name(of: 0) == nil && choice.name(of: 2) == nil)
  }

  @Test(
    "finds nothing for a name that no keyword has",
    arguments: [
      "", "smart", "mirror", "smartmirror", "smart_mirror_2", "smart_mirrorv2", "v2",
      "smart mirrör",
      String(repeating: " ", count: 61) + "alexa",
    ])
  func unknown(name: String) {
    #expect(KeywordChoice([name], of: keywords, context: nil).isEmpty)
  }

  @Test("takes the first spelling of a keyword, and skips what it doesn't know")
  func several() {
    let choice = KeywordChoice(
      ["xyzzy", "VIEW GLASS", "alexa", "view_glass"], of: keywords, context: .object([]))
    #expect((0..<3).map(choice.name) == ["alexa", nil, "VIEW GLASS"])
    #expect(choice.context == .object([]))
  }

  @Test("prefers the name as it is to one that is like it")
  func exact() {
    let twins = ["hey_you", "hey-you"].map {
      KeywordDescription(name: $0, phrase: $0, threshold: 0.5)
    }
    let choice = KeywordChoice(["hey-you"], of: twins, context: nil)
    #expect(choice.name(of: 0) == nil && choice.name(of: 1) == "hey-you")
  }

  @Test("of all has every keyword under its own name")
  func all() {
    let choice = KeywordChoice(all: keywords)
    #expect((0..<3).map(choice.name) == keywords.map(\.name))
    #expect(!choice.isEmpty)
  }
}
