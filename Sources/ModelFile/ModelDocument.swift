import FeatureExtraction
import JSONText
import StreamingAttention

/// The JSON document of a model file: everything about a model but its weights.
///
/// Docs/model-file.md describes it name by name. Reading and writing stand side by side here, in
/// the order of the document.
package struct ModelDocument: Sendable, Equatable {
  /// The version of the document that this code reads and writes.
  package static let format = 1

  package var name: String
  package var frontEnd: FrontEnd
  package var architecture: Architecture
  package var keywords: [ModelFile.Keyword]
  package var detector: DetectorSettings
  package var provenance: ModelFile.Provenance

  /// Gathers the parts; nothing is checked before the document is read back.
  package init(
    name: String, frontEnd: FrontEnd, architecture: Architecture, keywords: [ModelFile.Keyword],
    detector: DetectorSettings, provenance: ModelFile.Provenance
  ) {
    self.name = name
    self.frontEnd = frontEnd
    self.architecture = architecture
    self.keywords = keywords
    self.detector = detector
    self.provenance = provenance
  }

  /// Reads a document.
  ///
  /// - Parameter json: The document.
  /// - Throws: `ModelFault` naming the first thing that can't be. The format comes first: a later
  ///   one may have other names.
  package init(_ json: JSON) throws(ModelFault) {
    if case .object(let members) = json,
      let format = members.first(where: { $0.name == "format" })?.value,
      format != .number("\(ModelDocument.format)")
    {
      throw .value(
        path: "format", found: format.summary,
        expected: "\(ModelDocument.format), the one that this version reads")
    }
    let fields = try Fields(
      json, at: "",
      required: [
        "format", "name", "front_end", "architecture", "keywords", "detector", "reset",
        "provenance",
      ])
    name = try fields.plainText("name", limit: Limit.name)
    frontEnd = try FrontEnd(fields.value("front_end"))
    keywords = try ModelDocument.keywords(fields.list("keywords"))
    architecture = try Architecture(
      fields.value("architecture"), bins: frontEnd.rowLength, keywords: keywords.count)
    detector = try DetectorSettings(
      fields.value("detector"), thresholds: keywords.map(\.threshold))
    try fields.only("reset", "never")
    provenance = try ModelFile.Provenance(fields.value("provenance"))
  }

  /// The document as JSON.
  package var json: JSON {
    .object([
      .init("format", .number("\(ModelDocument.format)")),
      .init("name", .string(name)),
      .init("front_end", frontEnd.json),
      .init("architecture", architecture.json),
      .init("keywords", .array(keywords.map(\.json))),
      .init("detector", detector.json),
      .init("reset", .string("never")),
      .init("provenance", provenance.json),
    ])
  }

  /// Bytes of texts, so that events and log lines that carry them stay small.
  enum Limit {
    static let name = 64
    static let phrase = 200
    static let provenance = 4_096
  }

  private static func keywords(_ list: [JSON]) throws(ModelFault) -> [ModelFile.Keyword] {
    var keywords: [ModelFile.Keyword] = []
    // More than the architecture may have is an error later on; here it only bounds the work.
    for (index, json) in list.prefix(Architecture.Limit.keywords.upperBound + 1).enumerated() {
      let keyword = try ModelFile.Keyword(json, at: "keywords[\(index)]")
      guard !keywords.contains(where: { $0.name == keyword.name }) else {
        throw .value(
          path: "keywords[\(index)].name", found: "'\(keyword.name)' again",
          expected: "a name for each keyword")
      }
      keywords.append(keyword)
    }
    return keywords
  }
}

extension FrontEnd {
  fileprivate init(_ json: JSON) throws(ModelFault) {
    let fields = try Fields(
      json, at: "front_end",
      required: [
        "sample_rate", "frame_length", "hop", "fft_size", "window", "pre_emphasis", "remove_dc",
        "edges", "sample_scale", "mel_scale", "bins", "low_hz", "high_hz", "compression",
      ],
      optional: ["cepstra", "deltas", "running"])
    self.init()
    sampleRate = try fields.integer("sample_rate")
    frameLength = try fields.integer("frame_length")
    hop = try fields.integer("hop")
    fftSize = try fields.integer("fft_size")
    window = try fields.choice("window")
    preEmphasis = try fields.float("pre_emphasis")
    removesDC = try fields.flag("remove_dc")
    edges = try fields.choice("edges")
    sampleScale = try fields.float("sample_scale")
    melScale = try fields.choice("mel_scale")
    bins = try fields.integer("bins")
    lowFrequency = try fields.double("low_hz")
    highFrequency = try fields.double("high_hz")
    compression = try Compression(fields.value("compression"))
    if fields.has("cepstra") { cepstra = try Cepstra(fields.value("cepstra")) }
    if fields.has("deltas") { deltas = try fields.integer("deltas") }
    if fields.has("running") { running = try RunningNormalisation(fields.value("running")) }
    do { try validate() } catch { throw .frontEnd(error) }
  }

