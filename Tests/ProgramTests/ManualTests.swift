import TestSupport
import Testing
import attnd

@Suite("The manual")
struct ManualTests {
  @Test("Every command has a page with all of its options, and the program's page names it")
  func commands() async throws {
    let help = await (try ChildProcess(attnd, ["--experimental-dump-help"])).wait().output
    let pages = try CommandManual.pages(help: help)
    let program = try #require(pages.first)
    #expect(program.file == "attnd.1")
    #expect(pages.count > 10 && Set(pages.map(\.file)).count == pages.count)
    for page in pages.dropFirst() {
      let name = try #require(page.file.split(separator: ".").first?.split(separator: "-").last)
      #expect(program.text.contains("attnd \(name)"), "\(name)")
      let usage = await (try ChildProcess(attnd, ["help", "\(name)"])).wait().output
      let options = usage.split(separator: "\n").filter { $0.hasPrefix("  -") }
        .flatMap { $0.split(whereSeparator: { " ,/".contains($0) }).filter { $0.hasPrefix("--") } }
      #expect(!options.isEmpty)
      for option in options {
        #expect(page.text.contains(ManualPage.escaped("\(option)")), "\(page.file): \(option)")
      }
    }
    #expect(!pages.contains { $0.file.contains("manual") || $0.file.contains("help") })
  }

  @Test("Every setting is in attnd.yaml(5), with its default and its variable")
  func settings() {
    for entry in SettingsTable.entries {
      #expect(SettingsManual.page.contains(ManualPage.escaped("\(entry.name): ")), "\(entry.name)")
      #expect(SettingsManual.page.contains(ManualPage.escaped(entry.help)), "\(entry.name)")
      #expect(SettingsManual.page.contains(entry.environmentName), "\(entry.name)")
    }
  }

  @Test("No text is taken for a macro or an escape")
  func escapes() {
    #expect(ManualPage.escaped(".so /etc/passwd") == "\\&.so /etc/passwd")
    #expect(ManualPage.escaped("'br") == "\\(aqbr")
    #expect(ManualPage.escaped("a\\fB --x\n.SH y") == "a\\efB \\-\\-x .SH y")
    var page = ManualPage("x", section: 1)
    page.discussion("words\n\n  .example 'a'\n    deeper\n\nmore words")
    #expect(
      page.text.hasSuffix(
        ".PP\nwords\n.PP\n.RS 4\n.nf\n\\&.example \\(aqa\\(aq\ndeeper\n.fi\n.RE\n.PP\nmore words\n")
    )
    page.item("-x \"y\"", ".z")
    #expect(page.text.hasSuffix(".TP\n.B \"\\-x \\(dqy\\(dq\"\n\\&.z\n"))
  }

  @Test("Help that is none makes no page")
  func noHelp() throws {
    #expect(try CommandManual.pages(help: "{}").isEmpty)
    #expect(throws: (any Error).self) { try CommandManual.pages(help: "no JSON") }
  }
}
