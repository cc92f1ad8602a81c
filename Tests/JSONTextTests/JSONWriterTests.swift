import JSONText
import TestSupport
import Testing

@Suite("JSON writer")
struct JSONWriterTests {
  @Test("Fields stand in the order of the calls, with commas between")
  func order() {
    var json = JSONWriter()
    json.object { json in
      json.field("z", 1)
      json.field("a", -7)
      json.field("yes", true)
      json.field("single", Float(0.1))
      json.field("double", 0.1)
      json.field("list", ["a", "b"])
      json.field("none") { _ in }
      json.name("rows")
      json.array { json in
        json.array { _ in }
        json.array { json in
          json.value(1)
          json.null()
        }
        json.value(.object([.init("b", .number("1e3")), .init("a", .array([.null]))]))
      }
      json.field("last", false)
    }
    #expect(
      json.text
        == #"{"z":1,"a":-7,"yes":true,"single":0.1,"double":0.1,"list":["a","b"],"none":{},"#
        + #""rows":[[],[1,null],{"b":1e3,"a":[null]}],"last":false}"#)
    #expect(json.bytes == Array(json.text.utf8))
  }

  @Test("NaN and infinity, which JSON lacks, become null")
  func notFinite() {
    var json = JSONWriter()
    json.array { json in
      for value in [Float.nan, .infinity, -.infinity] { json.value(value) }
      for value in [Double.nan, .infinity, -.infinity] { json.value(value) }
    }
    #expect(json.text == "[null,null,null,null,null,null]")
  }

  @Test("Every character below 256 is escaped where it must be, and reads back")
  func escapes() throws {
    let text = String(String.UnicodeScalarView((0..<256).map { Unicode.Scalar(UInt8($0)) }))
    var json = JSONWriter()
    json.array { $0.value(text) }
    #expect(json.text.contains(#"\u0000\u0001"#) && json.text.contains(##"\u001f !\"#"##))
    #expect(json.bytes.allSatisfy { $0 >= 0x20 })
    #expect(
      try JSON(parsing: json.bytes, repeatedNames: .refused, numbers: .any)
        == .array([.string(text)]))
  }

  @Test("Floats are written as the shortest decimal and come back bit for bit")
  func floats() throws {
    var random = SplitMix64(seed: 5)
    for _ in 0..<20_000 {
      let value = Float(bitPattern: UInt32.random(in: 0...0x7F7F_FFFF, using: &random))
      var json = JSONWriter()
      json.value(value)
      #expect(json.text == value.description)
      let read = try JSON(parsing: json.bytes, repeatedNames: .refused, numbers: .finite)
      #expect(read.float?.bitPattern == value.bitPattern, "\(json.text)")
      // A client may go by way of a Double.
      #expect(read.double.map(Float.init)?.bitPattern == value.bitPattern, "\(json.text)")
    }
  }
}
