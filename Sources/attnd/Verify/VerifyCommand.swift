import ArgumentParser
import JSONText
import ModelFile

/// The same bits, however a recording is heard.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove on recordings that how they are cut or batched changes no bit.",
    discussion: """
      Each recording is heard in ten ways: hop by hop, as the daemon hears it; in one large block; \
      in pieces of 1, 7, 159, 4096 and random numbers of samples; and in batches of 2, 5 and 16 \
      streams that join at different steps. The frames of all of them must be equal, bit for bit: \
      position, level, posteriors, contexts, focus and detections of every step. The digest is of \
      all of these, so that two machines can be compared, too.

        attnd verify hello.wav
        attnd verify --model mine.safetensors --json *.wav | jq 'select(.equal | not)'

      Where frames differ the first of them is named, and the command ends with 70: that is a fault \
      of attnd, please report it with the seed. A recording that cannot be read is one line on \
      standard error, and the command ends with 65; of one that ends in a fault, what precedes it is \
      compared. So does it with a model that takes rows in place of sound.
      """)

  @OptionGroup var input: InputFiles
  @OptionGroup var listening: ListeningOptions

  @Flag(help: "Print a JSON object for each recording, for programs.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Where random sizes and steps come from, to repeat a run (default: another each time).",
      valueName: "number"))
  var seed: UInt64?

  func run() async throws {
    let settings = try listening.resolve(jobs: input.jobs)
    let model = try settings.loadModel()
    _ = try model.frontEnd()
    let seed = seed ?? UInt64.random(in: 0..<1 << 32)
    let files = input.paths()
    if !json { try StandardOutput.write("model \(model.name), seed \(seed)\n") }
    var progress = ProgressBar(total: files.count, unit: "recordings")
    var unreadable = 0
    var different = 0
    try await inOrder(
      files, jobs: settings.jobs,
      work: { file in
        Result {
          try VerifyReport(
            Verification(
              file, model: model, threshold: settings.threshold, channels: settings.channels,
              seed: seed), of: file, seed: seed, rate: model.sampleRate)
        }
      },
      finished: { progress.advance() },
      emit: { result in
        progress.clear()
        switch result {
        case .success(let report):
          try StandardOutput.write(json ? report.json : report.text)
          if !report.isEqual { different += 1 }
          guard let failure = report.failure else { return }
          unreadable += 1
          StandardError.write("attnd: \(failure)\n")
        case .failure(let error):
          unreadable += 1
          StandardError.write("attnd: \(error)\n")
        }
      })
    progress.clear()
    if different > 0 {
      throw Failure(
        .internalError,
        "\(different) of \(files.count) recordings give other bits in another way (seed \(seed))")
    }
    try endOfBatch(failed: unreadable, of: files.count, "recordings")
  }
}

/// What is said of one recording.
package struct VerifyReport: Sendable {
  /// Whether every way gave the same frames.
  package let isEqual: Bool
  /// What ended the recording before its end.
  package let failure: String?
  /// For people.
  package let text: String
  /// For programs.
  package let json: String

  /// Hears a recording in every way.
  ///
  /// - Parameters:
  ///   - verification: The recording.
  ///   - file: Its name.
  ///   - seed: What random sizes and steps come from.
  ///   - rate: Samples a second.
  /// - Throws: What the recording's beginning has wrong with it by now.
  package init(_ verification: Verification, of file: String, seed: UInt64, rate: Int) throws {
    let outcomes = try Verification.Way.all.map { try verification.outcome($0) }
    isEqual = outcomes.allSatisfy { $0.difference == nil }
    failure = verification.failure
    text = Self.text(verification, outcomes, file, rate: rate)
    json = Self.json(verification, outcomes, file, seed: seed, rate: rate)
  }

  private static func text(
    _ verification: Verification, _ outcomes: [Verification.Outcome], _ file: String, rate: Int
  ) -> String {
    let width = outcomes.map { "\($0.way)".count }.max() ?? 0
    var lines = [
      "\(file)  \(fixed(verification.seconds, 2)) s, \(verification.frames.count) frames,"
        + " \(verification.detections) detections"
    ]
    for outcome in outcomes {
      let verdict =
        outcome.difference.map { difference in
          let stream = outcome.way.streams > 1 ? " of stream \(difference.stream + 1)" : ""
          let time = fixed(Double(difference.position) / Double(rate), 3)
          return "DIFFERS at frame \(difference.frame)\(stream) (\(time) s): \(difference.part)"
        } ?? (outcome.way == .streaming ? "" : "equal")
      lines.append("  \(pad("\(outcome.way)", width))  \(outcome.digest)  \(verdict)")
    }
    return lines.map { $0.trimmingEnd() + "\n" }.joined()
  }

  private static func json(
    _ verification: Verification, _ outcomes: [Verification.Outcome], _ file: String, seed: UInt64,
    rate: Int
  ) -> String {
    var json = JSONWriter()
    json.object { json in
      json.field("file", file)
      json.field("equal", outcomes.allSatisfy { $0.difference == nil })
      json.field("duration", verification.seconds)
      json.field("frames", verification.frames.count)
      json.field("detections", verification.detections)
      json.name("seed")
      json.value(.number("\(seed)"))
      json.name("ways")
      json.array { json in
        for outcome in outcomes {
          json.object { json in
            json.field("way", "\(outcome.way)")
            json.field("digest", outcome.digest)
            json.field("equal", outcome.difference == nil)
            guard let difference = outcome.difference else { return }
            json.field("stream", difference.stream)
            json.field("frame", difference.frame)
            json.field("time", Double(difference.position) / Double(rate))
            json.field("differs_in", difference.part)
          }
        }
      }
    }
    return json.text + "\n"
  }
}

extension Verification.Way {
  /// Streams of the recording side by side.
  fileprivate var streams: Int {
    guard case .batch(let count) = self else { return 1 }
    return count
  }
}

extension String {
  /// Without spaces at the end.
  fileprivate func trimmingEnd() -> String {
    String(self.reversed().drop { $0 == " " }.reversed())
  }
}
