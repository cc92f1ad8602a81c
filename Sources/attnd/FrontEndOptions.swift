import ArgumentParser
import FeatureExtraction
import ModelFile

/// Which front end, and what is to be different about it: every number of `FrontEnd` is an option.
struct FrontEndOptions: ParsableArguments {
  @OptionGroup(title: "Front end") private var beginning: BaseOption
  @OptionGroup(title: "Front end: frames") private var frames: FrameOptions
  @OptionGroup(title: "Front end: filters") private var filters: FilterOptions
  @OptionGroup(title: "Front end: elements of a row") private var elements: ElementOptions

  /// Where the numbers come from that no option gives.
  var base: Base { beginning.base }

  /// Where numbers come from.
  enum Base: String, CaseIterable, ExpressibleByArgument {
    case model
    case kaldiLogMel = "kaldi-logmel"
    case librosaLogMel = "librosa-logmel"
    case kaldiMFCC = "kaldi-mfcc"
    case librosaMFCC = "librosa-mfcc"
    case pcen
    case power

    /// The front end, where no model has to be asked for it.
    var preset: FrontEnd? {
      switch self {
      case .model: nil
      case .kaldiLogMel: .kaldiLogMel()
      case .librosaLogMel: .librosaLogMel()
      case .kaldiMFCC: .kaldiMFCC
      case .librosaMFCC: .librosaMFCC
      case .pcen: .pcen
      case .power: .powerSpectrum
      }
    }
  }

  /// The front end that the options name.
  ///
  /// - Parameter model: Reads the model; called only if its front end is asked for.
  /// - Returns: The front end, checked.
  /// - Throws: `Failure` naming the option that cannot be.
  func resolve(model: () throws -> ModelFile) throws -> ChosenFrontEnd {
    var changes: FrontEndChanges
    var statistics: ModelFile?
    if let preset = base.preset {
      changes = FrontEndChanges(to: preset, called: base.rawValue)
    } else {
      let model = try model()
      changes = FrontEndChanges(to: try model.frontEnd(), called: "the model")
      statistics = model
    }
    frames.apply(to: &changes)
    filters.apply(to: &changes)
    try elements.apply(to: &changes)
    var frontEnd = try changes.checked()
    // The model's mean and scale fit its own rows only.
    if let model = statistics, .sound(frontEnd) == model.input, frontEnd.running?.start == .model {
      return ChosenFrontEnd(frontEnd: frontEnd, mean: model.mean, scale: model.scale)
    }
    frontEnd.running?.start = .warm
    return ChosenFrontEnd(frontEnd: frontEnd, mean: nil, scale: nil)
  }
}

/// The front end to begin with.
private struct BaseOption: ParsableArguments {
  @Option(
    name: .customLong("front-end"),
    help: ArgumentHelp(
      "The front end to begin with; the options below change its numbers. model: the rows that the "
        + "model sees, before its mean and scale are applied. kaldi-logmel, kaldi-mfcc: as Kaldi "
        + "and torchaudio compute them. librosa-logmel, librosa-mfcc: as librosa does. pcen: mel "
        + "energies under an automatic gain. power: the power spectrum.", valueName: "name"))
  var base = FrontEndOptions.Base.model
}

/// A front end, and what its running normalisation starts from.
struct ChosenFrontEnd: Sendable {
  let frontEnd: FrontEnd
  let mean: [Float]?
  let scale: [Float]?
}

/// How samples become frames.
private struct FrameOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Samples a second; recordings are resampled.", valueName: "hertz"))
  var sampleRate: Int?

  @Option(help: ArgumentHelp("Samples analysed together.", valueName: "samples"))
  var frameLength: Int?

  @Option(help: ArgumentHelp("Samples from one row to the next.", valueName: "samples"))
  var hop: Int?

  @Option(
    help: ArgumentHelp(
      "Points of the Fourier transform; frames are padded with zeros to it.", valueName: "samples"))
  var fftSize: Int?

  @Option(help: ArgumentHelp("The taper of a frame.", valueName: "name"))
  var window: WindowFunction?

  @Option(
    help: ArgumentHelp("k of x[i] - k x[i-1], before the taper; 0 for none.", valueName: "k"))
  var preEmphasis: Float?

  @Flag(
    name: .customLong("remove-dc"), inversion: .prefixedNo,
    help: "Subtract the mean of each frame.")
  var removesDC: Bool?

  @Option(
    help: ArgumentHelp(
      "Frames at the ends: whole ones only (snip); centred on hops, the recording mirrored (mirror: "
        + "Kaldi's), reflected or continued by zeros (reflect, zero: librosa's).",
      valueName: "kind"))
  var edges: FrontEnd.Edges?

  @Option(
    help: ArgumentHelp(
      "What samples in -1 to 1 are multiplied by; 32768 is Kaldi's scale.", valueName: "factor"))
  var sampleScale: Float?

  fileprivate func apply(to changes: inout FrontEndChanges) {
    changes.set(\.sampleRate, sampleRate, "sample-rate")
    changes.set(\.frameLength, frameLength, "frame-length")
    changes.set(\.hop, hop, "hop")
    changes.set(\.fftSize, fftSize, "fft-size")
    changes.set(\.window, window, "window")
    changes.set(\.preEmphasis, preEmphasis, "pre-emphasis")
    changes.set(\.removesDC, removesDC, "remove-dc")
    changes.set(\.edges, edges, "edges")
    changes.set(\.sampleScale, sampleScale, "sample-scale")
  }
}

