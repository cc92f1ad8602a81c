import FeatureExtraction
import JSONText
import ModelFile
import StreamingAttention
import TestSupport
import Testing

@Suite("Model document")
struct ModelDocumentTests {
  /// The example of Docs/model-file.md.
  private static let example = """
    {"format": 1, "name": "six-words",
     "front_end": {"sample_rate": 16000, "frame_length": 400, "hop": 160, "fft_size": 512,
       "window": "povey", "pre_emphasis": 0.97, "remove_dc": true, "edges": "snip",
       "sample_scale": 32768, "mel_scale": "htk", "bins": 40, "low_hz": 20, "high_hz": 8000,
       "compression": {"kind": "pcen", "smoothing": 0.025, "gain": 0.98, "bias": 2, "power": 0.5,
         "epsilon": 1000}},
     "architecture": {"stack": 3, "stride": 3,
       "encoder": {"cell": "gru", "layers": 2, "units": 96},
       "attention": {"score": "static", "memory": "h", "value": "key", "heads": 2,
         "keyword_heads": true, "key_size": 16, "window": 50},
       "decoder": {"cell": "gru", "layers": 1, "units": 48, "input": "context+hidden"},
       "output": "sigmoid"},
     "keywords": [{"name": "alexa", "phrase": "Alexa", "threshold": 0.5},
       {"name": "view_glass", "phrase": "view glass", "threshold": 0.625}],
     "detector": {"smoothing_steps": 3, "release": 0.5, "refractory_seconds": 1.0},
     "reset": "never",
     "provenance": {"data": "d", "recipe": "r", "command": "c", "seed": 7, "licence": "l",
       "figures": "f"}}
    """

  private static func parsed() throws -> JSON {
    try JSON(parsing: ArraySlice(example.utf8), called: "the document")
  }

  @Test("Every name of the document ends up in its place")
  func example() throws {
    let document = try ModelDocument(Self.parsed())
    var frontEnd = FrontEnd()
    frontEnd.compression = .pcen(
      FrontEnd.PCEN(smoothing: 0.025, gain: 0.98, bias: 2, power: 0.5, epsilon: 1_000))
    let expected = ModelDocument(
      name: "six-words", input: .sound(frontEnd),
      architecture: Architecture(
        bins: 40, stack: 3, stride: 3, encoder: .init(cell: .gru, layers: 2, units: 96),
        score: .static, memory: .h, value: .key, heads: .keyword, keySize: 16, window: 50,
        decoder: .init(cell: .gru, layers: 1, units: 48), decoderInput: .contextAndHidden,
        output: .sigmoid, keywords: 2),
      keywords: [
        ModelFile.Keyword(name: "alexa", phrase: "Alexa", threshold: 0.5),
        ModelFile.Keyword(name: "view_glass", phrase: "view glass", threshold: 0.625),
      ],
      detector: DetectorSettings(
        thresholds: [0.5, 0.625], smoothingSteps: 3, release: 0.5, refractorySeconds: 1),
      provenance: ModelFile.Provenance(
        data: "d", recipe: "r", command: "c", seed: 7, licence: "l", figures: "f"))
    #expect(document == expected)
  }

