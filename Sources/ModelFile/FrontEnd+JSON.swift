import FeatureExtraction
import JSONText

extension FrontEnd {
  /// Reads `front_end`.
  init(_ json: JSON) throws(ModelFault) {
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

  /// `front_end`; what it doesn't do is left out.
  var json: JSON {
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