/// How a spectrum becomes energies.
private struct FilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The filters: htk (Kaldi's), slaney (librosa's), or none, which leaves the power spectrum.",
      valueName: "name"))
  var melScale: FrontEnd.MelScale?

  @Option(help: ArgumentHelp("How many filters.", valueName: "n"))
  var bins: Int?

  @Option(help: ArgumentHelp("Lower edge of the first filter.", valueName: "hertz"))
  var lowHz: Double?

  @Option(help: ArgumentHelp("Upper edge of the last filter.", valueName: "hertz"))
  var highHz: Double?

  fileprivate func apply(to changes: inout FrontEndChanges) {
    changes.set(\.melScale, melScale, "mel-scale")
    if changes.frontEnd.melScale == .none { changes.coverWholeSpectrum() }
    changes.set(\.bins, bins, "bins")
    changes.set(\.lowFrequency, lowHz, "low-hz")
    changes.set(\.highFrequency, highHz, "high-hz")
  }
}

/// How energies become the elements of a row.
private struct ElementOptions: ParsableArguments {
  /// The kinds of `FrontEnd.Compression`.
  enum Compression: String, CaseIterable, ExpressibleByArgument {
    case linear, log, decibels, pcen
  }

  @Option(
    help: ArgumentHelp(
      "What becomes of an energy: nothing (linear), its natural logarithm (log), 10 log10 "
        + "(decibels), an automatic gain and a root (pcen).", valueName: "kind"))
  var compression: Compression?

  @Option(help: ArgumentHelp("Energy below which logarithms do not go.", valueName: "energy"))
  var floor: Float?

  @Option(
    help: ArgumentHelp("Weight of the newest energy in the gain's mean.", valueName: "weight"))
  var pcenSmoothing: Float?

  @Option(help: ArgumentHelp("Exponent of the gain.", valueName: "exponent"))
  var pcenGain: Float?

  @Option(help: ArgumentHelp("What is added before the root.", valueName: "number"))
  var pcenBias: Float?

  @Option(help: ArgumentHelp("Exponent of the root.", valueName: "exponent"))
  var pcenPower: Float?

  @Option(help: ArgumentHelp("What keeps silence from being amplified.", valueName: "energy"))
  var pcenEpsilon: Float?

  @Option(
    help: ArgumentHelp(
      "Cepstral coefficients to make of each row, by a cosine transform; 0 for none.",
      valueName: "n"))
  var cepstra: Int?

  @Option(
    help: ArgumentHelp(
      "L of the coefficients' weights 1 + L/2 sin(pi k/L); 0 for none.", valueName: "l"))
  var lifter: Float?

  @Flag(inversion: .prefixedNo, help: "Put the frame's energy in the place of coefficient 0.")
  var energy: Bool?

  @Option(
    help: ArgumentHelp("Append differences in time of so many orders, 0 to 2.", valueName: "orders")
  )
  var deltas: Int?

  @Option(
    help: ArgumentHelp(
      "Normalise each element by its running mean and variance, in which the newest row has this "
        + "weight; 0 for none.", valueName: "weight"))
  var running: Float?

  fileprivate func apply(to changes: inout FrontEndChanges) throws {
    if let compression { changes.compress(compression) }
    try changes.setFloor(floor)
    try changes.setPCEN(\.smoothing, pcenSmoothing, "pcen-smoothing")
    try changes.setPCEN(\.gain, pcenGain, "pcen-gain")
    try changes.setPCEN(\.bias, pcenBias, "pcen-bias")
    try changes.setPCEN(\.power, pcenPower, "pcen-power")
    try changes.setPCEN(\.epsilon, pcenEpsilon, "pcen-epsilon")
    changes.setCepstra(cepstra)
    try changes.setCepstra(\.lifter, lifter, "lifter")
    try changes.setCepstra(\.energy, energy, "energy")
    changes.set(\.deltas, deltas, "deltas")
    changes.setRunning(running)
  }
}

/// A front end that options change, one after another, and who said what.
private struct FrontEndChanges {
  private(set) var frontEnd: FrontEnd
  private let name: String
  private var given: Set<String> = []

