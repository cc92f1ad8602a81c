import ArgumentParser
import ModelFile
import StreamingAttention

/// Sound without keywords -> thresholds within a budget of false alarms.
struct CalibrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Choose each keyword's threshold from sound that holds no keywords.",
    discussion: """
      Give it what the microphone is going to hear for hours without a keyword being said: a \
      television, conversations, the kitchen. It finds the peaks of every keyword's posterior, as \
      'attnd batch --candidates' tells them, fits a generalised Pareto distribution to the highest of \
      them, and chooses the lowest thresholds by which false alarms stay within the budget with the \
      confidence. The budget is for all keywords together, an equal share for each.

        attnd calibrate --budget 0.1/h evening.flac
        find kitchen -name '*.wav' | attnd calibrate --budget 1/d --out kitchen.safetensors -
        attnd calibrate --budget 0.1/h --json *.wav | jq '.keywords[] | {keyword, threshold}'

      The table has, for each keyword, its peaks, how many of them are fitted, shape and scale of \
      the fit (in log-odds), the threshold before and now, how many false alarms an hour are to be \
      expected, and their upper limit. Where the sound is too short to show the budget it says so, \
      with the hours that would be. The highest peaks follow with their places: listen to them. A \
      keyword that is said in the sound makes its threshold too high; where peaks stand far out of \
      the fit, a line says so.

      --out writes the result: to a name that ends with .safetensors the model with the new \
      thresholds, all else in it as it was; to one that ends with .yaml the setting 'threshold', \
      which is one for all keywords, as attnd.yaml has it. It may be given more than once.

      A file that cannot be read is one line on standard error; the others count, and the command \
      ends with 65. Docs/calibration.md has the method, and what its figures can't say.
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup var model: ModelOptions

  @Option(
    help: ArgumentHelp(
      "False alarms allowed, of all keywords together: 0.1/h in an hour, 3/d in a day.",
      valueName: "number/unit"))
  var budget: FalseAlarmBudget

  @Option(
    help: ArgumentHelp(
      "How sure it is to be that a keyword stays within its share, 0.5 to 0.9999.",
      valueName: "chance"))
  var confidence = 0.9

  @Flag(help: "The files hold rows (.npy, .safetensors) in place of sound.")
  var features = false

  @Option(
    help: ArgumentHelp(
      "With --features: the tensor of a safetensors file that holds several.", valueName: "name"))
  var tensor: String?

  @Option(
    help: ArgumentHelp(
      "Write the thresholds: FILE.safetensors, the model with them, or FILE.yaml, the setting.",
      valueName: "file"),
    completion: .file(extensions: ["safetensors", "yaml"]))
  var out: [String] = []

  @Flag(help: "Print one JSON object, for programs.")
  var json = false

  func validate() throws {
    guard (0.5...0.9999).contains(confidence) else {
      throw ValidationError("--confidence \(confidence): expected 0.5 to 0.9999")
    }
    if tensor != nil, !features {
      throw ValidationError("--tensor names rows in a file; give --features too")
    }
    for path in out where CalibrationFile.Form(path) == nil {
      throw ValidationError("--out \(path): expected FILE.safetensors or FILE.yaml")
    }
  }

  func run() async throws {
    let settings = try model.resolve(jobs: input.jobs)
    let (model, bytes) = try settings.loadModelWithBytes()
    if !features { _ = try model.frontEnd() }
    guard model.architecture.output != .linear else {
      throw Failure(
        .badData,
        "model \(model.name): its output is linear, expected sigmoid or softmax: thresholds are "
          + "calibrated on posteriors")
    }
    // Before hours of hearing.
    let targets = try out.map { try CalibrationFile($0) }
    let files = input.paths()
    let jobs = max(1, min(settings.jobs, files.count))
    let plan = BatchPlan(
      files: files, input: features ? .rows(tensor: tensor) : .sound(settings.channels),
      model: model, threshold: nil, content: [.candidates, .ends], settings: "", jobs: jobs)
    let receiver = PeakReceiver(total: files.count)
    defer { receiver.clear() }
    try await plan.run(into: receiver)
    receiver.clear()
    guard receiver.peaks.seconds > 0 else {
      try endOfBatch(failed: receiver.failed, of: files.count, "files")
      throw Failure(.badData, "nothing was heard: thresholds need hours of sound without keywords")
    }
    let report = CalibrationReport(
      receiver.peaks, model, override: settings.threshold, budget: budget, confidence: confidence)
    try StandardOutput.write(json ? report.json : report.text)
    for target in targets { try target.write(report, bytes, name: model.name) }
    try endOfBatch(failed: receiver.failed, of: files.count, "files")
  }
}

/// A file that thresholds are written to; under a temporary name until it is whole.
private struct CalibrationFile {
  /// What it holds.
  enum Form: String {
    case model = "safetensors"
    case configuration = "yaml"

    /// What a name says that its file is.
    init?(_ path: String) {
      guard let file = path.split(separator: "/").last, !path.hasSuffix("/"),
        let dot = file.lastIndex(of: "."), dot > file.startIndex,
        let form = Form(rawValue: file[file.index(after: dot)...].lowercased())
      else { return nil }
      self = form
    }
  }

  private let form: Form
  private let file: OutputFile

  init(_ path: String) throws {
    guard let form = Form(path) else {
      throw Failure(.validationFailure, "--out \(path): expected FILE.safetensors or FILE.yaml")
    }
    self.form = form
    file = try OutputFile(path)
  }

  func write(_ report: CalibrationReport, _ model: [UInt8], name: String) throws {
    switch form {
    case .model:
      try file.append(
        ModelFile.replacing(
          thresholds: report.thresholds, in: model, name: name))
    case .configuration: try file.append(Array(report.yaml.utf8))
    }
    try file.commit()
  }
}

/// Gathers the peaks of a batch, and tells how far it has come.
private final class PeakReceiver: ResultReceiver, @unchecked Sendable {
  // Unchecked: called by one thread at a time, as `ResultReceiver` promises.

  private(set) var peaks = PeakCollection()
  private var progress: ProgressBar
  /// Files that failed.
  private(set) var failed = 0

  init(total: Int) { progress = ProgressBar(total: total, unit: "files") }

  /// Takes the progress bar off the screen.
  func clear() { progress.clear() }

  func receive(_ lines: [UInt8]) { peaks.take(lines) }

  func fileEnds(_ file: Int, failure: String?) {
    guard let failure else { return }
    failed += 1
    progress.clear()
    StandardError.write("attnd: \(failure)\n")
  }

  func fileIsDone() { progress.advance() }
}
