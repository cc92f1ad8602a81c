import JSONText
import ModelFile
import StreamingAttention
import TestSupport
import Testing

/// Files that somebody, or a failing disk, has spoilt: each is read or refused with one line.
@Suite("Spoilt model files")
struct HostileModelTests {
  /// What is wrong with a complaint; nil for a good one, and for no complaint at all.
  private func fault(of complaint: String?) -> String? {
    guard let complaint else { return nil }
    guard complaint.hasPrefix("model small: ") else { return "doesn't name the file: \(complaint)" }
    guard complaint.utf8.count < 600 else { return "is too long: \(complaint)" }
    let control = complaint.unicodeScalars.contains { $0.properties.generalCategory == .control }
    return control ? "has control characters: \(complaint)" : nil
  }

  @Test("A file cut off anywhere is refused with a line")
  func truncated() {
    let bytes = Sample.bytes()
    for length in 0..<bytes.count {
      let complaint = Sample.complaint(about: Array(bytes[..<length]))
      #expect(complaint != nil, "cut to \(length) of \(bytes.count) bytes")
      #expect(fault(of: complaint) == nil, "cut to \(length) bytes")
    }
    #expect(Sample.complaint(about: bytes) == nil)
    #expect(Sample.complaint(about: bytes + [0]) != nil)
  }

  @Test("A header with any byte changed is read or refused with a line")
  func flipped() throws {
    let bytes = Sample.bytes()
    let header = 8 + Int(bytes[0]) + 256 * Int(bytes[1])
    try #require(header < bytes.count)
    var refused = 0
    for place in 0..<header {
      for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF] as [UInt8] {
        var spoilt = bytes
        spoilt[place] ^= change
        let complaint = Sample.complaint(about: spoilt)
        if complaint != nil { refused += 1 }
        #expect(fault(of: complaint) == nil, "byte \(place) ^ \(change)")
      }
    }
    // Digits, phrases and the provenance may change without harm; most of the rest may not.
    #expect(refused > header * 9 / 2, "\(refused) of \(header * 9)")
  }

  @Test("20,000 random edits end in a model or in a line", .seed(20_261_122))
  func edits() {
    var random = SplitMix64()
    let bytes = Sample.bytes()
    var refused = 0
    for round in 0..<20_000 {
      var spoilt = bytes
      for _ in 0..<Int.random(in: 1...4, using: &random) { edit(&spoilt, &random) }
      let complaint = Sample.complaint(about: spoilt)
      if complaint != nil { refused += 1 }
      #expect(fault(of: complaint) == nil, "round \(round)")
    }
    #expect(refused > 15_000, "\(refused) of 20000")
  }

  private func edit(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    guard !bytes.isEmpty else { return }
    // Half of the edits in the header and its length: the elements mean little.
    let end = Bool.random(using: &random) ? bytes.count : min(bytes.count, 2_000)
    let place = Int.random(in: 0..<end, using: &random)
    let span = place..<min(bytes.count, place + Int.random(in: 1...40, using: &random))
    switch Int.random(in: 0..<6, using: &random) {
    case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 2: bytes.removeSubrange(span)
    case 3: bytes.insert(contentsOf: bytes[span], at: place)
    case 4:
      let other = Int.random(in: 0..<bytes.count, using: &random)
      bytes.swapAt(place, other)
    default: bytes[..<min(8, bytes.count)].shuffle(using: &random)
    }
  }

  @Test("A document with any value replaced is read or refused with a line", .seed(7))
  func replaced() throws {
    var random = SplitMix64()
    let strange: [JSON] = [
      .null, .bool(true), .number("0"), .number("-1"), .number("1"), .number("9223372036854775807"),
      .number("-9223372036854775808"), .number("1e308"), .number("1e999"), .number("0.5"),
      .string(""), .string("gru"), .string(String(repeating: "\u{1F600}", count: 1_000)),
      .string("\u{202E}\n\u{1B}[2J"), .array([]), .array([.array([.null])]), .object([]),
      .object([.init("kind", .string("pcen"))]),
    ]
    let optional = [
      "front_end.cepstra", "front_end.deltas", "front_end.running", "architecture.stem",
    ]
    for document in [Sample.document, Sample.elaborate, Sample.rows] {
      let tensors = try Sample.tensors(document)
      let paths = paths(of: document.json)
      #expect(paths.count > 30)
      for path in paths {
        for value in strange {
          var json = document.json
          json[path] = value
          // A second one, so that checks that come later are reached past values that may be.
          if let other = paths.randomElement(using: &random), Bool.random(using: &random) {
            json[other] = strange.randomElement(using: &random)
          }
          let complaint = Sample.complaint(about: ModelFile.file(json, tensors: tensors))
          #expect(fault(of: complaint) == nil, "\(path) = \(value)")
        }
        var json = document.json
        json[path] = nil
        let complaint = Sample.complaint(about: ModelFile.file(json, tensors: tensors))
        if optional.contains(path) {
          #expect(fault(of: complaint) == nil, "without \(path)")
        } else {
          #expect(complaint?.contains("missing") == true, "without \(path)")
        }
      }
    }
  }

  private func paths(of json: JSON) -> [String] {
    guard case .object(let members) = json else { return [] }
    return members.flatMap { member in
      [member.name] + paths(of: member.value).map { "\(member.name).\($0)" }
    }
  }

  @Test("Zeros, text and noise aren't models", .seed(9))
  func strangers() {
    var random = SplitMix64()
    let noise = (0..<5_000).map { _ in UInt8.random(in: 0...255, using: &random) }
    let text = Array(String(repeating: "Not a model at all.\n", count: 100).utf8)
    let files = [
      [], [0], Array(repeating: 0, count: 8), Array(repeating: 0, count: 5_000), noise, text,
    ]
    for file in files {
      let complaint = Sample.complaint(about: file)
      #expect(complaint != nil && fault(of: complaint) == nil, "\(file.count) bytes")
    }
  }
}
