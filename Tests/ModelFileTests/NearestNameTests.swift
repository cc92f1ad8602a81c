import ModelFile
import Testing

@Suite("Nearest name")
struct NearestNameTests {
  private let known = ["threshold", "phrase", "name", "hop"]

  @Test(
    "A misspelling finds what was meant",
    arguments: [
      ("treshold", "threshold"), ("thresholds", "threshold"), ("phase", "phrase"),
      ("nmae", nil), ("hopp", "hop"), ("Name", "name"), ("hop", "hop"),
    ] as [(String, String?)])
  func misspelt(written: String, meant: String?) {
    #expect(nearestName(to: written, among: known) == meant)
  }

  @Test("A name that is like none of them finds none, however long it is")
  func strange() {
    #expect(nearestName(to: "colour", among: known) == nil)
    #expect(nearestName(to: "", among: known) == nil)
    #expect(nearestName(to: String(repeating: "name", count: 10_000), among: known) == nil)
    #expect(nearestName(to: "name", among: []) == nil)
  }

  @Test("Of two that are as near, the first in the alphabet is named")
  func tie() {
    #expect(nearestName(to: "bass", among: ["base", "bask"]) == "base")
  }
}
