import ArgumentParser
import Glibc
import JSONText
import KernelDispatch

/// How fast this machine is at what attnd does.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure how fast this machine does what attnd is made of.",
    discussion: """
      Times, on one thread in interleaved rounds:

        machine     multiply-adds as fast as the kernels in use can (GFLOP/s)
        fft         Fourier transforms, alone and eight at once, per transform
        features    feature rows; streaming: a hop at a time; batch: ten seconds at once
        encoder     recurrent layers, inputs-units x layers, a step of one stream or of 16 together
        attention   a step of the window, keys of 64, w: its length; projections not counted
        pipeline    the default model from samples to posteriors, a hop of 10 ms of one stream or
                    of 16 together, and how many streams a core could keep up with

      `best` is the fastest round, `median` the middle one. The clock is the processor time of the \
      process. Where operations are counted, the fraction of the machine's peak stands beside.

        attnd bench                        a table
        attnd bench --only fft --json      one object a line, for programs
        ATTND_KERNELS=baseline attnd bench as on a processor without AVX2

      Compare figures of one machine and one sitting only. Benchmarks/compare sets them beside \
      other libraries.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Only what begins like one of these: fft, features.kaldi-logmel40 ... (default: all).",
      valueName: "prefix"))
  var only: [String] = []

  @Option(help: ArgumentHelp("How often each is timed, 1 to 10,000.", valueName: "n"))
  var rounds = 41

  @Flag(help: "Print one JSON object a line: name, best, median, unit, gflops where counted.")
  var json = false

  func validate() throws {
    guard (1...10_000).contains(rounds) else {
      throw ValidationError("--rounds \(rounds): expected 1 to 10000")
    }
  }

  func run() throws {
    let benchmarks = try chosen(
      [MachineBenchmark.multiplyAdds] + FeatureBenchmarks.transforms()
        + (try FeatureBenchmarks.frontEnds()) + (try NetworkBenchmarks.encoders())
        + NetworkBenchmarks.windows() + (try PipelineBenchmarks.all()))
    var progress = ProgressBar(total: rounds, unit: "rounds")
    let figures = BenchmarkRun(rounds: rounds, sliceSeconds: 0.002)(benchmarks) {
      progress.advance()
    }
    progress.clear()
    let all = figures + PipelineBenchmarks.streamsPerCore(figures)
    try StandardOutput.write(json ? lines(all) : table(all))
  }

  private func chosen(_ all: [Benchmark]) throws -> [Benchmark] {
    for prefix in only where !all.contains(where: { $0.name.hasPrefix(prefix) }) {
      var names: [String] = []
      for name in all.map({ String($0.name.prefix { $0 != "." }) }) where !names.contains(name) {
        names.append(name)
      }
      throw ValidationError(
        "--only \(prefix): nothing begins like this; there is \(names.joined(separator: ", ")) and"
          + " what `attnd bench` lists")
    }
    return all.filter { benchmark in
      only.isEmpty || only.contains { benchmark.name.hasPrefix($0) }
    }
  }

  private func lines(_ figures: [BenchmarkRun.Figure]) -> String {
    figures.map { figure in
      var writer = JSONWriter()
      writer.object {
        $0.field("name", figure.name)
        $0.field("best", figure.best)
        $0.field("median", figure.median)
        $0.field("unit", figure.unit)
        if let speed = figure.speed { $0.field("gflops", speed) }
      }
      return writer.text + "\n"
    }.joined()
  }

  private func table(_ figures: [BenchmarkRun.Figure]) -> String {
    let width = figures.map(\.name.count).max() ?? 0
    var lines = [
      "processor   \(Machine.processor)",
      "kernels     \(InstructionSet.current.rawValue) of "
        + InstructionSet.available.map(\.rawValue).joined(separator: ", ")
        + " (\(InstructionSet.variable) forces one)",
      "load        \(Machine.load) on \(Machine.processors) processors",
      "",
      "\(pad("", width))      best    median",
    ]
    let peak = figures.first { $0.name == MachineBenchmark.multiplyAdds.name }?.best
    var group = ""
    for figure in figures {
      let next = String(figure.name.prefix { $0 != "." })
      if next != group, !group.isEmpty { lines.append("") }
      group = next
      lines.append(
        "\(pad(figure.name, width))  \(column(figure.best))  \(column(figure.median))  "
          + pad(figure.unit, 13) + speed(of: figure, peak: peak))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Operations a second, and what part of the machine's peak they are.
  private func speed(of figure: BenchmarkRun.Figure, peak: Double?) -> String {
    guard let speed = figure.speed, figure.unit != "GFLOP/s" else { return "" }
    let fraction = peak.map { ", \(fixed(100 * speed / $0, 0)) % of peak" } ?? ""
    return "\(fixed(speed, 1)) GFLOP/s" + fraction
  }

  private func column(_ value: Double) -> String {
    let text = fixed(value, 3)
    return String(repeating: " ", count: max(0, 8 - text.count)) + text
  }
}

/// What the system says about the machine.
private enum Machine {
  static var processor: String {
    let lines = readText("/proc/cpuinfo")
    let model = lines.split(separator: "\n").first { $0.hasPrefix("model name") }
    let name = model?.split(separator: ":").last.map { $0.drop { $0 == " " } }
    return name.map(String.init) ?? "unknown"
  }

  static var processors: Int { Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  static var load: String {
    var averages = [0.0]
    return getloadavg(&averages, 1) == 1 ? fixed(averages[0], 2) : "unknown"
  }

  private static func readText(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 4_096)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}