  /// What the front end doesn't do is left out.
  fileprivate var json: JSON {
    var members: [JSON.Member] = [
      .init("sample_rate", .number("\(sampleRate)")),
      .init("frame_length", .number("\(frameLength)")),
      .init("hop", .number("\(hop)")),
      .init("fft_size", .number("\(fftSize)")),
      .init("window", .string(window.rawValue)),
      .init("pre_emphasis", .number("\(preEmphasis)")),
      .init("remove_dc", .bool(removesDC)),
      .init("edges", .string(edges.rawValue)),
      .init("sample_scale", .number("\(sampleScale)")),
      .init("mel_scale", .string(melScale.rawValue)),
      .init("bins", .number("\(bins)")),
      .init("low_hz", .number("\(lowFrequency)")),
      .init("high_hz", .number("\(highFrequency)")),
      .init("compression", compression.json),
    ]
    if let cepstra { members.append(.init("cepstra", cepstra.json)) }
    if deltas != 0 { members.append(.init("deltas", .number("\(deltas)"))) }
    if let running { members.append(.init("running", running.json)) }
    return .object(members)
  }
}

extension FrontEnd.Compression {
  private enum Kind: String, CaseIterable { case linear, log, decibels, pcen }

  fileprivate init(_ json: JSON) throws(ModelFault) {
    let path = "front_end.compression"
    // Which names there are depends on the kind, so the kind is read by itself first.
    guard case .object(let members) = json else {
      throw .value(path: path, found: json.summary, expected: "an object")
    }
    let kind = try Fields(
      .object(members.filter { $0.name == "kind" }), at: path, required: ["kind"])
    switch try kind.choice("kind", of: Kind.self) {
    case .linear:
      _ = try Fields(json, at: path, required: ["kind"])
      self = .linear
    case .log: self = .log(floor: try Self.floor(json, at: path))
    case .decibels: self = .decibels(floor: try Self.floor(json, at: path))
    case .pcen:
      let fields = try Fields(
        json, at: path, required: ["kind", "smoothing", "gain", "bias", "power", "epsilon"])
      self = .pcen(
        FrontEnd.PCEN(
          smoothing: try fields.float("smoothing"), gain: try fields.float("gain"),
          bias: try fields.float("bias"), power: try fields.float("power"),
          epsilon: try fields.float("epsilon")))
    }
  }

  /// The one number of the logarithms.
  private static func floor(_ json: JSON, at path: String) throws(ModelFault) -> Float {
    try Fields(json, at: path, required: ["kind", "floor"]).float("floor")
  }

  fileprivate var json: JSON {
    switch self {
    case .linear: .object([.init("kind", .string("linear"))])
    case .log(let floor):
      .object([.init("kind", .string("log")), .init("floor", .number("\(floor)"))])
    case .decibels(let floor):
      .object([.init("kind", .string("decibels")), .init("floor", .number("\(floor)"))])
    case .pcen(let pcen):
      .object([
        .init("kind", .string("pcen")),
        .init("smoothing", .number("\(pcen.smoothing)")),
        .init("gain", .number("\(pcen.gain)")),
        .init("bias", .number("\(pcen.bias)")),
        .init("power", .number("\(pcen.power)")),
        .init("epsilon", .number("\(pcen.epsilon)")),
      ])
    }
  }
}

extension FrontEnd.Cepstra {
  fileprivate init(_ json: JSON) throws(ModelFault) {
    let fields = try Fields(
      json, at: "front_end.cepstra", required: ["count", "lifter", "energy"])
    self.init(
      count: try fields.integer("count"), lifter: try fields.float("lifter"),
      energy: try fields.flag("energy"))
  }

  fileprivate var json: JSON {
    .object([
      .init("count", .number("\(count)")), .init("lifter", .number("\(lifter)")),
      .init("energy", .bool(energy)),
    ])
  }
}

extension FrontEnd.RunningNormalisation {
  fileprivate init(_ json: JSON) throws(ModelFault) {
    let fields = try Fields(json, at: "front_end.running", required: ["rate", "start"])
    self.init(rate: try fields.float("rate"), start: try fields.choice("start"))
  }

  fileprivate var json: JSON {
    .object([.init("rate", .number("\(rate)")), .init("start", .string(start.rawValue))])
  }
}

extension Architecture {
  private enum ValueKind: String, CaseIterable { case key, separate }

  fileprivate init(_ json: JSON, bins: Int, keywords: Int) throws(ModelFault) {
    let fields = try Fields(
      json, at: "architecture",
      required: ["stack", "stride", "encoder", "attention", "decoder", "output"])
    let attention = try Fields(
      fields.value("attention"), at: "architecture.attention",
      required: ["score", "memory", "value", "heads", "keyword_heads", "key_size", "window"],
      optional: ["value_size"])
    let decoder = try Fields(
      fields.value("decoder"), at: "architecture.decoder",
      required: ["cell", "layers", "units", "input"])
    self.init(
      bins: bins,
      stack: try fields.integer("stack"),
      stride: try fields.integer("stride"),
      encoder: try Recurrent(
        Fields(
          fields.value("encoder"), at: "architecture.encoder",
          required: ["cell", "layers", "units"])),
      score: try attention.choice("score"),
      memory: try attention.choice("memory"),
      value: try Architecture.value(attention),
      heads: try Architecture.heads(attention, keywords: keywords),
      keySize: try attention.integer("key_size"),
      window: try attention.integer("window"),
      decoder: try Recurrent(decoder),
      decoderInput: try decoder.choice("input"),
      output: try fields.choice("output"),
      keywords: keywords)
    do { try validate() } catch { throw .parameters(error) }
  }