  @Test("What is written is read back the same, whatever the choices")
  func roundTrip() throws {
    var documents = [Sample.document, Sample.rows]
    let compressions: [FrontEnd.Compression] = [
      .linear, .log(floor: 0x1p-23), .decibels(floor: 1e-10),
    ]
    for compression in compressions {
      for edges in FrontEnd.Edges.allCases {
        for window in WindowFunction.allCases {
          var document = Sample.document
          document.frontEnd.compression = compression
          document.frontEnd.edges = edges
          document.frontEnd.window = window
          documents.append(document)
        }
      }
    }
    let frontEnds: [FrontEnd] = [
      .kaldiLogMel(), .librosaLogMel(), .kaldiMFCC, .librosaMFCC, .pcen, .powerSpectrum,
    ]
    for frontEnd in frontEnds {
      for (deltas, start) in [(1, FrontEnd.RunningNormalisation.Start.warm), (2, .model)] {
        var document = Sample.document
        document.frontEnd = frontEnd
        document.frontEnd.deltas = deltas
        document.frontEnd.running = .init(rate: 0.005, start: start)
        document.architecture.bins = document.frontEnd.rowLength
        documents.append(document)
      }
    }
    for score in Architecture.Score.allCases {
      for memory in Architecture.Memory.allCases {
        for input in Architecture.DecoderInput.allCases {
          var document = Sample.document
          document.architecture.score = score
          document.architecture.memory = memory
          document.architecture.decoderInput = input
          document.architecture.value = memory == .x ? .key : .separate(size: 7)
          document.architecture.heads = input == .context ? .shared(3) : .keyword
          documents.append(document)
        }
      }
    }
    for cell in Architecture.Cell.allCases {
      for output in Architecture.Output.allCases {
        for kind in Architecture.Convolution.Kind.allCases {
          var document = Sample.document
          document.architecture.encoder.cell = cell
          document.architecture.decoder.cell = cell
          document.architecture.output = output
          document.architecture.stem = [
            .init(kind: kind, channels: 5, kernel: 64, stride: 8),
            .init(kind: .full, channels: 2, kernel: 1, stride: 1),
          ]
          document.reset = .silence(.init(seconds: 0.1, decibels: -120))
          documents.append(document)
        }
      }
    }
    for document in documents {
      let text = document.json.text
      let read = try ModelDocument(JSON(parsing: ArraySlice(text.utf8), called: "the document"))
      #expect(read == document, "\(text)")
    }
  }

  private static func cepstra(count: String) -> JSON {
    .object([
      .init("count", .number(count)), .init("lifter", .number("22")), .init("energy", .bool(true)),
    ])
  }

  private static func running(rate: String, start: String) -> JSON {
    .object([.init("rate", .number(rate)), .init("start", .string(start))])
  }

  private static func stemLayer(
    kind: String = "full", kernel: String = "3", stride: String = "1"
  ) -> JSON {
    .object([
      .init("kind", .string(kind)), .init("channels", .number("8")),
      .init("kernel", .number(kernel)), .init("stride", .number(stride)),
    ])
  }

  private static func rows(length: String, perSecond: String) -> JSON {
    .object([.init("length", .number(length)), .init("per_second", .number(perSecond))])
  }

  private static func silence(seconds: String, decibels: String) -> JSON {
    .object([
      .init("silence_seconds", .number(seconds)), .init("below_dbfs", .number(decibels)),
    ])
  }

