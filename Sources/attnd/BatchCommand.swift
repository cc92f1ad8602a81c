import ArgumentParser
import AudioInput
import Glibc
import ModelFile

/// Recordings -> detections as JSON Lines.
struct BatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch",
    abstract: "Find the keywords in recordings; JSON Lines on standard output.",
    discussion: """
      Each detection is an object on a line of its own, in the order of the files and of time:

        {"file":"hello.wav","keyword":"computer","score":0.97,
         "start":1.2,"end":1.77,"time":1.86}

      time is when it was decided, start and end are where the word lies, all in seconds from the \
      start of the file. With --frames each step of the network is a line too, with the posterior \
      of every keyword and the focus: how many seconds before time the attention looks (expected, \
      spread, peak). With --weights that line also has the attention itself: for each keyword (or \
      head) the weights of the steps in the window, oldest first; they add up to 1.

        attnd batch *.wav > found.jsonl
        find . -name '*.flac' | attnd batch --threshold 0.3 -
        attnd batch --frames talk.ogg | jq 'select(.posterior.computer > 0.5)'
        attnd batch --frames --weights hello.wav | jq -c .weights.computer

      CANDIDATES. With --candidates there is a line of the same form for every local peak of a \
      keyword's smoothed posterior above 0.05, in place of the detections: score is the peak's, time \
      is when it was, and nothing of that keyword within 0.75 s on either side is higher. No \
      threshold, release or refractory time has a say in it: it is what error rates at every \
      threshold are counted from. --threshold, --frames and --plot don't go with it.

        attnd batch --candidates *.wav | jq -s 'group_by(.keyword)[] | max_by(.score)' -c

      A file that cannot be read is one line on standard error; the others go on, and the command \
      ends with 65.

      PICTURES. --plot draws, for each file, on one time axis: where the detected words lie, the \
      rows (a spectrogram), the attention over the window at each moment (upwards: how long ago), \
      and the posterior of every keyword with its threshold and its detections. In long recordings \
      a pixel column shows the largest of its weights and posteriors.

        attnd batch --plot hello.png hello.wav
        attnd batch --plot pictures/ --plot-format svg *.wav > found.jsonl

      ROWS MADE ELSEWHERE. With --features the files hold rows, not sound: NumPy arrays [rows, \
      elements] of float32 or float64 (.npy), or tensors of safetensors files, float32. The model's \
      mean and scale are applied to them. Rows that 'attnd features' wrote give the detections that \
      their recordings give, bit for bit; they have no level (null), and a model's reset rule, \
      which waits for silence, has no say. A model that takes rows takes nothing else: without \
      --features it is refused, and the command ends with 65.

        attnd features --out rows/ hello.wav
        attnd batch --features rows/hello.npy

      LARGE CORPORA. --resume FILE writes the results to FILE in place of standard output, and goes \
      on after what FILE already holds: run the same command again after whatever ended it. The \
      last line of each recording says that it is complete:

        {"file":"a.wav","done":true,"duration":3.0,"steps":98,
         "detections":1,"settings":"9f86d081884c7d65"}

      What follows the last of these lines, a torn line included, is cut off and made anew. \
      settings stands for the model and the options: results of others are refused. A recording \
      that failed ends with "done":false and an error; it counts as complete. To try those again, \
      list them:

        jq -r 'select(.done == false).file' found.jsonl \\
          | attnd batch --resume again.jsonl -

      --shard I/N takes the I-th of N parts of the list, for processes or machines side by side. Of \
      n files it has those from place (I - 1) n / N to before I n / N: neighbours, so that the \
      results of shard 1, 2 ... N, one after the other, are those of one process, byte for byte:

        seq 8 | parallel attnd batch --shard {}/8 --resume {}.jsonl - '<' list
        cat 1.jsonl 2.jsonl 3.jsonl ... > found.jsonl
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup var listening: ListeningOptions

  @Flag(help: "Print an object for each step of the network, too.")
  var frames = false

  @Flag(help: "Print the weights over the window in each of these (needs --frames).")
  var weights = false

  @Flag(help: "Print every peak of a keyword's posterior, in place of the detections.")
  var candidates = false

  @Flag(help: "The files hold rows (.npy, .safetensors) in place of sound.")
  var features = false

  @Option(
    help: ArgumentHelp(
      "With --features: the tensor of a safetensors file that holds several.", valueName: "name"))
  var tensor: String?

  @OptionGroup var pictures: PictureOptions

  @Option(
    help: ArgumentHelp(
      "With --plot DIR: keep the folders of each file below this one, so that equal names do not "
        + "collide.", valueName: "dir"),
    completion: .directory)
  var root: String?

  @Option(
    help: ArgumentHelp(
      "Work on the I-th of N parts of the list, 1/N to N/N.", valueName: "I/N"))
  var shard: Shard?

  @Option(
    help: ArgumentHelp(
      "Write results to this file, and go on after what it already holds.", valueName: "file"),
    completion: .file(extensions: ["jsonl"]))
  var resume: String?

  func validate() throws {
    if weights, !frames {
      throw ValidationError("--weights are a part of the lines of --frames; give both")
    }
    if candidates {
      let refused = [
        (listening.threshold != nil, "--threshold", "candidates are told whatever their score is"),
        (frames, "--frames", "a candidate is known later than the steps after it"),
        (pictures.plot != nil, "--plot", "pictures show detections"),
      ]
      if let (_, flag, reason) = refused.first(where: \.0) {
        throw ValidationError("\(flag) doesn't go with --candidates: \(reason)")
      }
    }
    if tensor != nil, !features {
      throw ValidationError("--tensor names rows in a file; give --features too")
    }
  }

  func run() async throws {
    let settings = try listening.resolve(jobs: input.jobs)
    let model = try settings.loadModel()
    // Before each file says so.
    if !features { _ = try model.frontEnd() }
    var content: ResultContent = []
    if frames { content.insert(.frames) }
    if weights { content.insert(.weights) }
    if resume != nil { content.insert(.ends) }
    if candidates { content.insert(.candidates) }
    // Candidates don't depend on it, and neither may the name of their settings.
    let threshold = candidates ? nil : settings.threshold
    let kind: BatchInput = features ? .rows(tensor: tensor) : .sound(settings.channels)
    let name = settingsName(model, threshold, kind, content)

    var files = input.paths()
    let pictures = try pictures(of: files)
    if let shard { files = Array(files[shard.places(in: files.count)]) }
    let target = try resume.map { try ResumeFile($0, settings: name) }
    let total = files.count
    let earlier = target?.unfinished(of: files)
    if let earlier { files = earlier.files }

    let jobs = max(1, min(settings.jobs, files.count))
    var plan = BatchPlan(
      files: files, input: kind, model: model, threshold: threshold, content: content,
      settings: name, jobs: jobs)
    plan.pictures = pictures
    let receiver = BatchReceiver(total: files.count, target: target)
    defer { receiver.clear() }
    try await plan.run(into: receiver)
    receiver.clear()
    try endOfBatch(failed: receiver.failed + (earlier?.failed ?? 0), of: total, "files")
  }

  /// Where the picture of each file goes, by the file's name.
  private func pictures(of files: [String]) throws -> [String: PictureTarget] {
    if pictures.plot == "-" {
      guard resume != nil else {
        throw Failure(
          .validationFailure,
          "--plot -: results are on standard output; name a file, or give --resume FILE for them")
      }
      try pictures.refuseTerminal()
    }
    let names = Set(files)
    var targets: [String: PictureTarget] = [:]
    for name in names {
      targets[name] = try pictures.picture(of: name, isOnly: files.count == 1, root: root)
    }
    try refuseCollisions(
      names.sorted().map { (file: $0, places: [targets[$0]?.place].compactMap(\.self)) })
    return targets
  }

  /// A name for what decides about results: the same for the same model and options.
  private func settingsName(
    _ model: ModelFile, _ threshold: Float?, _ input: BatchInput, _ content: ResultContent
  ) -> String {
    let text = [
      model.digest, threshold.map { "\($0.bitPattern)" } ?? "", "\(input)", "\(content.rawValue)",
    ].joined(separator: "\n")
    return String(SHA256.hexadecimal(Array(text.utf8)).prefix(16))
  }
}

extension BatchPlan {
  /// Works on all files, with as many threads as jobs.
  ///
  /// - Parameter receiver: Gets the results.
  /// - Throws: What the receiver threw, or what kept a thread from beginning.
  package func run(into receiver: any ResultReceiver) async throws {
    let output = OrderedOutput(files: files.count, receiver: receiver)
    let work: @Sendable () -> Void = { [self] in
      var worker = BatchWorker(self, output: output)
      worker.run()
    }
    var threads: [ProcessingThread<Void>] = []
    for _ in 1..<jobs {
      threads.append(try ProcessingThread(name: "attnd-batch", work: work))
    }
    work()
    for thread in threads { try await thread.value }
    try output.finish()
  }
}

/// Prints the results of a batch, or writes them to a file, and tells how far it has come.
private final class BatchReceiver: ResultReceiver, @unchecked Sendable {
  // Unchecked: called by one thread at a time, as `ResultReceiver` promises.

  private let target: ResumeFile?
  private var progress: ProgressBar
  /// Files that failed.
  private(set) var failed = 0

  init(total: Int, target: ResumeFile?) {
    self.target = target
    progress = ProgressBar(total: total, unit: "files")
  }

  /// Takes the progress bar off the screen.
  func clear() { progress.clear() }

  func receive(_ lines: [UInt8]) throws {
    if let target { return try target.append(lines) }
    progress.clear()
    try StandardOutput.write(lines)
  }

  func fileEnds(_ file: Int, failure: String?) {
    guard let failure else { return }
    failed += 1
    progress.clear()
    StandardError.write("attnd: \(failure)\n")
  }

  func fileIsDone() { progress.advance() }
}