  private static func value(_ attention: Fields) throws(ModelFault) -> Value {
    switch try attention.choice("value", of: ValueKind.self) {
    case .separate: return .separate(size: try attention.integer("value_size"))
    case .key:
      guard !attention.has("value_size") else {
        throw .value(
          path: attention.place("value_size"), found: "given",
          expected: "it only where value is 'separate'")
      }
      return .key
    }
  }

  private static func heads(_ attention: Fields, keywords: Int) throws(ModelFault) -> Heads {
    let count = try attention.integer("heads")
    guard try attention.flag("keyword_heads") else { return .shared(count) }
    guard count == keywords else {
      throw .value(
        path: attention.place("heads"), found: "\(count)",
        expected: "\(keywords), one for each keyword")
    }
    return .keyword
  }

  fileprivate var json: JSON {
    var attention: [JSON.Member] = [
      .init("score", .string(score.rawValue)),
      .init("memory", .string(memory.rawValue)),
      .init("value", .string(value == .key ? "key" : "separate")),
    ]
    if case .separate(let size) = value {
      attention.append(.init("value_size", .number("\(size)")))
    }
    attention += [
      .init("heads", .number("\(headCount)")),
      .init("keyword_heads", .bool(heads == .keyword)),
      .init("key_size", .number("\(keySize)")),
      .init("window", .number("\(window)")),
    ]
    return .object([
      .init("stack", .number("\(stack)")),
      .init("stride", .number("\(stride)")),
      .init("encoder", .object(encoder.members)),
      .init("attention", .object(attention)),
      .init("decoder", .object(decoder.members + [.init("input", .string(decoderInput.rawValue))])),
      .init("output", .string(output.rawValue)),
    ])
  }
}

extension Architecture.Recurrent {
  fileprivate init(_ fields: Fields) throws(ModelFault) {
    self.init(
      cell: try fields.choice("cell"), layers: try fields.integer("layers"),
      units: try fields.integer("units"))
  }

  fileprivate var members: [JSON.Member] {
    [
      .init("cell", .string(cell.rawValue)), .init("layers", .number("\(layers)")),
      .init("units", .number("\(units)")),
    ]
  }
}

extension ModelFile.Keyword {
  fileprivate init(_ json: JSON, at path: String) throws(ModelFault) {
    let fields = try Fields(json, at: path, required: ["name", "phrase", "threshold"])
    name = try fields.text("name")
    let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard (1...ModelDocument.Limit.name).contains(name.utf8.count),
      name.utf8.allSatisfy({
        letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "_")
      })
    else {
      throw .value(
        path: fields.place("name"), found: "'\(legible(name))'",
        expected: "1 to \(ModelDocument.Limit.name) of a to z, 0 to 9 and _")
    }
    phrase = try fields.plainText("phrase", limit: ModelDocument.Limit.phrase)
    threshold = try fields.float("threshold")
  }

  fileprivate var json: JSON {
    .object([
      .init("name", .string(name)), .init("phrase", .string(phrase)),
      .init("threshold", .number("\(threshold)")),
    ])
  }
}

extension DetectorSettings {
  fileprivate init(_ json: JSON, thresholds: [Float]) throws(ModelFault) {
    let fields = try Fields(
      json, at: "detector", required: ["smoothing_steps", "release", "refractory_seconds"])
    self.init(
      thresholds: thresholds, smoothingSteps: try fields.integer("smoothing_steps"),
      release: try fields.float("release"),
      refractorySeconds: try fields.double("refractory_seconds"))
    do { try validate() } catch { throw .detector(error) }
  }

  fileprivate var json: JSON {
    .object([
      .init("smoothing_steps", .number("\(smoothingSteps)")),
      .init("release", .number("\(release)")),
      .init("refractory_seconds", .number("\(refractorySeconds)")),
    ])
  }
}

extension ModelFile.Provenance {
  fileprivate init(_ json: JSON) throws(ModelFault) {
    let fields = try Fields(
      json, at: "provenance",
      required: ["data", "recipe", "command", "seed", "licence", "figures"])
    let limit = ModelDocument.Limit.provenance
    data = try fields.plainText("data", limit: limit)
    recipe = try fields.plainText("recipe", limit: limit)
    command = try fields.plainText("command", limit: limit)
    seed = try fields.integer("seed")
    licence = try fields.plainText("licence", limit: limit)
    figures = try fields.plainText("figures", limit: limit)
  }

  fileprivate var json: JSON {
    .object([
      .init("data", .string(data)), .init("recipe", .string(recipe)),
      .init("command", .string(command)), .init("seed", .number("\(seed)")),
      .init("licence", .string(licence)), .init("figures", .string(figures)),
    ])
  }
}
