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
    let front = model.frontEnd
    let net = model.architecture
    let milliseconds = 1_000 / Double(front.sampleRate)
    let step = Double(front.hop * net.stride) * milliseconds
    let width = model.keywords.map(\.phrase.count).max() ?? 0
    var lines = [
      "\(model.name)",
      "  digest      \(model.digest)",
      "  weights     \(model.parameters.weightCount)",
      "",
      "front end",
      "  sound       \(front.sampleRate) Hz",
      "  frames      \(fixed(Double(front.frameLength) * milliseconds, 1)) ms every"
        + " \(fixed(Double(front.hop) * milliseconds, 1)) ms, \(front.window.rawValue) window",
      "  rows        \(rows(front))",
      "",
      "network, a step every \(fixed(step, 0)) ms",
      "  input x     \(net.inputSize) (\(net.stack) rows)",
      "  encoder h   \(net.encoder.cell.rawValue) \(net.inputSize) -> \(net.encoder.units),"
        + " \(net.encoder.layers) layers",
      "  attention   \(net.score.rawValue), memory \(net.memory.rawValue),"
        + " \(net.headCount) heads\(net.heads == .keyword ? ", one a keyword" : ""),"
        + " keys of \(net.keySize), values of \(net.valueSize)",
      "  window      \(net.window) steps, \(fixed(Double(net.window) * step / 1_000, 2)) s",
      "  decoder d   \(net.decoder.cell.rawValue) \(net.decoderInputSize) -> \(net.decoder.units),"
        + " on \(net.decoderInput.rawValue)",
      "  output y    \(net.keywords) posteriors, \(net.output.rawValue)",
      "",
      "keywords (mean of \(model.detector.smoothingSteps) steps against the threshold; again after"
        + " \(fixed(model.detector.refractorySeconds, 2)) s)",
    ]
    for keyword in model.keywords {
      lines.append(
        "  \(pad(keyword.phrase, width))  threshold \(fixed(keyword.threshold, 3))"
          + (keyword.name == keyword.phrase ? "" : "  named \(keyword.name)"))
    }
    let origin = model.provenance
    lines += [
      "", "provenance",
      "  data        \(origin.data)", "  recipe      \(origin.recipe)",
      "  command     \(origin.command)", "  seed        \(origin.seed)",
      "  licence     \(origin.licence)", "  figures     \(origin.figures)",
    ]
    return lines.joined(separator: "\n") + "\n"
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
    let front = model.frontEnd
    let net = model.architecture
    var json = JSONWriter()
    json.object { json in
      json.field("name", model.name)
      json.field("digest", model.digest)
      json.field("weights", model.parameters.weightCount)
      json.field("rate", front.sampleRate)
      json.field("hop", front.hop)
      json.field("bins", front.rowLength)
      json.field("step_samples", front.hop * net.stride)
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
    }
    return json.text + "\n"
  }
}