  @Test("A model of rows has their length and rate in place of a front end")
  func rowSequence() throws {
    var json = try Self.parsed()
    json["front_end"] = nil
    json["rows"] = Self.rows(length: "8", perSecond: "25")
    json["architecture.stem"] = .array([Self.stemLayer(stride: "2")])
    let document = try ModelDocument(json)
    #expect(document.input == .rows(.init(length: 8, perSecond: 25)))
    #expect(document.architecture.bins == 8)
    #expect(document.architecture.stem == [.init(kind: .full, channels: 8, kernel: 3, stride: 2)])
    #expect(document.input.sampleRate == 25)
    #expect(document.input.hop == 1)
    #expect(document.input.endPosition(ofRow: 6) == 7)

    for (rows, message) in [
      (Self.rows(length: "0", perSecond: "25"), "rows.length is 0, expected 1 to 4096"),
      (Self.rows(length: "4097", perSecond: "25"), "rows.length is 4097, expected 1 to 4096"),
      (Self.rows(length: "8", perSecond: "0"), "rows.per_second is 0, expected 1 to 384000"),
      (Self.rows(length: "8", perSecond: "2.5"), "rows.per_second is 2.5, expected a whole number"),
    ] {
      json["rows"] = rows
      #expect(complaint(about: json) == message)
    }
    json["rows"] = Self.rows(length: "8", perSecond: "25")
    json["reset"] = Self.silence(seconds: "5", decibels: "-60")
    #expect(
      complaint(about: json)
        == "reset is an object, expected 'never' for a model of rows: silence is a property of sound"
    )
  }

  @Test("The examples of Docs/model-file.md are documents")
  func documented() throws {
    let text = String(decoding: try Golden.bytes("../../Docs/model-file.md"), as: UTF8.self)
    var examples: [String] = []
    var lines: [Substring]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line == "```json" {
        lines = []
      } else if line == "```", let example = lines {
        examples.append(example.joined(separator: "\n"))
        lines = nil
      } else {
        lines?.append(line)
      }
    }
    #expect(examples.count == 2)
    for example in examples {
      let json = try JSON(parsing: ArraySlice(example.utf8), called: "the example")
      #expect(complaint(about: json) == nil, "\(example)")
    }
  }

  @Test("A reset rule says how long and how quiet a silence is")
  func reset() throws {
    var json = try Self.parsed()
    json["reset"] = Self.silence(seconds: "5.0", decibels: "-60.0")
    #expect(try ModelDocument(json).reset == .silence(.init(seconds: 5, decibels: -60)))
  }

  @Test("Steps that a front end may have end up in their places, and make its rows longer")
  func steps() throws {
    var json = try Self.parsed()
    json["front_end.edges"] = .string("reflect")
    json["front_end.window"] = .string("periodic-hann")
    json["front_end.mel_scale"] = .string("slaney")
    json["front_end.compression"] = .object([
      .init("kind", .string("decibels")), .init("floor", .number("1e-10")),
    ])
    json["front_end.cepstra"] = Self.cepstra(count: "13")
    json["front_end.deltas"] = .number("2")
    json["front_end.running"] = Self.running(rate: "0.01", start: "model")
    let document = try ModelDocument(json)
    var frontEnd = FrontEnd()
    frontEnd.edges = .reflect
    frontEnd.window = .periodicHann
    frontEnd.melScale = .slaney
    frontEnd.compression = .decibels(floor: 1e-10)
    frontEnd.cepstra = .init(count: 13, lifter: 22, energy: true)
    frontEnd.deltas = 2
    frontEnd.running = .init(rate: 0.01, start: .model)
    #expect(document.frontEnd == frontEnd)
    #expect(document.architecture.bins == 39)
  }

  @Test("What a front end doesn't do is left out of its document")
  func absent() {
    let text = Sample.document.json.text
    for name in ["cepstra", "deltas", "running"] { #expect(!text.contains(name), "\(text)") }
  }

  @Test("A linear or logarithmic front end has only the names that it needs")
  func compression() throws {
    var json = try Self.parsed()
    json["front_end.compression"] = .object([.init("kind", .string("linear"))])
    #expect(try ModelDocument(json).frontEnd.compression == .linear)
    json["front_end.compression"] = .object([
      .init("kind", .string("log")), .init("floor", .number("1.1920929e-07")),
    ])
    #expect(try ModelDocument(json).frontEnd.compression == .log(floor: 0x1p-23))
  }

  @Test(
    "A value that can't be is refused in a sentence",
    arguments: [
      ("format", .number("2"), "format is 2, expected 1, the one that this version reads"),
      ("format", .string("1"), "format is '1', expected 1, the one that this version reads"),
      ("format", nil, "format is missing"),
      ("name", nil, "name is missing"),
      (
        "name", .string(""), "name is '', expected 1 to 64 bytes of text without control characters"
      ),
      (
        "name", .string("a\nb"),
        "name is 'a\u{FFFD}b', expected 1 to 64 bytes of text without control characters"
      ),
      ("nmae", .number("1"), "unknown name 'nmae'"),
      ("provenance.license", .string("x"), "unknown name 'provenance.license' (licence?)"),
      ("provenance.seed", .string("x"), "provenance.seed is 'x', expected a whole number"),
      ("front_end.fft", .number("1"), "unknown name 'front_end.fft'"),
      ("front_end.fft_sise", .number("1"), "unknown name 'front_end.fft_sise' (fft_size?)"),
      ("front_end.hop", .number("160.5"), "front_end.hop is 160.5, expected a whole number"),
      (
        "front_end.hop", .number("99999999999999999999"),
        "front_end.hop is 99999999999999999999, expected a whole number"
      ),
      ("front_end.remove_dc", .number("1"), "front_end.remove_dc is 1, expected true or false"),
      (
        "front_end.window", .string("kaiser"),
        "front_end.window is 'kaiser', expected povey, hamming, hann, rectangular, periodic-hann, "
          + "periodic-hamming (what this version knows)"
      ),
      (
        "front_end.mel_scale", .string("bark"),
        "front_end.mel_scale is 'bark', expected htk, slaney, none (what this version knows)"
      ),
      (
        "front_end.mel_scale", .string("none"),
        "front end: bins is 40, expected 257 with mel_scale none"
      ),
      (
        "front_end.edges", .string("wrap"),
        "front_end.edges is 'wrap', expected snip, mirror, reflect, zero (what this version knows)"
      ),
      ("front_end.deltas", .number("3"), "front end: deltas is 3, expected 0 to 2"),
      ("front_end.deltas", .bool(true), "front_end.deltas is true, expected a whole number"),
      ("front_end.delta", .number("1"), "unknown name 'front_end.delta' (deltas?)"),
      ("front_end.cepstra", .number("13"), "front_end.cepstra is 13, expected an object"),
      (
        "front_end.cepstra", cepstra(count: "41"),
        "front end: cepstra.count is 41, expected 1 to 40"
      ),
      (
        "front_end.cepstra", .object([.init("count", .number("13"))]),
        "front_end.cepstra.lifter is missing"
      ),
      (
        "front_end.running", running(rate: "0.6", start: "warm"),
        "front end: running.rate is 0.6, expected 6.1035156e-05 to 0.5"
      ),
      (
        "front_end.running", running(rate: "0.01", start: "cold"),
        "front_end.running.start is 'cold', expected warm, model (what this version knows)"
      ),
      (
        "front_end.pre_emphasis", .number("1e999"),
        "front_end.pre_emphasis is 1e999, expected a number"
      ),
      (
        "front_end.fft_size", .number("490"),
        "front end: fft_size is 490, expected an even number from 400 to 16384 with no prime "
          + "factor above 5"
      ),
      (
        "front_end.compression.kind", .string("root"),
        "front_end.compression.kind is 'root', expected linear, log, decibels, pcen "
          + "(what this version knows)"
      ),
      ("front_end.compression.kind", nil, "front_end.compression.kind is missing"),
      ("front_end.compression.bias", nil, "front_end.compression.bias is missing"),
      (
        "front_end.compression.floor", .number("1"),
        "unknown name 'front_end.compression.floor'"
      ),
      ("architecture.encoder", .string("gru"), "architecture.encoder is 'gru', expected an object"),
      ("architecture.encoder.units", nil, "architecture.encoder.units is missing"),
      (
        "architecture.encoder.cell", .string("sru"),
        "architecture.encoder.cell is 'sru', expected rnn-tanh, rnn-relu, gru, lstm "
          + "(what this version knows)"
      ),
      ("architecture.encoder.units", .number("0"), "encoder.units is 0, expected 1 to 4096"),
      ("architecture.stride", .number("4"), "stride is 4, expected 1 to 3"),
      (
        "architecture.attention.heads", .number("3"),
        "architecture.attention.heads is 3, expected 2, one for each keyword"
      ),
      (
        "architecture.attention.value_size", .number("8"),
        "architecture.attention.value_size is given, expected it only where value is 'separate'"
      ),
      (
        "architecture.attention.value", .string("separate"),
        "architecture.attention.value_size is missing"
      ),
      (
        "architecture.attention.window", .number("1000001"),
        "attention.window is 1000001, expected 1 to 1000000"
      ),
      (
        "architecture.output", .string("logits"),
        "architecture.output is 'logits', expected sigmoid, softmax, linear "
          + "(what this version knows)"
      ),
      (
        "architecture.attention.score", .string("cosine"),
        "architecture.attention.score is 'cosine', expected dot, scaled-dot, additive, aligned, "
          + "static (what this version knows)"
      ),
      ("architecture.stem", .object([]), "architecture.stem is an object, expected a list"),
      (
        "architecture.stem", .array([stemLayer(kind: "dense")]),
        "architecture.stem[0].kind is 'dense', expected full, separable (what this version knows)"
      ),
      (
        "architecture.stem", .array([stemLayer(), stemLayer(kernel: "65")]),
        "stem[1].kernel is 65, expected 1 to 64"
      ),
      (
        "architecture.stem", .array([stemLayer(stride: "0")]),
        "stem[0].stride is 0, expected 1 to 8"
      ),
      (
        "architecture.stem", .array(Array(repeating: stemLayer(), count: 5)),
        "layers of the stem is 5, expected 0 to 4"
      ),
      ("architecture.stems", .array([]), "unknown name 'architecture.stems' (stem?)"),
      ("front_end", nil, "front_end, or rows in its place where no sound comes in, is missing"),
      (
        "rows", rows(length: "8", perSecond: "100"),
        "rows is given beside front_end, expected one of the two: front_end where sound comes in, "
          + "rows where nothing but rows does"
      ),
      (
        "keywords", .array([]),
        "architecture.attention.heads is 2, expected 0, one for each keyword"
      ),
      ("keywords", .object([]), "keywords is an object, expected a list"),
      ("keywords", .array([.null]), "keywords[0] is null, expected an object"),
      (
        "detector.release", .number("1.5"), "detector: release is 1.5, expected 0.05 to 1"
      ),
      ("detector.relase", .number("1"), "unknown name 'detector.relase' (release?)"),
      (
        "reset", .string("silence"),
        "reset is 'silence', expected 'never', or an object with silence_seconds and below_dbfs"
      ),
      (
        "reset", silence(seconds: "0.09", decibels: "-60"),
        "reset.silence_seconds is 0.09, expected 0.1 to 3600.0"
      ),
      (
        "reset", silence(seconds: "5", decibels: "1"),
        "reset.below_dbfs is 1, expected -120.0 to 0.0"
      ),
      (
        "reset", .object([.init("silence_second", .number("5"))]),
        "unknown name 'reset.silence_second' (silence_seconds?)"
      ),
    ] as [(String, JSON?, String)])
  func refused(path: String, value: JSON?, message: String) throws {
    var json = try Self.parsed()
    json[path] = value
    #expect(complaint(about: json) == message)
  }

  @Test(
    "A keyword that can't be is refused in a sentence",
    arguments: [
      (
        #"{"name": "alexa", "phrase": "x", "threshold": 0.5}"#,
        "keywords[1].name is 'alexa' again, expected a name for each keyword"
      ),
      (
        #"{"name": "Alexa", "phrase": "x", "threshold": 0.5}"#,
        "keywords[1].name is 'Alexa', expected 1 to 64 of a to z, 0 to 9 and _"
      ),
      (
        #"{"name": "b", "phrase": "", "threshold": 0.5}"#,
        "keywords[1].phrase is '', expected 1 to 200 bytes of text without control characters"
      ),
      (
        #"{"name": "b", "phrase": "x", "treshold": 0.5}"#,
        "unknown name 'keywords[1].treshold' (threshold?)"
      ),
      (
        #"{"name": "b", "phrase": "x", "threshold": 1.5}"#,
        "detector: threshold is 1.5, expected 0.001 to 1"
      ),
    ])
  func keyword(text: String, message: String) throws {
    var json = try Self.parsed()
    guard case .array(var keywords) = json["keywords"] else { return }
    keywords[1] = try JSON(parsing: ArraySlice(text.utf8), called: "it")
    json["keywords"] = .array(keywords)
    #expect(complaint(about: json) == message)
  }

  @Test("64 keywords are read, more are refused")
  func mostKeywords() throws {
    func document(_ count: Int) throws -> JSON {
      var json = try Self.parsed()
      json["architecture.attention.keyword_heads"] = .bool(false)
      json["keywords"] = .array(
        (0..<count).map { i in
          .object([
            .init("name", .string("k\(i)")), .init("phrase", .string("x")),
            .init("threshold", .number("1")),
          ])
        })
      return json
    }
    #expect(try complaint(about: document(64)) == nil)
    #expect(try complaint(about: document(65)) == "keywords is 65, expected 1 to 64")
    #expect(try complaint(about: document(10_000)) == "keywords is 65, expected 1 to 64")
  }

  private func complaint(about json: JSON) -> String? {
    do {
      _ = try ModelDocument(json)
      return nil
    } catch {
      return error.description
    }
  }
}
