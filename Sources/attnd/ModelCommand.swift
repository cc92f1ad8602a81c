import ArgumentParser
import FeatureExtraction
import JSONText
import ModelFile
import StreamingAttention

/// What is in a model file.
struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Check a model file and show what is in it.",
    discussion: """
      Without FILE: the model inside the program. A file that is damaged or that this version \
      cannot run is refused with a line that says what is wrong where; the command ends with 65. \
      A model of rows made elsewhere is for 'attnd batch --features'; commands that listen to sound \
      refuse it, with 65, too. With --json the file's whole document is under "document". \
      Docs/model-file.md describes the format.
      """)

  @Argument(help: "Model file (safetensors).", completion: .file(extensions: ["safetensors"]))
  var file: String?

  @Flag(help: "Print one JSON object, for programs.")
  var json = false

  func run() throws {
    let model = try file.map { try ModelFile(path: $0) } ?? ModelFile.embedded()
    try StandardOutput.write(json ? jsonText(model) : text(model))
  }

  private func text(_ model: ModelFile) -> String {
    let lines =
      [
        "\(model.name)",
        "  digest      \(model.digest)",
        "  weights     \(model.parameters.weightCount)"
          + (model.parameters.hasHalfMatrices ? ", matrices of half precision" : ""),
        "",
      ] + input(model) + [""] + network(model) + [""] + keywords(model) + [""]
      + provenance(model.provenance)
    return lines.joined(separator: "\n") + "\n"
  }

  private func input(_ model: ModelFile) -> [String] {
    switch model.input {
    case .sound(let front):
      let milliseconds = 1_000 / Double(front.sampleRate)
      return [
        "front end",
        "  sound       \(front.sampleRate) Hz",
        "  frames      \(fixed(Double(front.frameLength) * milliseconds, 1)) ms every"
          + " \(fixed(Double(front.hop) * milliseconds, 1)) ms, \(front.window.rawValue) window",
        "  rows        \(rows(front))",
      ]
    case .rows(let rows):
      return [
        "rows made elsewhere, for attnd batch --features",
        "  length      \(counted(rows.length, "element"))",
        "  rate        \(rows.perSecond) a second",
      ]
    }
  }

  private func network(_ model: ModelFile) -> [String] {
    let net = model.architecture
    let step = 1_000 * model.stepSeconds
    var lines = ["network, a step every \(fixed(step, step < 10 ? 2 : 0)) ms"]
    var length = net.bins
    for (index, layer) in net.stem.enumerated() {
      lines.append(
        (index == 0 ? "  stem        " : "              ")
          + "\(layer.kind.rawValue) convolution \(length) -> \(layer.channels) over"
          + " \(counted(layer.kernel, "row"))"
          + (layer.stride > 1 ? ", every \(ordinal(layer.stride)) kept" : ""))
      length = layer.channels
    }
    lines += [
      "  input x     \(net.inputSize) (\(counted(net.stack, "row"))"
        + (net.stride == net.stack ? ")" : ", \(net.stride) of them new)"),
      "  encoder h   \(net.encoder.cell.rawValue) \(net.inputSize) -> \(net.encoder.units),"
        + " \(counted(net.encoder.layers, "layer"))",
      "  attention   \(net.score.rawValue), memory \(net.memory.rawValue),"
        + " \(counted(net.headCount, "head"))\(net.heads == .keyword ? ", one a keyword" : ""),"
        + " keys of \(net.keySize), values of \(net.valueSize)"
        + (net.value == .key ? " (the keys)" : ""),
      "  window      \(counted(net.window, "step")),"
        + " \(fixed(Double(net.window) * step / 1_000, 2)) s",
      "  decoder d   \(net.decoder.cell.rawValue) \(net.decoderInputSize) -> \(net.decoder.units),"
        + " \(counted(net.decoder.layers, "layer")), on \(net.decoderInput.rawValue)",
      "  output y    \(counted(net.keywords, net.output == .linear ? "sum" : "posterior")),"
        + " \(net.output.rawValue)",
      "  forgets     \(forgetting(model.reset))",
    ]
    return lines
  }

  /// When what was heard is forgotten.
  private func forgetting(_ rule: ModelFile.ResetRule) -> String {
    switch rule {
    case .never: "never"
    case .silence(let silence):
      "after \(fixed(silence.seconds, 1)) s below \(fixed(silence.decibels, 1)) dBFS"
    }
  }

  private func keywords(_ model: ModelFile) -> [String] {
    let width = model.keywords.map(\.phrase.count).max() ?? 0
    let title =
      "keywords (mean of \(counted(model.detector.smoothingSteps, "step")) against the threshold;"
      + " again after \(fixed(model.detector.refractorySeconds, 2)) s)"
    return [title]
      + model.keywords.map { keyword in
        "  \(pad(keyword.phrase, width))  threshold \(fixed(keyword.threshold, 3))"
          + (keyword.name == keyword.phrase ? "" : "  named \(keyword.name)")
      }
  }

  private func provenance(_ origin: ModelFile.Provenance) -> [String] {
    [
      "provenance",
      "  data        \(origin.data)", "  recipe      \(origin.recipe)",
      "  command     \(origin.command)", "  seed        \(origin.seed)",
      "  licence     \(origin.licence)", "  figures     \(origin.figures)",
    ]
  }

  private func counted(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  private func ordinal(_ number: Int) -> String {
    ["second", "third"].dropFirst(number - 2).first ?? "\(number)th"
  }

  /// What an element of a row is, step by step.
  private func rows(_ front: FrontEnd) -> String {
    let band = "from \(fixed(front.lowFrequency, 0)) to \(fixed(front.highFrequency, 0)) Hz"
    var steps = [
      front.melScale == .none ? "\(front.bins) bins \(band)" : "\(front.bins) mel bins \(band)",
      compression(front),
    ]
    if let cepstra = front.cepstra { steps.append("\(cepstra.count) cepstral coefficients") }
    if front.deltas > 0 { steps.append("differences of order 1" + (front.deltas > 1 ? ", 2" : "")) }
    if front.running != nil { steps.append("running mean and variance normalisation") }
    return steps.joined(separator: ", ")
  }

  private func compression(_ front: FrontEnd) -> String {
    switch front.compression {
    case .linear: "linear"
    case .log: "log"
    case .decibels: "decibels"
    case .pcen: "per-channel energy normalisation"
    }
  }

  private func jsonText(_ model: ModelFile) -> String {
    let net = model.architecture
    var json = JSONWriter()
    json.object { json in
      json.field("name", model.name)
      json.field("digest", model.digest)
      json.field("weights", model.parameters.weightCount)
      json.field("half_precision", model.parameters.hasHalfMatrices)
      json.field("rate", model.sampleRate)
      json.field("hop", model.input.hop)
      json.field("bins", model.input.rowLength)
      json.field("step_samples", model.stepSamples)
      json.field("score", net.score.rawValue)
      json.field("memory", net.memory.rawValue)
      json.field("heads", net.headCount)
      json.field("window", net.window)
      json.name("keywords")
      json.array { json in
        for keyword in model.keywords {
          json.object { json in
            json.field("name", keyword.name)
            json.field("phrase", keyword.phrase)
            json.field("threshold", keyword.threshold)
          }
        }
      }
      json.name("document")
      json.value(model.document.json)
    }
    return json.text + "\n"
  }
}
