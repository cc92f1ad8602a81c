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
  package var input: ModelFile.Input
  package var architecture: Architecture
  package var keywords: [ModelFile.Keyword]
  package var detector: DetectorSettings
  package var reset: ModelFile.ResetRule
  package var provenance: ModelFile.Provenance

  /// Gathers the parts; nothing is checked before the document is read back.
  package init(
    name: String, input: ModelFile.Input, architecture: Architecture,
    keywords: [ModelFile.Keyword], detector: DetectorSettings, reset: ModelFile.ResetRule = .never,
    provenance: ModelFile.Provenance
  ) {
    self.name = name
    self.input = input
    self.architecture = architecture
    self.keywords = keywords
    self.detector = detector
    self.reset = reset
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
        "format", "name", "architecture", "keywords", "detector", "reset", "provenance",
      ],
      optional: ["front_end", "rows"])
    name = try fields.plainText("name", limit: Limit.name)
    input = try ModelFile.Input(fields)
    keywords = try ModelDocument.keywords(fields.list("keywords"))
    architecture = try Architecture(
      fields.value("architecture"), bins: input.rowLength, keywords: keywords.count)
    detector = try DetectorSettings(
      fields.value("detector"), thresholds: keywords.map(\.threshold))
    reset = try ModelFile.ResetRule(fields.value("reset"), for: input)
    provenance = try ModelFile.Provenance(fields.value("provenance"))
  }

  /// The document as JSON.
  package var json: JSON {
    .object([
      .init("format", .number("\(ModelDocument.format)")),
      .init("name", .string(name)),
      input.member,
      .init("architecture", architecture.json),
      .init("keywords", .array(keywords.map(\.json))),
      .init("detector", detector.json),
      .init("reset", reset.json),
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