  init(to frontEnd: FrontEnd, called name: String) {
    self.frontEnd = frontEnd
    self.name = name
  }

  mutating func set<Value>(
    _ number: WritableKeyPath<FrontEnd, Value>, _ value: Value?, _ option: String
  ) {
    guard let value else { return }
    frontEnd[keyPath: number] = value
    given.insert(option)
  }

  /// Without filters these follow from the others.
  mutating func coverWholeSpectrum() {
    frontEnd.bins = frontEnd.fftSize / 2 + 1
    frontEnd.lowFrequency = 0
    frontEnd.highFrequency = Double(frontEnd.sampleRate) / 2
  }

  /// Another compression, with the numbers of the preset that has it; the same one keeps its own.
  mutating func compress(_ kind: ElementOptions.Compression) {
    switch (kind, frontEnd.compression) {
    case (.linear, .linear), (.log, .log), (.decibels, .decibels), (.pcen, .pcen): break
    case (.linear, _): frontEnd.compression = .linear
    case (.log, _): frontEnd.compression = FrontEnd.kaldiLogMel().compression
    case (.decibels, _): frontEnd.compression = FrontEnd.librosaLogMel().compression
    case (.pcen, _): frontEnd.compression = FrontEnd.pcen.compression
    }
  }

  mutating func setFloor(_ floor: Float?) throws {
    guard let floor else { return }
    given.insert("floor")
    switch frontEnd.compression {
    case .log: frontEnd.compression = .log(floor: floor)
    case .decibels: frontEnd.compression = .decibels(floor: floor)
    case .linear, .pcen: throw meaningless("floor", "--compression log or decibels")
    }
  }

  mutating func setPCEN(
    _ number: WritableKeyPath<FrontEnd.PCEN, Float>, _ value: Float?, _ option: String
  ) throws {
    guard let value else { return }
    guard case .pcen(var pcen) = frontEnd.compression else {
      throw meaningless(option, "--compression pcen")
    }
    pcen[keyPath: number] = value
    frontEnd.compression = .pcen(pcen)
    given.insert(option)
  }

  mutating func setCepstra(_ count: Int?) {
    guard let count else { return }
    given.insert("cepstra")
    guard count != 0 else { return frontEnd.cepstra = nil }
    if frontEnd.cepstra == nil { frontEnd.cepstra = FrontEnd.Cepstra(count: count) }
    frontEnd.cepstra?.count = count
  }

  mutating func setCepstra<Value>(
    _ number: WritableKeyPath<FrontEnd.Cepstra, Value>, _ value: Value?, _ option: String
  ) throws {
    guard let value else { return }
    guard var cepstra = frontEnd.cepstra else { throw meaningless(option, "--cepstra") }
    cepstra[keyPath: number] = value
    frontEnd.cepstra = cepstra
    given.insert(option)
  }

  mutating func setRunning(_ rate: Float?) {
    guard let rate else { return }
    given.insert("running")
    guard rate != 0 else { return frontEnd.running = nil }
    if frontEnd.running == nil {
      frontEnd.running = FrontEnd.RunningNormalisation(rate: rate, start: .warm)
    }
    frontEnd.running?.rate = rate
  }

  /// The front end, if its numbers can be together.
  func checked() throws -> FrontEnd {
    do throws(FrontEndError) { try frontEnd.validate() } catch {
      let option = Self.option(error.field)
      let origin = given.contains(option) ? "" : " (from \(name))"
      throw Failure(
        .validationFailure,
        "--\(option) \(error.found)\(origin): expected \(Self.inOptions(error.expected))")
    }
    return frontEnd
  }

  private func meaningless(_ option: String, _ other: String) -> Failure {
    Failure(
      .validationFailure, "--\(option): \(name) has no use for it; it belongs to \(other)")
  }

  /// The option that says a number which the front end calls so.
  private static func option(_ field: String) -> String {
    switch field {
    case "smoothing", "gain", "bias", "power", "epsilon": "pcen-\(field)"
    case "cepstra.count": "cepstra"
    case "cepstra.lifter": "lifter"
    case "running.rate": "running"
    default: String(field.map { $0 == "_" ? "-" : $0 })
    }
  }

  /// What is expected, in the words of the options: other numbers by their options.
  private static func inOptions(_ expected: String) -> String {
    let words = expected.split(separator: " ", omittingEmptySubsequences: false)
    return words.map { word in word.contains("_") ? "--" + option(String(word)) : String(word) }
      .joined(separator: " ")
  }
}

extension WindowFunction: ExpressibleByArgument {}
extension FrontEnd.Edges: ExpressibleByArgument {}
extension FrontEnd.MelScale: ExpressibleByArgument {}
