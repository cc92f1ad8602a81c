import JSONText
import StreamingAttention

extension Architecture {
  private enum ValueKind: String, CaseIterable { case key, separate }

  /// Reads `architecture`.
  ///
  /// - Parameters:
  ///   - json: The value of that name.
  ///   - bins: Length of a row, which follows from the input.
  ///   - keywords: How many there are.
  /// - Throws: `ModelFault` naming the first choice that can't be.
  init(_ json: JSON, bins: Int, keywords: Int) throws(ModelFault) {
    let fields = try Fields(
      json, at: "architecture",
      required: ["stack", "stride", "encoder", "attention", "decoder", "output"],
      optional: ["stem"])
    let attention = try Fields(
      fields.value("attention"), at: "architecture.attention",
      required: ["score", "memory", "value", "heads", "keyword_heads", "key_size", "window"],
      optional: ["value_size"])
    let decoder = try Fields(
      fields.value("decoder"), at: "architecture.decoder",
      required: ["cell", "layers", "units", "input"])
    self.init(
      bins: bins,
      stem: fields.has("stem") ? try Architecture.stem(fields.list("stem")) : [],
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

  private static func stem(_ list: [JSON]) throws(ModelFault) -> [Convolution] {
    var layers: [Convolution] = []
    // More than there may be is an error later on; here it only bounds the work.
    for (index, json) in list.prefix(Limit.stemLayers.upperBound + 1).enumerated() {
      let fields = try Fields(
        json, at: "architecture.stem[\(index)]",
        required: ["kind", "channels", "kernel", "stride"])
      layers.append(
        Convolution(
          kind: try fields.choice("kind"), channels: try fields.integer("channels"),
          kernel: try fields.integer("kernel"), stride: try fields.integer("stride")))
    }
    return layers
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

  /// `architecture`; a stem only where there is one.
  var json: JSON {
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
    let stem = stem.isEmpty ? [] : [JSON.Member("stem", .array(stem.map(\.json)))]
    return .object(
      stem + [
        .init("stack", .number("\(stack)")),
        .init("stride", .number("\(stride)")),
        .init("encoder", .object(encoder.members)),
        .init("attention", .object(attention)),
        .init(
          "decoder", .object(decoder.members + [.init("input", .string(decoderInput.rawValue))])),
        .init("output", .string(output.rawValue)),
      ])
  }
}

extension Architecture.Convolution {
  fileprivate var json: JSON {
    .object([
      .init("kind", .string(kind.rawValue)), .init("channels", .number("\(channels)")),
      .init("kernel", .number("\(kernel)")), .init("stride", .number("\(stride)")),
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
